//! The JSON key file of a Google service account, and the assertions that it signs (RFC 7523).

use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroize as _;

use super::assertion::AssertionKey;
use crate::{clock::Timestamp, secret::SecretString};

/// The grant type of assertions (RFC 7523 section 2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is good for, in seconds: the longest that Google takes.
const LIFE: i64 = 3_600;

/// Why a text is no such key file. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum KeyFileFault {
    /// It is another file, or damaged.
    Form,
    /// It is for another kind of account.
    Kind,
    /// The key inside is of another kind.
    Key,
}

impl KeyFileFault {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "it is not the JSON key file that Google hands out for a service account",
            Self::Kind => "the key file is not that of a service account",
            Self::Key => "`private_key` in the key file is no RSA key in PKCS #8 form",
        }
    }
}

/// A service account that can sign.
pub struct ServiceAccountKey {
    email: String,
    key_id: String,
    key: AssertionKey,
    token_url: Url,
}

/// What a key file holds, of what matters.
#[derive(Deserialize)]
struct KeyFile {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: Url,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.private_key.zeroize();
    }
}

impl ServiceAccountKey {
    /// From the file's bytes.
    pub fn parse(file: &[u8]) -> Result<Self, KeyFileFault> {
        let file: KeyFile = serde_json::from_slice(file).map_err(|_| KeyFileFault::Form)?;
        if file.r#type != "service_account" {
            return Err(KeyFileFault::Kind);
        }
        Ok(Self {
            key: AssertionKey::parse(&file.private_key).map_err(|_| KeyFileFault::Key)?,
            email: file.client_email.clone(),
            key_id: file.private_key_id.clone(),
            token_url: file.token_uri.clone(),
        })
    }

    /// Where the file says that tokens are sold.
    pub const fn token_url(&self) -> &Url {
        &self.token_url
    }

    /// An assertion that holds for an hour from `now`, for these scopes, in the name of `subject` if
    /// there is one.
    pub fn assertion(
        &self,
        scopes: &str,
        subject: Option<&str>,
        now: Timestamp,
    ) -> Result<SecretString, KeyFileFault> {
        let from = now.as_millis().div_euclid(1_000);
        let mut claims = json!({
            "iss": self.email,
            "scope": scopes,
            "aud": self.token_url.as_str(),
            "iat": from,
            "exp": from + LIFE,
        });
        if let Some(subject) = subject {
            claims["sub"] = json!(subject);
        }
        let signed = self.key.sign(&self.key_id, &claims);
        signed.map_err(|_| KeyFileFault::Key)
    }
}
