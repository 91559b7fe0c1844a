//! The way to a key service: one deadline over all tries, small answers, and nothing of what the
//! service says in an error.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use ipnet::IpNet;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::KmsError;
use crate::{
    egress::{
        EgressClient, EgressError, EgressProfile, EgressRequest, EgressSetupError, Scheme,
        read_body,
    },
    entropy::SharedEntropy,
    secret::{SecretBytes, SecretJson, SecretString, wipe},
};

/// Longest time for one wrapping or unwrapping, all tries together.
const LONGEST: Duration = Duration::from_secs(5);
/// How often it is tried.
const TRIES: u32 = 3;
/// Pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Largest answer that is read.
const MOST_BYTES: usize = 64 * 1024;

/// Why a key of a key service cannot be set up. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetupError {
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] EgressSetupError),
    /// The address is neither `https:` nor `http:`, or holds what an address may not.
    #[error("the key service's address cannot be used")]
    Address,
    /// A token or key that no header can hold.
    #[error("the secret for the key service is malformed")]
    Secret,
    /// What should be the JSON key file of a service account is none.
    #[error("the credentials are not the JSON key file of a service account")]
    KeyFile,
}

/// A client for one origin of a key service.
pub(super) struct Line {
    client: EgressClient,
    entropy: SharedEntropy,
}

/// What a key service answered: the body may hold a key. It is copied as soon as it is whole, and the
/// buffer that it came in wiped where it is ours alone; the connection's own buffer is not ours.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: SecretBytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> SecretJson {
        SecretJson::parse(self.body.expose())
    }
}

impl Line {
    pub(super) fn new(
        address: &Url,
        allowed: &[IpNet],
        entropy: SharedEntropy,
    ) -> Result<Self, KeySetupError> {
        let scheme = match address.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(KeySetupError::Address),
        };
        let profile = EgressProfile {
            allow_special_use: allowed.to_vec(),
            connect_timeout: Duration::from_secs(2),
            idle_per_host: 4,
            ..EgressProfile::new(scheme)
        };
        Ok(Self {
            client: EgressClient::for_upstream(&profile)?,
            entropy,
        })
    }

    /// When a wrapping or unwrapping that begins now has to be over.
    pub(super) fn deadline() -> Instant {
        Instant::now() + LONGEST
    }

    /// Sends it, again when the service asks for patience or does not answer. `busy` says which
    /// answers ask for patience besides 429 and 5xx.
    pub(super) async fn ask(
        &self,
        request: &EgressRequest,
        deadline: Instant,
        busy: fn(&Answer) -> bool,
    ) -> Result<Answer, KmsError> {
        let mut done = 0;
        loop {
            done += 1;
            let again = match self.once(request.clone(), deadline).await {
                Ok(answer) => match answer.status.as_u16() {
                    429 => "it asks for patience",
                    500.. => "it has a fault of its own",
                    300..400 => return Err(KmsError::Unavailable("it redirects elsewhere")),
                    _ if busy(&answer) => "it asks for patience",
                    _ => return Ok(answer),
                },
                Err(fault) => not_reached(fault)?,
            };
            let pause = self.pause(done);
            if done == TRIES || Instant::now() + pause >= deadline {
                return Err(KmsError::Unavailable(again));
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, request: EgressRequest, deadline: Instant) -> Result<Answer, EgressError> {
        let sent = timeout_at(deadline, self.client.send(request)).await;
        let response = sent.unwrap_or(Err(EgressError::Deadline))?;
        let status = response.status();
        let body = read_body(response, MOST_BYTES, LONGEST, deadline).await?;
        let copy = SecretBytes::new(body.to_vec());
        wipe(body);
        Ok(Answer { status, body: copy })
    }

    /// Between half of the doubled pause and the whole.
    fn pause(&self, done: u32) -> Duration {
        let most = FIRST_PAUSE.saturating_mul(1 << done.saturating_sub(1).min(8));
        let mut random = [0; 1];
        self.entropy.fill(&mut random);
        most / 2 + most.saturating_mul(u32::from(random[0])) / 512
    }
}

/// Why there was no answer, when another try may help.
const fn not_reached(fault: EgressError) -> Result<&'static str, KmsError> {
    match fault {
        EgressError::Connect => Ok("it cannot be connected to"),
        EgressError::Broken => Ok("the connection broke"),
        EgressError::ConnectTimeout => Ok("connecting took too long"),
        EgressError::Deadline | EgressError::BodyIdle => {
            Err(KmsError::Unavailable("it took too long"))
        }
        EgressError::AddressRefused => Err(KmsError::Refused("its address may not be called")),
        EgressError::TooLarge => Err(KmsError::Unavailable("its answer is too large")),
    }
}

/// A POST of JSON.
pub(super) fn post(url: Url, body: &Value) -> Post {
    let mut headers = http::HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Post(EgressRequest {
        method: Method::POST,
        url,
        headers,
        body: Some(Bytes::from(body.to_string())),
    })
}

/// A request whose body may hold a key: wiped when it is dropped, also in the middle of the asking.
pub(super) struct Post(EgressRequest);

impl std::ops::Deref for Post {
    type Target = EgressRequest;

    fn deref(&self) -> &EgressRequest {
        &self.0
    }
}

impl std::ops::DerefMut for Post {
    fn deref_mut(&mut self) -> &mut EgressRequest {
        &mut self.0
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(body) = self.0.body.take() {
            wipe(body);
        }
    }
}

/// A secret as a header's value, never printed.
pub(super) fn sensitive(text: &SecretString) -> Result<HeaderValue, KeySetupError> {
    let mut value =
        HeaderValue::from_str(text.expose().trim()).map_err(|_| KeySetupError::Secret)?;
    value.set_sensitive(true);
    Ok(value)
}

/// An address with these segments behind it.
pub(super) fn below<'a>(
    address: &Url,
    segments: impl IntoIterator<Item = &'a str>,
) -> Result<Url, KeySetupError> {
    let mut url = address.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut()
        .map_err(|()| KeySetupError::Address)?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}
