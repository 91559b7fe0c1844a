//! Asks a provider whether it still knows a token that nothing renews. An API's word alone ends no
//! grant: it may refuse a good token for reasons of its own.

use http::{Method, StatusCode};

use super::AccountSite;
use crate::{config::provider::Revocation, secret::SecretBytes};

impl AccountSite {
    /// Does the provider itself say that this token is over? Providers that cannot be asked say
    /// nothing.
    pub(super) async fn disowns(&self, token: &SecretBytes) -> bool {
        // GitHub's "check a token": 200 with what it is good for, 404 for one that is not ours.
        let Revocation::GithubGrant(url) = &self.provider.revocation else {
            return false;
        };
        let Ok(token) = std::str::from_utf8(token.expose()) else {
            return false;
        };
        let reply = match self.of_github(Method::POST, url, "token", token) {
            Ok(question) => self.ask(question).await,
            Err(fault) => Err(fault),
        };
        match reply {
            Ok(reply) => reply.status == StatusCode::NOT_FOUND,
            Err(error) => {
                tracing::warn!(upstream = %self.name, %error, "connection.not_checked");
                false
            }
        }
    }
}
