//! Access tokens for Google Cloud: by a signed assertion of a service account (RFC 7523), or from
//! the metadata server of the machine. One is kept until it is nearly over.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ipnet::IpNet;
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{GcpIdentity, METADATA};
use crate::{
    clock::SharedClock,
    egress::EgressRequest,
    kms::{
        KeySetupError, KmsError,
        line::{Line, below},
    },
    secret::{SecretJson, SecretString},
};

/// The only thing that is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is good for: the most the server takes.
const ASSERTION: Duration = Duration::from_hours(1);
/// A token this close to its end is not used any more.
const MARGIN: Duration = Duration::from_mins(2);
/// A longer lifetime is not believed.
const LONGEST: Duration = Duration::from_hours(1);
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
const UNREADABLE: KmsError = KmsError::Unavailable("the token server's answer cannot be read");

/// Gets tokens and keeps one.
pub(super) struct Tokens {
    source: Source,
    line: Line,
    clock: SharedClock,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    bearer: HeaderValue,
    /// By the monotonic clock.
    until: Duration,
}

enum Source {
    Account(Box<Account>),
    Metadata(Url),
}

struct Account {
    email: String,
    key_id: Option<String>,
    pair: RsaKeyPair,
    token_url: Url,
}

impl Tokens {
    pub(super) fn new(
        identity: GcpIdentity<'_>,
        allowed: &[IpNet],
        clock: SharedClock,
        line: impl Fn(&Url, &[IpNet]) -> Result<Line, KeySetupError>,
    ) -> Result<Self, KeySetupError> {
        let (source, line) = match identity {
            GcpIdentity::KeyFile(text) => {
                let account = Account::read(text).ok_or(KeySetupError::KeyFile)?;
                let line = line(&account.token_url, allowed)?;
                (Source::Account(Box::new(account)), line)
            }
            GcpIdentity::Metadata(address) => {
                let mut allowed = allowed.to_vec();
                if address.as_str().trim_end_matches('/') == METADATA {
                    allowed.push(IpNet::from(std::net::IpAddr::from([169, 254, 169, 254])));
                }
                let path = "computeMetadata/v1/instance/service-accounts/default/token";
                let line = line(address, &allowed)?;
                (Source::Metadata(below(address, path.split('/'))?), line)
            }
        };
        Ok(Self {
            source,
            line,
            clock,
            kept: Mutex::new(None),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one is asked for anew.
    pub(super) fn forget(&self) {
        *self.kept() = None;
    }

    /// `Bearer …`. Several at once may each ask for one; the last is kept.
    pub(super) async fn bearer(&self, deadline: Instant) -> Result<HeaderValue, KmsError> {
        let now = self.clock.monotonic();
        if let Some(kept) = self.kept().as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.bearer.clone());
        }
        let request = match &self.source {
            Source::Account(account) => account.request(self.clock.now().as_millis() / 1000)?,
            Source::Metadata(url) => {
                let mut headers = HeaderMap::new();
                headers.insert(FLAVOR, HeaderValue::from_static("Google"));
                EgressRequest {
                    method: Method::GET,
                    url: url.clone(),
                    headers,
                    body: None,
                }
            }
        };
        let answer = self.line.ask(&request, deadline, |_| false).await?;
        if !answer.status.is_success() {
            return Err(KmsError::Refused("no token for the service account"));
        }
        let json = answer.json();
        let token = json["access_token"].as_str().ok_or(UNREADABLE)?;
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let bearer = HeaderValue::from_str(&bearer);
        let mut bearer = bearer.map_err(|_| UNREADABLE)?;
        bearer.set_sensitive(true);
        let lifetime = Duration::from_secs(json["expires_in"].as_u64().unwrap_or(0));
        *self.kept() = Some(Kept {
            bearer: bearer.clone(),
            until: now + lifetime.min(LONGEST).saturating_sub(MARGIN),
        });
        Ok(bearer)
    }
}

impl Account {
    /// From the JSON key file.
    fn read(text: &SecretString) -> Option<Self> {
        let json = SecretJson::parse(text.expose().as_bytes());
        let field = |name: &str| json[name].as_str();
        let der = PrivatePkcs8KeyDer::from_pem_slice(field("private_key")?.as_bytes()).ok()?;
        Some(Self {
            email: field("client_email")?.to_owned(),
            key_id: field("private_key_id").map(str::to_owned),
            pair: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?,
            token_url: field("token_uri")?.parse().ok()?,
        })
    }

    /// Asks for a token with an assertion that holds for an hour from `now`, in seconds.
    fn request(&self, now: i64) -> Result<EgressRequest, KmsError> {
        let mut head = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            head["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url,
            "iat": now,
            "exp": now.saturating_add_unsigned(ASSERTION.as_secs()),
        });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&head), part(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        // This padding takes no randomness; the engine wants a source of it all the same.
        let signed = self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        );
        signed.map_err(|_| KmsError::Refused("the service account's key does not sign"))?;
        let assertion = format!("{message}.{}", BASE64URL_NOPAD.encode(&signature));
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("assertion", &assertion)
            .finish();
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        Ok(EgressRequest {
            method: Method::POST,
            url: self.token_url.clone(),
            headers,
            body: Some(Bytes::from(form)),
        })
    }
}
