//! Reads what clients publish: their documents and their keys. Every address is a stranger's, so
//! nothing but one guarded GET is done with it: https, no redirect, counted, and soon over.

use std::{path::Path, sync::OnceLock, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{ClientFault, address};
use crate::{
    config::auth::ClientDocumentsConfig,
    egress::{
        EgressClient, EgressError, EgressProfile, EgressRequest, Reach, Roots, RootsError, Scheme,
        read_body,
    },
};

/// Longest time for one reading, from the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time for name, address and TLS of it.
const CONNECT: Duration = Duration::from_secs(3);
/// Shortest and longest time that what was read counts.
const LEAST: Duration = Duration::from_mins(5);
const MOST: Duration = Duration::from_hours(24);

/// What was read, and for how long it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The body.
    pub body: Bytes,
    /// By its `Cache-Control`, within 5 minutes and 24 hours.
    pub fresh: Duration,
}

/// Why what a client publishes is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// Nothing answers, or there is no place for another reading.
    Silent,
    /// What answers is something else: another status, another type, no document. The host may have
    /// a bad day, so this takes back nothing that was read before.
    Unreadable(&'static str),
    /// It was read, and says what is refused.
    Refused(&'static str),
}

impl From<ReadFault> for ClientFault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Silent => Self::Unavailable,
            ReadFault::Unreadable(why) | ReadFault::Refused(why) => Self::Document(why),
        }
    }
}

/// Reads addresses of strangers.
pub trait Reader: Send + Sync + 'static {
    /// May this address be read, as far as that shows without asking for its name?
    fn permits(&self, url: &Url) -> bool;

    /// The JSON document there, of at most `cap` bytes.
    fn read(&self, url: Url, cap: usize) -> BoxFuture<'static, Result<Read, ReadFault>>;
}

/// The way out to strangers' addresses. Made at its first use: most gateways never need it, and a
/// machine without certificates still serves everything else.
pub struct Web {
    profile: EgressProfile,
    /// Hosts that the operator lists, some with a port.
    hosts: Vec<String>,
    anywhere: OnceLock<Option<EgressClient>>,
    /// To ports that nobody listed: only in the operator's own networks.
    inside: OnceLock<Option<EgressClient>>,
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// `ca_file` cannot be read.
    #[error("auth.oauth.client_documents.ca_file cannot be read ({0})")]
    File(std::io::ErrorKind),
    /// `ca_file` holds no certificate.
    #[error("auth.oauth.client_documents.ca_file: {0}")]
    Roots(#[from] RootsError),
}

impl Web {
    /// With its own guard and connections: what is allowed here is allowed nowhere else.
    pub fn new(policy: &ClientDocumentsConfig) -> Result<Self, WebError> {
        let extra_roots = match &policy.ca_file {
            Some(path) => roots(path)?,
            None => Roots::none(),
        };
        Ok(Self {
            profile: EgressProfile {
                allow_special_use: policy.allow_special_use.clone(),
                connect_timeout: CONNECT,
                // A thousand strangers must not hold a thousand connections.
                idle_per_host: 0,
                extra_roots,
                ..EgressProfile::new(Scheme::Https)
            },
            hosts: policy.hosts.clone(),
            anywhere: OnceLock::new(),
            inside: OnceLock::new(),
        })
    }

    fn client(&self, reach: Reach) -> Result<&EgressClient, ReadFault> {
        let client = match reach {
            Reach::Public => &self.anywhere,
            Reach::Listed => &self.inside,
        };
        let make = || {
            let profile = EgressProfile {
                reach,
                ..self.profile.clone()
            };
            let made = EgressClient::for_upstream(&profile);
            made.inspect_err(|error| tracing::warn!(%error, "oauth.no_way_out"))
                .ok()
        };
        client.get_or_init(make).as_ref().ok_or(ReadFault::Silent)
    }

