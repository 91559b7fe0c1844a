//! Access tokens for Google Cloud: by a signed assertion of a service account (RFC 7523), or from
//! the metadata server of the machine. One is kept until it is nearly over.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ipnet::IpNet;
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{GcpIdentity, METADATA};
use crate::{
    clock::{SharedClock, Timestamp},
    crypto::jwt::service_account::{GRANT_TYPE, ServiceAccountKey},
    egress::EgressRequest,
    kms::{
        KeySetupError, KmsError,
        line::{Line, below},
    },
};

/// The only thing that is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";
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
    Account(Box<ServiceAccountKey>),
    Metadata(Url),
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
                let account = ServiceAccountKey::parse(text.expose().as_bytes());
                let account = account.map_err(|_| KeySetupError::KeyFile)?;
                let line = line(account.token_url(), allowed)?;
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
            Source::Account(account) => request(account, self.clock.now())?,
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

/// Asks for a token with an assertion.
fn request(account: &ServiceAccountKey, now: Timestamp) -> Result<EgressRequest, KmsError> {
    let assertion = account.assertion(SCOPE, None, now);
    let assertion =
        assertion.map_err(|_| KmsError::Refused("the service account's key does not sign"))?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", GRANT_TYPE)
        .append_pair("assertion", assertion.expose())
        .finish();
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    Ok(EgressRequest {
        method: Method::POST,
        url: account.token_url().clone(),
        headers,
        body: Some(Bytes::from(form)),
    })
}
