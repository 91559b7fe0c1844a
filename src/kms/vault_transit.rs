//! A master key in the transit engine of a Vault, version 1.13 or later.
//!
//! What is wrapped is bound to its place by `associated_data`, which the engine takes for keys of
//! an AEAD type alone (`aes256-gcm96`, its default, `aes128-gcm96`, `chacha20-poly1305`) and
//! refuses for any other. What is kept is the engine's own text, `vault:v1:…`.

use std::fmt;

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::{
    KeyProvider, KeySetupError, KmsError,
    line::{Answer, Line, below, post, sensitive},
};
use crate::{
    crypto::Context,
    entropy::SharedEntropy,
    secret::{SecretBytes, SecretJson, SecretString},
};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const UNREADABLE: KmsError = KmsError::Unavailable("its answer cannot be read");

/// Where the key is and how we prove ourselves.
pub struct VaultTransitParts<'a> {
    /// The Vault: `https://vault.example.com:8200`.
    pub address: &'a Url,
    /// Where the engine is mounted: `transit`.
    pub mount: &'a str,
    /// The key's name in it.
    pub key: &'a str,
    /// A token that may update `encrypt/KEY` and `decrypt/KEY`.
    pub token: &'a SecretString,
    /// The namespace, where there are such.
    pub namespace: Option<&'a str>,
    /// Special-use networks that it may be in.
    pub allow_special_use: &'a [IpNet],
    /// For jitter.
    pub entropy: SharedEntropy,
}

/// A key that a Vault keeps.
pub struct VaultTransit {
    line: Line,
    encrypt: Url,
    decrypt: Url,
    token: HeaderValue,
    namespace: Option<HeaderValue>,
}

impl VaultTransit {
    /// Asks nobody yet.
    pub fn new(parts: VaultTransitParts<'_>) -> Result<Self, KeySetupError> {
        let at = |operation| {
            let mount = parts.mount.split('/').filter(|part| !part.is_empty());
            let path = ["v1"].into_iter().chain(mount);
            below(parts.address, path.chain([operation, parts.key]))
        };
        let namespace = parts.namespace.map(HeaderValue::from_str).transpose();
        Ok(Self {
            encrypt: at("encrypt")?,
            decrypt: at("decrypt")?,
            token: sensitive(parts.token)?,
            namespace: namespace.map_err(|_| KeySetupError::Address)?,
            line: Line::new(parts.address, parts.allow_special_use, parts.entropy)?,
        })
    }

    async fn ask(&self, url: &Url, body: SecretJson) -> Result<Answer, KmsError> {
        let mut request = post(url.clone(), &body);
        drop(body);
        request.headers.insert(TOKEN, self.token.clone());
        if let Some(namespace) = &self.namespace {
            request.headers.insert(NAMESPACE, namespace.clone());
        }
        // 412: a replica that has not caught up.
        let busy = |answer: &Answer| answer.status.as_u16() == 412;
        self.line.ask(&request, Line::deadline(), busy).await
    }
}

impl fmt::Debug for VaultTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultTransit(…)")
    }
}

impl KeyProvider for VaultTransit {
    fn kind(&self) -> &'static str {
        "vault transit"
    }

    fn wrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        plaintext: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        Box::pin(async move {
            let plaintext = Zeroizing::new(BASE64.encode(plaintext));
            let body = SecretJson::new(json!({
                "plaintext": *plaintext,
                "associated_data": BASE64.encode(&context.canonical()),
            }));
            let answer = self.ask(&self.encrypt, body).await?;
            if !answer.status.is_success() {
                return Err(refusal(&answer));
            }
            let json = answer.json();
            let text = json["data"]["ciphertext"].as_str();
            let text = text.filter(|text| text.starts_with("vault:v"));
            Ok(text.ok_or(UNREADABLE)?.as_bytes().to_vec())
        })
    }

    fn unwrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<SecretBytes, KmsError>> {
        Box::pin(async move {
            let text = str::from_utf8(wrapped).map_err(|_| KmsError::DoesNotOpen)?;
            // Wrapped by a key of another kind.
            if !text.starts_with("vault:v") {
                return Err(KmsError::DoesNotOpen);
            }
            let body = SecretJson::new(json!({
                "ciphertext": text,
                "associated_data": BASE64.encode(&context.canonical()),
            }));
            let answer = self.ask(&self.decrypt, body).await?;
            if !answer.status.is_success() {
                return Err(refusal(&answer));
            }
            plaintext(&answer.json()["data"]["plaintext"])
        })
    }
}

fn plaintext(value: &Value) -> Result<SecretBytes, KmsError> {
    let bytes = value
        .as_str()
        .map(|text| BASE64.decode(text.as_bytes()).map(SecretBytes::new));
    bytes.and_then(Result::ok).ok_or(UNREADABLE)
}

/// The engine says what is wrong in words alone, so they are looked at; they go nowhere.
fn refusal(answer: &Answer) -> KmsError {
    let said = answer.json()["errors"].to_string();
    let says = |words: &str| said.contains(words);
    match answer.status.as_u16() {
        400 if says("message authentication failed")
            || says("invalid ciphertext")
            || says("unable to decrypt") =>
        {
            KmsError::DoesNotOpen
        }
        400 if says("non-AEAD") => KmsError::Refused("the key's type takes no associated data"),
        400 if says("not found") => KmsError::Refused("it has no key of this name"),
        401 | 403 => KmsError::Refused("the token may not use this key"),
        404 => KmsError::Refused("no transit engine is mounted there"),
        _ => KmsError::Refused("it takes the request for wrong"),
    }
}
