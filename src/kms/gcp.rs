//! A master key in Google Cloud KMS (REST, `cloudkms.googleapis.com/v1`).
//!
//! What is wrapped is bound to its place by `additionalAuthenticatedData`, and every transfer is
//! checked by CRC-32C in both directions, as the service asks its callers to.

mod crc32c;
mod token;

use std::fmt;

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header::AUTHORIZATION};
use ipnet::IpNet;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use self::{crc32c::crc32c, token::Tokens};
use super::{
    KeyProvider, KeySetupError, KmsError,
    line::{Answer, Line, below, post},
};
use crate::{
    clock::SharedClock,
    crypto::Context,
    entropy::SharedEntropy,
    secret::{SecretBytes, SecretJson, SecretString},
};

/// Where the service is unless told otherwise.
pub const ENDPOINT: &str = "https://cloudkms.googleapis.com";
/// Where a machine's metadata server is; it has no name that could be taken for another.
pub const METADATA: &str = "http://169.254.169.254";

const UNREADABLE: KmsError = KmsError::Unavailable("its answer cannot be read");
const DAMAGED: KmsError = KmsError::Unavailable("what it sent or got was damaged on the way");

/// Who we are there.
#[derive(Clone, Copy)]
pub enum GcpIdentity<'a> {
    /// A service account, by the text of its JSON key file.
    KeyFile(&'a SecretString),
    /// The service account of the machine, by its metadata server at this address.
    Metadata(&'a Url),
}

/// Where the key is and how we prove ourselves.
pub struct GcpKmsParts<'a> {
    /// The service, as [`ENDPOINT`] is written.
    pub endpoint: &'a Url,
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`
    pub key: &'a str,
    /// Who we are.
    pub identity: GcpIdentity<'a>,
    /// Special-use networks that the service and the source of tokens may be in.
    pub allow_special_use: &'a [IpNet],
    /// For the ages of tokens.
    pub clock: SharedClock,
    /// For jitter.
    pub entropy: SharedEntropy,
}

/// A key that Google Cloud keeps.
pub struct GcpKms {
    line: Line,
    encrypt: Url,
    decrypt: Url,
    tokens: Tokens,
}

impl GcpKms {
    /// Asks nobody yet.
    pub fn new(parts: GcpKmsParts<'_>) -> Result<Self, KeySetupError> {
        let at = |operation| {
            let path = format!("v1/{}:{operation}", parts.key);
            below(parts.endpoint, path.split('/'))
        };
        let line = |address: &Url, allowed: &[IpNet]| {
            Line::new(address, allowed, SharedEntropy::clone(&parts.entropy))
        };
        Ok(Self {
            encrypt: at("encrypt")?,
            decrypt: at("decrypt")?,
            line: line(parts.endpoint, parts.allow_special_use)?,
            tokens: Tokens::new(parts.identity, parts.allow_special_use, parts.clock, line)?,
        })
    }

    async fn ask(&self, url: &Url, body: SecretJson) -> Result<Answer, KmsError> {
        let deadline = Line::deadline();
        let mut request = post(url.clone(), &body);
        drop(body);
        let mut tries = 0;
        loop {
            tries += 1;
            let bearer: HeaderValue = self.tokens.bearer(deadline).await?;
            request.headers.insert(AUTHORIZATION, bearer);
            let answer = self.line.ask(&request, deadline, |_| false).await?;
            // A token that was ended early: once more with another.
            if answer.status.as_u16() != 401 || tries > 1 {
                return Ok(answer);
            }
            self.tokens.forget();
        }
    }
}

impl fmt::Debug for GcpKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GcpKms(…)")
    }
}

impl KeyProvider for GcpKms {
    fn kind(&self) -> &'static str {
        "gcp kms"
    }

    fn wrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        plaintext: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        Box::pin(async move {
            let place = context.canonical();
            let text = Zeroizing::new(BASE64.encode(plaintext));
            let body = SecretJson::new(json!({
                "plaintext": *text,
                "plaintextCrc32c": crc32c(plaintext).to_string(),
                "additionalAuthenticatedData": BASE64.encode(&place),
                "additionalAuthenticatedDataCrc32c": crc32c(&place).to_string(),
            }));
            let answer = self.ask(&self.encrypt, body).await?;
            let json = answer.json();
            if !answer.status.is_success() {
                return Err(refusal(&answer, &json));
            }
            let verified = |name: &str| json[name] == Value::Bool(true);
            if !(verified("verifiedPlaintextCrc32c")
                && verified("verifiedAdditionalAuthenticatedDataCrc32c"))
            {
                return Err(DAMAGED);
            }
            checked(&json, "ciphertext", "ciphertextCrc32c")
        })
    }

    fn unwrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<SecretBytes, KmsError>> {
        Box::pin(async move {
            let place = context.canonical();
            let body = SecretJson::new(json!({
                "ciphertext": BASE64.encode(wrapped),
                "ciphertextCrc32c": crc32c(wrapped).to_string(),
                "additionalAuthenticatedData": BASE64.encode(&place),
                "additionalAuthenticatedDataCrc32c": crc32c(&place).to_string(),
            }));
            let answer = self.ask(&self.decrypt, body).await?;
            let json = answer.json();
            if !answer.status.is_success() {
                return Err(match (answer.status.as_u16(), status(&json)) {
                    (400, Some("INVALID_ARGUMENT")) => KmsError::DoesNotOpen,
                    _ => refusal(&answer, &json),
                });
            }
            checked(&json, "plaintext", "plaintextCrc32c").map(SecretBytes::new)
        })
    }
}

/// Bytes of an answer that are the ones that were sent.
fn checked(json: &Value, bytes: &str, sum: &str) -> Result<Vec<u8>, KmsError> {
    let text = json[bytes].as_str().ok_or(UNREADABLE)?;
    let mut bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| UNREADABLE)?);
    let told = match json[sum].as_str() {
        Some(text) => text.parse().ok(),
        None => json[sum].as_u64(),
    };
    if told == Some(u64::from(crc32c(&bytes))) {
        Ok(std::mem::take(&mut *bytes))
    } else {
        Err(DAMAGED)
    }
}

fn status(json: &Value) -> Option<&str> {
    json["error"]["status"].as_str()
}

fn refusal(answer: &Answer, json: &Value) -> KmsError {
    KmsError::Refused(match (answer.status.as_u16(), status(json)) {
        (401, _) => "it does not know the service account",
        (403, _) => "the service account may not use this key",
        (404, _) => "it has no key of this name",
        (_, Some("FAILED_PRECONDITION")) => "the key is disabled or destroyed",
        _ => "it takes the request for wrong",
    })
}
