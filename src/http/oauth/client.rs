//! Which client asks, as it says in the `Authorization` field or in the form.

use data_encoding::BASE64;
use http::{HeaderMap, header::AUTHORIZATION};

use super::answer::Refused;
use crate::{
    grant::{ClientAuth, ClientId},
    oauth::{Client, ClientFault, Clients, Form, OAuthError},
    secret::SecretString,
};

const UNKNOWN: OAuthError = OAuthError::InvalidClient("the client is unknown");

/// What a client presents to prove itself (RFC 6749 section 2.3).
pub(super) struct Presented<'f> {
    /// Id and secret of `Authorization: Basic`.
    basic: Option<(String, SecretString)>,
    form: &'f Form,
}

impl<'f> Presented<'f> {
    pub(super) fn read(headers: &HeaderMap, form: &'f Form) -> Result<Self, OAuthError> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let basic = match (fields.next(), fields.next()) {
            (None, _) => None,
            (Some(field), None) => {
                const ODD: OAuthError =
                    OAuthError::InvalidRequest("the Authorization field is not understood");
                let text = field.to_str().map_err(|_| ODD)?;
                Some(basic(text).ok_or(ODD)?)
            }
            (Some(_), Some(_)) => {
                return Err(OAuthError::InvalidRequest("two Authorization fields"));
            }
        };
        Ok(Self { basic, form })
    }

    /// The client, proven as far as its registration asks for.
    pub(super) async fn client(&self, clients: &Clients) -> Result<Client, Refused> {
        let known = self.authenticate(clients).await;
        known.map_err(|error| match self.basic {
            Some(_) => Refused::OAuthBasic(error),
            None => Refused::OAuth(error),
        })
    }

    /// The one place that asks who the client is.
    async fn authenticate(&self, clients: &Clients) -> Result<Client, OAuthError> {
        let named = match &self.basic {
            Some((id, _)) => id,
            None => self.form.need("client_id", "client_id is missing")?,
        };
        let id: ClientId = named.parse().map_err(|_| UNKNOWN)?;
        let client = clients.find(&id).await.map_err(|fault| match fault {
            ClientFault::Unknown | ClientFault::Document(_) => UNKNOWN,
            ClientFault::Unavailable => OAuthError::Unavailable,
        })?;
        if client.auth != ClientAuth::None {
            return Err(OAuthError::InvalidClient("the client did not prove itself"));
        }
        Ok(client)
    }
}

/// Id and secret, each encoded as in a form (RFC 6749 section 2.3.1).
fn basic(field: &str) -> Option<(String, SecretString)> {
    let (scheme, encoded) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?, SecretString::new(decoded(secret)?)))
}

fn decoded(text: &str) -> Option<String> {
    // A pair's separators would end the text early.
    if text.contains(['&', '=']) {
        return Some(text.to_owned());
    }
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    match pairs.next() {
        Some((text, _)) => Some(text.into_owned()),
        None => Some(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read_as_rfc_6749_encodes_them() {
        let read = |text: &str| {
            let field = format!("Basic {}", BASE64.encode(text.as_bytes()));
            basic(&field).map(|(id, secret)| (id, secret.expose().to_owned()))
        };
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("wgi_a:wgs_b"), pair("wgi_a", "wgs_b"));
        assert_eq!(
            read("https%3A%2F%2Fa.test%2Fc:x%3Ay"),
            pair("https://a.test/c", "x:y")
        );
        assert_eq!(read("a:"), pair("a", ""));
        assert_eq!(read("nothing"), None);
        assert_eq!(basic("Basic !!!"), None.map(|(): ()| unreachable!()));
        assert!(basic("Bearer wga_x").is_none());
    }
}
