//! A token for a Google service account (RFC 7523): the secret is the account's JSON key file.

use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    CredentialFault, Given, Kind, Kinds, OpenedCredential, bearer,
    mint::{Grant, Mint, MintFault, Order},
};
use crate::{
    clock::Timestamp, config::credential::ServiceAccountConfig,
    crypto::jwt::assertion::AssertionKey, secret::SecretString,
};

/// Where Google sells tokens, unless the configuration names another place.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";

/// How long an assertion is good for, in seconds: the longest that Google takes.
const LIFE: i64 = 3_600;

struct ServiceAccount {
    token_url: Url,
    config: ServiceAccountConfig,
}

/// What a key file holds, of what matters.
#[derive(Deserialize)]
struct KeyFile {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.private_key);
    }
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
        let file: KeyFile = serde_json::from_slice(secret.secret.expose()).map_err(|_| {
            MintFault("it is not the JSON key file that Google hands out for a service account")
        })?;
        if file.r#type != "service_account" {
            return Err(MintFault("the key file is not that of a service account"));
        }
        // Whoever can name another place would be handed assertions that are good at this one.
        if file.token_uri.parse().ok().as_ref() != Some(&self.token_url) {
            return Err(MintFault(
                "`token_uri` in the key file is another place than the credential's `token_url`",
            ));
        }
        let unusable = |_| MintFault("`private_key` in the key file is no RSA key in PKCS #8 form");
        let key = AssertionKey::parse(&file.private_key).map_err(unusable)?;
        let from = now.as_millis().div_euclid(1_000);
        let scopes: Vec<&str> = self
            .config
            .scopes
            .iter()
            .map(crate::names::ScopeName::as_str)
            .collect();
        let mut claims = json!({
            "iss": file.client_email,
            "scope": scopes.join(" "),
            "aud": self.token_url.as_str(),
            "iat": from,
            "exp": from + LIFE,
        });
        if let Some(subject) = &self.config.subject {
            claims["sub"] = json!(subject);
        }
        let assertion: SecretString = key.sign(&file.private_key_id, &claims).map_err(unusable)?;
        Ok(Order {
            grant: Grant::Assertion(assertion),
            scopes: Vec::new(),
            audience: None,
        })
    }
}
