//! Kinds whose secret never goes to the API: it buys short-lived tokens at a token endpoint.
//!
//! Pure: from the secret and the time to what is asked. Asking is done elsewhere.

use url::Url;

use super::OpenedCredential;
use crate::{clock::Timestamp, config::provider::ClientAuthentication, secret::SecretString};

/// A kind that buys tokens.
pub trait Mint: Send + Sync {
    /// Where they are sold (RFC 6749 section 3.2).
    fn endpoint(&self) -> &Url;

    /// What is asked there now.
    fn order(&self, secret: &OpenedCredential, now: Timestamp) -> Result<Order, MintFault>;
}

/// What is asked at a token endpoint. It holds the secret: never print it.
pub struct Order {
    /// What is shown.
    pub grant: Grant,
    /// Which scopes; empty: whatever there is.
    pub scopes: Vec<String>,
    /// For which API, where the server wants to know.
    pub audience: Option<String>,
}

/// What is shown for a token.
pub enum Grant {
    /// The client itself (RFC 6749 section 4.4).
    ClientCredentials(Client),
    /// A refresh token, by its client (RFC 6749 section 6).
    Refresh(Client, SecretString),
    /// A signed assertion, which says whose it is (RFC 7523 section 2.1).
    Assertion(SecretString),
}

/// A client of a token endpoint.
pub struct Client {
    /// Its name.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// How it is shown.
    pub shown_by: ClientAuthentication,
}

/// Why a secret buys nothing. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MintFault(pub &'static str);

/// The secret as text that can stand in a form.
pub(super) fn text(secret: &OpenedCredential) -> Result<SecretString, MintFault> {
    let bytes = secret.secret.expose();
    if bytes.is_empty() || bytes.iter().any(u8::is_ascii_control) {
        return Err(MintFault("it is empty or holds control characters"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| MintFault("it is not text"))?;
    Ok(SecretString::new(text.to_owned()))
}
