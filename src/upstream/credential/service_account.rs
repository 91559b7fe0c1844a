//! A token for a Google service account (RFC 7523): the secret is the account's JSON key file.

use url::Url;

use super::{
    CredentialFault, Given, Kind, Kinds, OpenedCredential, bearer,
    mint::{Grant, Mint, MintFault, Order},
};
use crate::{
    clock::Timestamp,
    config::credential::ServiceAccountConfig,
    crypto::jwt::service_account::{KeyFileFault, ServiceAccountKey},
    names::ScopeName,
};

/// Where Google sells tokens, unless the configuration names another place.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";

struct ServiceAccount {
    token_url: Url,
    config: ServiceAccountConfig,
}

/// `credential.service_account`
pub(super) fn read(given: &Given<'_>) -> Kinds {
    let config = given.config.service_account.as_ref()?;
    let read = || {
        let token_url = match &config.token_url {
            Some(url) => url.clone(),
            None => GOOGLE
                .parse()
                .map_err(|_| CredentialFault("`token_url` is missing"))?,
        };
        let config = config.clone();
        let mint = ServiceAccount { token_url, config };
        Ok(Kind::minted(bearer::token(None)?, mint))
    };
    Some(read())
}

impl Mint for ServiceAccount {
    fn endpoint(&self) -> &Url {
        &self.token_url
    }

    fn order(&self, secret: &OpenedCredential, now: Timestamp) -> Result<Order, MintFault> {
        let key = ServiceAccountKey::parse(secret.secret.expose()).map_err(unusable)?;
        // Whoever can name another place would be handed assertions that are good at this one.
        if *key.token_url() != self.token_url {
            return Err(MintFault(
                "`token_uri` in the key file is another place than the credential's `token_url`",
            ));
        }
        let scopes: Vec<&str> = self.config.scopes.iter().map(ScopeName::as_str).collect();
        let assertion = key.assertion(&scopes.join(" "), self.config.subject.as_deref(), now);
        let assertion = assertion.map_err(unusable)?;
        Ok(Order {
            grant: Grant::Assertion(assertion),
            scopes: Vec::new(),
            audience: None,
        })
    }
}

const fn unusable(fault: KeyFileFault) -> MintFault {
    MintFault(fault.as_str())
}
