//! What a client says about itself (RFC 7591 section 2), in a registration or in its document: what
//! of it is kept, and what refuses it.

use serde_json::{Map, Value};
use url::Url;

use crate::{
    crypto::jwt::{KeySet, KeySetFault},
    grant::ClientAuth,
    oauth::redirect::{self, Place},
    schema::text::is_deceptive,
};

/// Most redirect URIs of a client.
const MOST_URIS: usize = 10;
/// Longest name that is kept, in characters.
const LONGEST_NAME: usize = 128;

/// What is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    /// Those that codes may be sent to; at least one.
    pub(super) redirect_uris: Vec<String>,
    pub(super) auth: ClientAuth,
    pub(super) jwks: Option<String>,
    pub(super) jwks_uri: Option<String>,
}

/// Why it is refused; the text says what to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No redirect URI is acceptable.
    Redirect(&'static str),
    /// Anything else.
    Other(&'static str),
}

/// What the reader of the metadata asks of it.
pub(super) struct Terms<'a> {
    /// Redirect schemes of programs.
    pub(super) schemes: &'a [String],
    /// May a key address be read, as far as that shows in it?
    pub(super) permits: &'a dyn Fn(&Url) -> bool,
}

impl Metadata {
    /// Reads it. Members that mean nothing here are passed over.
    pub(super) fn read(map: &Map<String, Value>, terms: &Terms<'_>) -> Result<Self, Fault> {
        let redirect_uris = redirects(map.get("redirect_uris"), terms.schemes)?;
        holds(
            map.get("grant_types"),
            "authorization_code",
            "grant_types must hold authorization_code",
        )?;
        holds(
            map.get("response_types"),
            "code",
            "response_types must hold code",
        )?;
        let auth = auth(map.get("token_endpoint_auth_method"))?;
        let keys = published(map, auth, terms)?;
        let name = match map.get("client_name") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => shown(name),
            Some(_) => return Err(Fault::Other("client_name must be text")),
        };
        let (jwks, jwks_uri) = match keys {
            Some(Keys::Here(jwks)) => (Some(jwks), None),
            Some(Keys::There(uri)) => (None, Some(uri)),
            None => (None, None),
        };
        Ok(Self {
            name,
            redirect_uris,
            auth,
            jwks,
            jwks_uri,
        })
    }

    /// The name it is called by: its own, or the host of the first site it sends codes to.
    pub(super) fn display_name(&self) -> String {
        let host = || {
            let first = self.redirect_uris.first()?;
            match redirect::place(first, &[])? {
                Place::Web(host) => Some(host),
                Place::Loopback(_) | Place::Program(_) => None,
            }
        };
        let name = self.name.clone().or_else(host);
        name.unwrap_or_else(|| "A client".to_owned())
    }
}

/// A stranger's name without what deceives or reorders; none when nothing is left.
fn shown(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(|c| !is_deceptive(*c)).collect();
    let name: String = plain.trim().chars().take(LONGEST_NAME).collect();
    let name = name.trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

fn redirects(given: Option<&Value>, schemes: &[String]) -> Result<Vec<String>, Fault> {
    let wrong = Fault::Redirect("redirect_uris must be a list of 1 to 10 addresses");
    let list = given.and_then(Value::as_array).ok_or(wrong)?;
    if list.is_empty() || list.len() > MOST_URIS {
        return Err(wrong);
    }
    let mut kept: Vec<String> = Vec::with_capacity(list.len());
    for uri in list {
        let uri = uri.as_str().ok_or(wrong)?;
        let is_new = kept.iter().all(|known| known != uri);
        if is_new && redirect::place(uri, schemes).is_some() {
            kept.push(uri.to_owned());
        }
    }
    if kept.is_empty() {
        return Err(Fault::Redirect(
            "no redirect URI is acceptable: https, http on a loopback host, or a known program scheme",
        ));
    }
    Ok(kept)
}

/// Where a list is given, does it hold the word?
fn holds(given: Option<&Value>, word: &str, wrong: &'static str) -> Result<(), Fault> {
    match given {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(list)) if list.iter().any(|one| one == word) => Ok(()),
        Some(_) => Err(Fault::Other(wrong)),
    }
}

fn auth(given: Option<&Value>) -> Result<ClientAuth, Fault> {
    let unknown = Fault::Other(
        "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or \
         private_key_jwt",
    );
    match given {
        // RFC 7591 would have it `client_secret_basic`; clients that say nothing send no secret.
        None | Some(Value::Null) => Ok(ClientAuth::None),
        Some(Value::String(word)) => ClientAuth::parse(word).ok_or(unknown),
        Some(_) => Err(unknown),
    }
}

enum Keys {
    Here(String),
    There(String),
}

/// Its public keys. Also a client that needs none must not publish a secret.
fn published(
    map: &Map<String, Value>,
    auth: ClientAuth,
    terms: &Terms<'_>,
) -> Result<Option<Keys>, Fault> {
    let here = map.get("jwks").filter(|value| !value.is_null());
    let there = map.get("jwks_uri").filter(|value| !value.is_null());
    let set = here.map(KeySet::read).transpose().map_err(|fault| {
        Fault::Other(match fault {
            KeySetFault::Secret => "jwks must not hold private or symmetric keys",
            KeySetFault::Malformed => "jwks is not a JSON Web Key Set",
            KeySetFault::TooMany => "jwks holds too many keys",
        })
    })?;
    if auth != ClientAuth::PrivateKeyJwt {
        return Ok(None);
    }
    match (here.zip(set), there) {
        (Some(_), Some(_)) => Err(Fault::Other("jwks and jwks_uri must not both be given")),
        (Some((_, set)), None) if set.is_empty() => Err(Fault::Other(
            "jwks holds no RSA, P-256 or Ed25519 key for signatures",
        )),
        (Some((value, _)), None) => Ok(Some(Keys::Here(value.to_string()))),
        (None, Some(uri)) => key_address(uri, terms).map(Keys::There).map(Some),
        (None, None) => Err(Fault::Other("private_key_jwt needs jwks or jwks_uri")),
    }
}

fn key_address(value: &Value, terms: &Terms<'_>) -> Result<String, Fault> {
    let text = value.as_str().filter(|text| text.len() <= 2_048);
    let url = text.and_then(|text| Url::parse(text).ok()).filter(|url| {
        url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    let url = url.ok_or(Fault::Other("jwks_uri must be a plain https address"))?;
    if (terms.permits)(&url) {
        Ok(url.into())
    } else {
        Err(Fault::Other(
            "jwks_uri is not out on the Internet at port 443",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o_08_names_are_stripped_of_what_deceives() {
        assert_eq!(shown(" Claude\u{202e} \u{7}").as_deref(), Some("Claude"));
        assert_eq!(shown("a\u{e0041}\u{200b}b").as_deref(), Some("ab"));
        assert_eq!(shown("\u{200b}\n"), None);
        assert_eq!(shown(&"é".repeat(200)).unwrap().chars().count(), 128);
        // Markup is text; pages escape it.
        assert_eq!(shown("<b>x</b>").as_deref(), Some("<b>x</b>"));
    }
}
