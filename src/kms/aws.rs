//! A master key in AWS KMS (JSON 1.1, `TrentService`), every request signed with Signature
//! Version 4.
//!
//! What is wrapped is bound to its place by the encryption context, which the service also writes
//! to the account's audit trail in the clear: it holds ids and names of ours, and no secret.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use ipnet::IpNet;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::{
    KeyProvider, KeySetupError, KmsError,
    line::{Answer, Line, post, sensitive},
};
use crate::{
    clock::SharedClock,
    crypto::{
        Context,
        sigv4::{Signable, Signer},
    },
    entropy::SharedEntropy,
    secret::{SecretBytes, SecretJson, SecretString},
};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const UNREADABLE: KmsError = KmsError::Unavailable("its answer cannot be read");

/// Where the key is and how we prove ourselves.
pub struct AwsKmsParts<'a> {
    /// The key's region: `eu-central-1`.
    pub region: &'a str,
    /// The key's ARN.
    pub key_id: &'a str,
    /// The public half of the access key.
    pub access_key_id: &'a str,
    /// The secret half.
    pub secret_access_key: &'a SecretString,
    /// What belongs to a temporary access key.
    pub session_token: Option<&'a SecretString>,
    /// The service; none: `https://kms.{region}.amazonaws.com`.
    pub endpoint: Option<&'a Url>,
    /// Special-use networks that it may be in.
    pub allow_special_use: &'a [IpNet],
    /// For signatures.
    pub clock: SharedClock,
    /// For jitter.
    pub entropy: SharedEntropy,
}

/// A key that AWS keeps.
pub struct AwsKms {
    line: Line,
    endpoint: Url,
    region: String,
    key_id: String,
    access_key_id: String,
    secret_access_key: SecretBytes,
    session_token: Option<SecretBytes>,
    clock: SharedClock,
}

impl AwsKms {
    /// Asks nobody yet.
    pub fn new(parts: AwsKmsParts<'_>) -> Result<Self, KeySetupError> {
        let endpoint = match parts.endpoint {
            Some(url) => url.clone(),
            None => format!("https://kms.{}.amazonaws.com/", parts.region)
                .parse()
                .map_err(|_| KeySetupError::Address)?,
        };
        let kept = |text: &SecretString| {
            sensitive(text)?;
            Ok::<_, KeySetupError>(SecretBytes::new(text.expose().trim().as_bytes().to_vec()))
        };
        Ok(Self {
            line: Line::new(&endpoint, parts.allow_special_use, parts.entropy)?,
            endpoint,
            region: parts.region.to_owned(),
            key_id: parts.key_id.to_owned(),
            access_key_id: parts.access_key_id.to_owned(),
            secret_access_key: kept(parts.secret_access_key)?,
            session_token: parts.session_token.map(kept).transpose()?,
            clock: parts.clock,
        })
    }

    /// One signature serves every try: all are made within a deadline shorter than it holds.
    async fn ask(&self, target: &'static str, body: SecretJson) -> Result<SecretJson, KmsError> {
        let mut request = post(self.endpoint.clone(), &body);
        drop(body);
        let headers = &mut request.headers;
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(TARGET, HeaderValue::from_static(target));
        let signer = Signer {
            access_key_id: &self.access_key_id,
            secret_key: self.secret_access_key.expose(),
            session_token: self.session_token.as_ref().map(|it| it.expose().as_slice()),
            region: &self.region,
            service: "kms",
        };
        let signable = Signable {
            method: &request.method,
            url: &request.url,
            headers: &request.headers,
            body: request.body.as_deref().unwrap_or_default(),
        };
        let signature = signer.sign(&signable, self.clock.now());
        signature
            .map_err(|_| KmsError::Refused("the request cannot be signed"))?
            .put_on(&mut request.headers);
        let busy = |answer: &Answer| fault(&answer.json()) == "ThrottlingException";
        let answer = self.line.ask(&request, Line::deadline(), busy).await?;
        if answer.status.is_success() {
            Ok(answer.json())
        } else {
            Err(refusal(&answer))
        }
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKms(…)")
    }
}

impl KeyProvider for AwsKms {
    fn kind(&self) -> &'static str {
        "aws kms"
    }

    fn wrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        plaintext: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        Box::pin(async move {
            let plaintext = Zeroizing::new(BASE64.encode(plaintext));
            let body = SecretJson::new(json!({
                "KeyId": self.key_id,
                "Plaintext": *plaintext,
                "EncryptionContext": pairs(context),
            }));
            let answer = self.ask("TrentService.Encrypt", body).await?;
            bytes(&answer["CiphertextBlob"])
        })
    }

    fn unwrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<SecretBytes, KmsError>> {
        Box::pin(async move {
            // With its id, so that no other key of the account can stand in for it.
            let body = SecretJson::new(json!({
                "KeyId": self.key_id,
                "CiphertextBlob": BASE64.encode(wrapped),
                "EncryptionContext": pairs(context),
            }));
            let answer = self.ask("TrentService.Decrypt", body).await?;
            bytes(&answer["Plaintext"]).map(SecretBytes::new)
        })
    }
}

fn pairs(context: &Context<'_>) -> BTreeMap<&'static str, String> {
    context.pairs().into_iter().collect()
}

fn bytes(value: &Value) -> Result<Vec<u8>, KmsError> {
    let text = value.as_str().ok_or(UNREADABLE)?;
    BASE64.decode(text.as_bytes()).map_err(|_| UNREADABLE)
}

/// The name of the exception, without the namespace that some endpoints put before it.
fn fault(json: &Value) -> String {
    let text = json["__type"].as_str().unwrap_or_default();
    text.rsplit('#').next().unwrap_or_default().to_owned()
}

fn refusal(answer: &Answer) -> KmsError {
    KmsError::Refused(match fault(&answer.json()).as_str() {
        "InvalidCiphertextException" | "IncorrectKeyException" => return KmsError::DoesNotOpen,
        "KMSInternalException"
        | "DependencyTimeoutException"
        | "LimitExceededException"
        | "KeyUnavailableException" => return KmsError::Unavailable("it has a fault of its own"),
        "AccessDeniedException" => "the access key may not use this key",
        "NotFoundException" => "it has no key of this id",
        "DisabledException" | "KMSInvalidStateException" => "the key is disabled or to be deleted",
        "InvalidKeyUsageException" => "the key is not for encryption",
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" => {
            "it does not accept our signature: is the secret right, and the clock?"
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "ExpiredTokenException" => {
            "it does not know the access key, or its token is over"
        }
        _ => "it takes the request for wrong",
    })
}
