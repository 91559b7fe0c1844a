//! What the token endpoint answers, as clients read it (RFC 6749 section 5). Shows no token.

use super::{
    clients::Renews,
    findings::Check,
    play::{Play, Stopped},
    probe::Reply,
};
use crate::secret::SecretString;

/// Below this many seconds a connection that is not renewed is too short.
const SHORT: u64 = 3_600;

/// What was issued.
pub struct Tokens {
    /// The access token.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: Option<SecretString>,
}

impl Tokens {
    /// The same tokens again, to end their session with.
    #[must_use]
    pub fn again(&self) -> Self {
        let copy = |token: &SecretString| SecretString::new(token.expose().clone());
        Self {
            access: copy(&self.access),
            refresh: self.refresh.as_ref().map(copy),
        }
    }
}

impl Play<'_> {
    /// The tokens, if clients can read them.
    pub fn tokens(&mut self, reply: &Reply) -> Result<Tokens, Stopped> {
        let wrong = |play: &mut Self, what: &str| play.stop(Check::TokenBroken, what, what);
        if !reply.header_has("content-type", "json") {
            return Err(wrong(self, "Content-Type is not application/json"));
        }
        let Some(value) = reply.json() else {
            return Err(wrong(self, "the body is not JSON"));
        };
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
        let Some(access) = text("access_token") else {
            return Err(wrong(self, "`access_token` is missing"));
        };
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(wrong(self, "`token_type` is not Bearer"));
        }
        Ok(Tokens {
            access: SecretString::new(access.to_owned()),
            refresh: text("refresh_token").map(|token| SecretString::new(token.to_owned())),
        })
    }

    /// Says when they end too soon.
    pub fn lasts(&mut self, reply: &Reply, tokens: &Tokens) {
        let value = reply.json().unwrap_or_default();
        let seconds = value.get("expires_in").and_then(serde_json::Value::as_u64);
        let Some(seconds) = seconds else {
            self.warn(
                Check::TokenBroken,
                "`expires_in` is missing",
                "`expires_in` is missing",
            );
            return;
        };
        let seen = format!("`expires_in` is {seconds}");
        if self.profile.renews == Renews::Unreliably && seconds < SHORT {
            self.warn(Check::ExpiresSoon, &seen, "");
        }
        if tokens.refresh.is_none() {
            self.fault(
                Check::RefreshMissing,
                format!("{seen}, no `refresh_token`"),
                "",
            );
        }
    }
}

/// What can be ended of an answer that is broken otherwise.
pub fn salvaged(reply: &Reply) -> Option<Tokens> {
    let read = |name: &str| {
        let value = reply.json();
        let text = value.as_ref().and_then(|value| value.get(name)?.as_str());
        let mut form = url::form_urlencoded::parse(&reply.body);
        let text = text.map(str::to_owned).or_else(|| {
            let found = form.find(|(have, _)| have == name);
            found.map(|(_, value)| value.into_owned())
        });
        text.map(SecretString::new)
    };
    Some(Tokens {
        access: read("access_token")?,
        refresh: read("refresh_token"),
    })
}

/// The status and the error word, never the body.
pub fn refusal(reply: &Reply) -> String {
    let status = reply.status.as_u16();
    let value = reply.json().unwrap_or_default();
    let word = value.get("error").and_then(serde_json::Value::as_str);
    let is_word = |word: &&str| word.len() < 64 && word.bytes().all(|b| b.is_ascii_graphic());
    match word.filter(is_word) {
        Some(word) => format!("HTTP {status} `{word}`"),
        None => format!("HTTP {status}"),
    }
}
