//! `private_key_jwt`: an assertion that a client signed (RFC 7523 section 3), good once and for
//! minutes.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{Client, Clients, STALE, credentials::REFUSED, web::ReadFault};
use crate::{
    crypto::jwt::{self, JwtFault, KeySet, KeySetFault, Rules},
    oauth::{OAuthError, patience::Patience, settings::ASSERTION_ALGORITHMS},
    store::{Asserted, AssertionTimes},
};

/// How far ahead an assertion may end.
const LONGEST: Duration = Duration::from_mins(5);
/// The very same assertion counts once more within this: its sender had no answer from us.
const RESENT: Duration = Duration::from_secs(10);
/// Longest `jti`, in bytes.
const LONGEST_ID: usize = 256;
/// Largest key set that is read, in bytes.
const LARGEST: usize = 64 * 1024;
/// A key that is not in the set makes the set be read anew, but not more often than this.
const AGAIN: Duration = Duration::from_mins(1);

const NO_KEYS: &str = "the client's keys are not a set of public keys";

impl Clients {
    /// Is this the client's own assertion, for us, in time and for the first time, or sent
    /// again as it was?
    pub(super) async fn check_assertion(
        &self,
        client: &Client,
        token: &str,
        patience: &Patience,
    ) -> Result<(), OAuthError> {
        let endpoint = format!("{}/token", self.settings.issuer);
        let rules = Rules {
            algorithms: &ASSERTION_ALGORITHMS,
            types: &[],
            issuer: client.id.as_str(),
            audiences: &[&self.settings.issuer, &endpoint],
            now: self.clock.now(),
            most_ahead: Some(LONGEST),
        };
        let refuse = |fault: JwtFault| {
            tracing::info!(%fault, "oauth.assertion_refused");
            REFUSED
        };
        let keys = self.keys(client, Age::Any).await?;
        let claims = match jwt::verify(token, &keys, &rules) {
            Err(JwtFault::UnknownKey) if client.jwks_uri.is_some() => {
                let keys = self.keys(client, Age::AMinute).await?;
                jwt::verify(token, &keys, &rules).map_err(refuse)?
            }
            verified => verified.map_err(refuse)?,
        };
        let text = |name| claims.get(name).and_then(Value::as_str);
        let id = text("jti").filter(|id| (1..=LONGEST_ID).contains(&id.len()));
        let (Some(id), Some(expiry), true) = (
            id,
            jwt::expiry(&claims),
            text("sub") == Some(client.id.as_str()),
        ) else {
            return Err(REFUSED);
        };
        let digest = |what, text| {
            let text = format!("{what}\n{}\n{text}", client.id);
            self.pepper.digest_text(&text)
        };
        let (id, text) = (digest("assertion", id), digest("assertion text", token));
        let now = self.clock.now();
        let times = AssertionTimes {
            now,
            again: now.plus(RESENT),
            expires: expiry.plus(jwt::LEEWAY),
        };
        let note = || self.store.first_assertion(&id, &text, times);
        match patience.ask(note).await? {
            Asserted::First | Asserted::Again => Ok(()),
            Asserted::Replayed => {
                tracing::warn!("oauth.assertion_replayed");
                Err(REFUSED)
            }
        }
    }

    async fn keys(&self, client: &Client, age: Age) -> Result<KeySet, OAuthError> {
        if let Some(text) = &client.jwks {
            return KeySet::parse(text.as_bytes()).map_err(|_| REFUSED);
        }
        let address = client.jwks_uri.as_deref().ok_or(REFUSED)?;
        let url = Url::parse(address).map_err(|_| REFUSED)?;
        let reader = std::sync::Arc::clone(&self.reader);
        let read = || -> futures_util::future::BoxFuture<'static, _> {
            Box::pin(async move {
                let read = reader.read(url, LARGEST).await?;
                let keys = KeySet::parse(&read.body).map_err(|fault| match fault {
                    KeySetFault::Malformed => ReadFault::Unreadable(NO_KEYS),
                    KeySetFault::Secret | KeySetFault::TooMany => ReadFault::Refused(NO_KEYS),
                })?;
                Ok((keys, read.fresh))
            })
        };
        let found = match age {
            Age::Any => self.key_sets.get(address, read).await,
            Age::AMinute => self.key_sets.newer(address, AGAIN, read).await,
        };
        match found {
            Ok(keys) => Ok(keys),
            Err(ReadFault::Silent | ReadFault::Unreadable(_)) => self
                .key_sets
                .stale(address, STALE)
                .ok_or(OAuthError::Unavailable),
            Err(ReadFault::Refused(fault)) => {
                tracing::info!(fault, "oauth.client_keys_refused");
                Err(REFUSED)
            }
        }
    }
}

/// How old a remembered key set may be.
enum Age {
    /// As old as its sender allows.
    Any,
    AMinute,
}
