//! Which client asks, as it says in the `Authorization` field or in the form.

use http::{HeaderMap, header::AUTHORIZATION};

use super::answer::Refused;
use crate::{
    oauth::{Client, ClientCredentials, Clients, Form, OAuthError, clients::credentials::basic},
    secret::SecretString,
};

/// What a client presents to prove itself (RFC 6749 section 2.3).
pub(super) struct Presented<'f>(ClientCredentials<'f>);

impl<'f> Presented<'f> {
    pub(super) fn read(headers: &HeaderMap, form: &'f Form) -> Result<Self, Refused> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let basic: Option<(String, SecretString)> = match (fields.next(), fields.next()) {
            (None, _) => None,
            (Some(field), None) => {
                // Nothing that cannot be written as text is a credential.
                let text = field.to_str().unwrap_or_default();
                let scheme = text.split(' ').next().unwrap_or_default();
                if !scheme.eq_ignore_ascii_case("basic") {
                    // Not a client that failed to prove itself: it must not give itself up.
                    let other = OAuthError::InvalidRequest("Authorization must be Basic here");
                    return Err(Refused::OAuth(other));
                }
                Some(basic(text).map_err(Refused::OAuthBasic)?)
            }
            (Some(_), Some(_)) => {
                let two = OAuthError::InvalidRequest("two Authorization fields");
                return Err(Refused::OAuth(two));
            }
        };
        Ok(Self(ClientCredentials { basic, form }))
    }

    /// The client, proven as far as its registration asks for.
    pub(super) async fn client(&self, clients: &Clients) -> Result<Client, Refused> {
        let known = clients.authenticate(&self.0).await;
        known.map_err(|error| match self.0.basic {
            Some(_) => Refused::OAuthBasic(error),
            None => Refused::OAuth(error),
        })
    }
}
