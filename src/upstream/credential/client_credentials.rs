//! A token of ours from an OAuth server (RFC 6749 section 4.4).

use url::Url;

use super::{
    Given, Kind, Kinds, OpenedCredential, bearer,
    mint::{self, Client, Grant, Mint, MintFault, Order},
};
use crate::{clock::Timestamp, config::credential::ClientCredentialsConfig};

struct ClientCredentials(ClientCredentialsConfig);

/// `credential.client_credentials`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let config = given.config.client_credentials.as_ref()?;
    let attach = bearer::token(config.header.as_deref());
    Some(attach.map(|attach| Kind::minted(attach, ClientCredentials(config.clone()))))
}

impl Mint for ClientCredentials {
    fn endpoint(&self) -> &Url {
        &self.0.token_url
    }

    fn order(&self, secret: &OpenedCredential, _: Timestamp) -> Result<Order, MintFault> {
        let config = &self.0;
        Ok(Order {
            grant: Grant::ClientCredentials(Client {
                id: config.client_id.clone(),
                secret: mint::text(secret)?,
                shown_by: config.client_auth,
            }),
            scopes: config.scopes.iter().map(ToString::to_string).collect(),
            audience: config.audience.clone(),
        })
    }
}