    /// The client that may read this address, as far as that shows without asking for its name.
    fn way(&self, url: &Url) -> Result<&EgressClient, ReadFault> {
        let anywhere = self.client(Reach::Public)?;
        if anywhere.check(url).is_err() {
            return Err(ReadFault::Refused(
                "an address of the client is not out on the Internet",
            ));
        }
        let is_usual = url.port_or_known_default() == Some(address::HTTPS);
        if is_usual || address::is_listed(&self.hosts, url) {
            return Ok(anywhere);
        }
        let inside = self.client(Reach::Listed)?;
        match inside.check(url) {
            Ok(()) => Ok(inside),
            Err(_) => Err(ReadFault::Refused(
                "an address of the client names a port other than 443",
            )),
        }
    }
}

fn roots(path: &Path) -> Result<Roots, WebError> {
    let pem = std::fs::read(path).map_err(|error| WebError::File(error.kind()))?;
    Ok(Roots::from_pem(&pem)?)
}

impl Reader for Web {
    fn permits(&self, url: &Url) -> bool {
        self.way(url).is_ok()
    }

    fn read(&self, url: Url, cap: usize) -> BoxFuture<'static, Result<Read, ReadFault>> {
        let client = self.way(&url).cloned();
        Box::pin(async move {
            let client = client?;
            let deadline = Instant::now() + PATIENCE;
            let request = EgressRequest {
                method: Method::GET,
                url,
                headers: headers(),
                body: None,
            };
            let sent = timeout_at(deadline, client.send(request)).await;
            let response = sent.map_err(|_| ReadFault::Silent)?.map_err(fault_of)?;
            check(response.status(), response.headers())?;
            let fresh = freshness(response.headers());
            let body = read_body(response, cap, PATIENCE, deadline).await;
            Ok(Read {
                body: body.map_err(fault_of)?,
                fresh,
            })
        })
    }
}

fn headers() -> HeaderMap {
    let fields = [
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (
            USER_AGENT,
            HeaderValue::from_static(concat!("wicketgate/", env!("CARGO_PKG_VERSION"))),
        ),
    ];
    fields.into_iter().collect()
}

const fn fault_of(error: EgressError) -> ReadFault {
    match error {
        EgressError::TooLarge => ReadFault::Unreadable("a document of the client is too large"),
        // A name with an address that must not be called is told as one without any: whoever asks
        // must not learn which names there are inside.
        EgressError::AddressRefused
        | EgressError::Connect
        | EgressError::ConnectTimeout
        | EgressError::Broken
        | EgressError::BodyIdle
        | EgressError::Deadline => ReadFault::Silent,
    }
}

fn check(status: StatusCode, headers: &HeaderMap) -> Result<(), ReadFault> {
    if status.is_redirection() {
        return Err(ReadFault::Unreadable(
            "an address of the client leads elsewhere, which is not followed",
        ));
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ReadFault::Silent);
    }
    if status != StatusCode::OK {
        return Err(ReadFault::Unreadable(
            "nothing can be read at an address of the client",
        ));
    }
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| coding != "identity")
    {
        return Err(ReadFault::Unreadable(
            "a document of the client is compressed",
        ));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(media), None) = (types.next(), types.next()) else {
        return Err(NOT_JSON);
    };
    let is_json = media.to_str().is_ok_and(|media| {
        let media = media.split(';').next().unwrap_or_default().trim();
        let media = media.to_ascii_lowercase();
        media == "application/json"
            || media
                .strip_prefix("application/")
                .is_some_and(|kind| kind.len() > "+json".len() && kind.ends_with("+json"))
    });
    if is_json { Ok(()) } else { Err(NOT_JSON) }
}

const NOT_JSON: ReadFault = ReadFault::Unreadable("a document of the client is not sent as JSON");

/// `max-age` within its bounds (RFC 9111 section 5.2.2); the least with `no-store` or without it.
fn freshness(headers: &HeaderMap) -> Duration {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    let texts = fields.filter_map(|value| value.to_str().ok());
    let mut fresh = LEAST;
    for directive in texts.flat_map(|text| text.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return LEAST;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
            fresh = Duration::from_secs(seconds);
        }
    }
    fresh.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests;
