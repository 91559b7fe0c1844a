//! The only maker of HTTP clients: guarded addresses, no redirects, no proxy from the environment.
//!
//! It decodes no content coding, keeps no cookies, sends no `Referer`, and none of its errors holds
//! a URL. The engine shows in no public signature, so it can be exchanged in one file.

pub mod body;
mod engine;
pub mod guard;
mod roots;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use ipnet::IpNet;
use url::Url;

pub use self::{
    body::read_body,
    guard::is_allowed,
    roots::{Roots, RootsError},
};
use self::{
    engine::{Engine, class_of, engine},
    guard::{AddressRefused, Guard, Lookup, SystemLookup},
};

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS; any public address, and special-use ones that are listed.
    Https,
    /// In the clear; only to listed special-use networks.
    Http,
}

impl Scheme {
    /// As it is written in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Which addresses one client may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any public address, and special-use ones that are listed.
    Public,
    /// Listed special-use networks only.
    Listed,
}

/// What one client may do.
#[derive(Debug, Clone)]
pub struct EgressProfile {
    /// The only scheme it speaks.
    pub scheme: Scheme,
    /// How far it reaches; in the clear never further than what is listed.
    pub reach: Reach,
    /// Special-use networks it may reach nevertheless.
    pub allow_special_use: Vec<IpNet>,
    /// Longest time for name, address and TLS together.
    pub connect_timeout: Duration,
    /// Most idle connections kept to a host.
    pub idle_per_host: usize,
    /// Roots of trust besides the operating system's.
    pub extra_roots: Roots,
}

impl EgressProfile {
    /// 5 s to connect, 64 idle connections, no special-use network, the system's roots of trust.
    pub const fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            reach: Reach::Public,
            allow_special_use: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            idle_per_host: 64,
            extra_roots: Roots::none(),
        }
    }
}

/// A request, complete.
#[derive(Debug, Clone)]
pub struct EgressRequest {
    /// The method.
    pub method: Method,
    /// Where to. It may hold a secret in the query: never print it.
    pub url: Url,
    /// All header fields but those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
}

/// The head of a response; the body is still to be read with [`read_body`].
#[derive(Debug)]
pub struct EgressResponse(http::Response<Incoming>);

impl EgressResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The length the body claims to have.
    pub fn content_length(&self) -> Option<u64> {
        self.0.body().size_hint().exact()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, EgressError> {
        while let Some(frame) = self.0.body_mut().frame().await {
            // Trailers are passed over.
            if let Ok(data) = frame.map_err(|_| EgressError::Broken)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Why there is no response. Holds no URL, no name and no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The URL, or an address of its name, is one this client must not call.
    #[error("address refused")]
    AddressRefused,
    /// Name, address or TLS did not come about.
    #[error("connect failed")]
    Connect,
    /// The same, for lack of time.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The connection broke, or what came was no HTTP.
    #[error("connection broke")]
    Broken,
    /// The body is larger than the cap.
    #[error("body too large")]
    TooLarge,
    /// Nothing came for too long in the middle of the body.
    #[error("body went idle")]
    BodyIdle,
    /// The deadline came before the body was complete.
    #[error("deadline")]
    Deadline,
}

/// The client could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no HTTP client can be made: are the system's CA certificates installed?")]
pub struct EgressSetupError;

/// Makes aws-lc-rs the TLS implementation of the process. Calling it again does nothing.
pub fn install_tls_provider() {
    // An error only says that there is a provider already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// An HTTP client bound to an [`EgressProfile`]. Clones share one connection pool.
#[derive(Clone)]
pub struct EgressClient {
    engine: Engine,
    guard: Arc<Guard>,
}

impl EgressClient {
    /// A client for one upstream. Roots of trust are the operating system's and the profile's.
    pub fn for_upstream(profile: &EgressProfile) -> Result<Self, EgressSetupError> {
        Self::with_lookup(profile, Arc::new(SystemLookup))
    }

    /// The same with its own way from names to addresses.
    fn with_lookup(
        profile: &EgressProfile,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, EgressSetupError> {
        install_tls_provider();
        let allow = profile.allow_special_use.clone();
        let guard = Arc::new(Guard::new(profile.scheme, profile.reach, allow, lookup));
        let engine = engine(profile, Arc::clone(&guard))?;
        Ok(Self { engine, guard })
    }

    /// Would this URL be dialled, as far as that can be said without asking for its name?
    pub fn check(&self, url: &Url) -> Result<(), AddressRefused> {
        self.guard.check_url(url)
    }

    /// Sends and waits for the head of the answer. Sets no deadline but the one for connecting:
    /// the caller wraps it in its own.
    pub async fn send(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        self.guard
            .check_url(&request.url)
            .map_err(|AddressRefused| EgressError::AddressRefused)?;
        let mut sent = http::Request::new(Full::new(request.body.unwrap_or_default()));
        // A URL that `url` prints is a URI that `http` reads.
        *sent.uri_mut() =
            Uri::try_from(request.url.as_str()).map_err(|_| EgressError::AddressRefused)?;
        *sent.method_mut() = request.method;
        *sent.headers_mut() = request.headers;
        match self.engine.request(sent).await {
            Ok(response) => Ok(EgressResponse(response)),
            Err(error) => Err(class_of(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
