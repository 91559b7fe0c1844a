//! A token from Login with Amazon for an account of the operator's: the secret is its refresh token.

use url::Url;

use super::{
    CredentialFault, Given, Kind, Kinds, OpenedCredential, bearer,
    mint::{self, Client, Grant, Mint, MintFault, Order},
};
use crate::{clock::Timestamp, config::provider::ClientAuthentication, secret::SecretString};

/// Where Amazon sells tokens, unless the configuration names another place.
const AMAZON: &str = "https://api.amazon.com/auth/o2/token";

struct LoginWithAmazon {
    token_url: Url,
    client_id: String,
    /// None: it was not read, as for a preview.
    client_secret: Option<SecretString>,
}

/// `credential.login_with_amazon`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let config = given.config.login_with_amazon.as_ref()?;
    let read = || {
        let mint = LoginWithAmazon {
            token_url: match &config.token_url {
                Some(url) => url.clone(),
                None => AMAZON
                    .parse()
                    .map_err(|_| CredentialFault("`token_url` is missing"))?,
            },
            client_id: config.client_id.clone(),
            // Another holder of the same secret, which each wipes for itself.
            client_secret: given
                .client_secret
                .map(|secret| SecretString::new(secret.expose().clone())),
        };
        Ok(Kind::minted(bearer::token(config.header.as_deref())?, mint))
    };
    Some(read())
}

impl Mint for LoginWithAmazon {
    fn endpoint(&self) -> &Url {
        &self.token_url
    }

    fn order(&self, secret: &OpenedCredential, _: Timestamp) -> Result<Order, MintFault> {
        let client = self.client_secret.as_ref();
        let client = client.ok_or(MintFault("the client's secret was not read"))?;
        let client = Client {
            id: self.client_id.clone(),
            secret: SecretString::new(client.expose().clone()),
            shown_by: ClientAuthentication::Body,
        };
        Ok(Order {
            grant: Grant::Refresh(client, mint::text(secret)?),
            scopes: Vec::new(),
            audience: None,
        })
    }
}
