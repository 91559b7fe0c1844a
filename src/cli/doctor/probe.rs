//! One HTTP exchange at a time with a gateway that may be anybody's: bounded, dated, no redirects.
//!
//! The host on the command line may be anywhere, since the operator names it. What its documents
//! name besides may only be public, or, for a connector on loopback, on loopback too: no document
//! of a stranger makes this program talk to the operator's own network.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::{
    cli::failure::Failure,
    egress::{
        EgressClient, EgressError, EgressProfile, EgressRequest, EgressSetupError, Scheme,
        body::{BODY_IDLE, read_body},
    },
};

/// Longest time of one exchange.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer that is read.
const LONGEST: usize = 1024 * 1024;

/// How much of the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Status, header and body.
    Whole,
    /// Status and header: the body may be a stream.
    Head,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    wanted: Wanted,
}

impl Ask {
    /// This method without a body.
    pub fn bare(method: Method, url: &Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let agent = concat!("wicketgate-doctor/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Self {
            method,
            url: url.clone(),
            headers,
            body: None,
            wanted: Wanted::Whole,
        }
    }

    /// GET of a document.
    pub fn document(url: &Url) -> Self {
        Self::bare(Method::GET, url).with(ACCEPT, "application/json")
    }

    /// POST of JSON.
    pub fn json(url: &Url, body: &Value) -> Self {
        let mut ask = Self::bare(Method::POST, url)
            .with(CONTENT_TYPE, "application/json")
            .with(ACCEPT, "application/json, text/event-stream");
        ask.body = Some(Bytes::from(body.to_string()));
        ask
    }

    /// POST of a form.
    pub fn form<'a>(url: &Url, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let mut ask = Self::bare(Method::POST, url)
            .with(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .with(ACCEPT, "application/json, text/html;q=0.9");
        ask.body = Some(Bytes::from(body.finish()));
        ask
    }

    /// Where it goes.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The same with a header; one that cannot be sent is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same, reading only the head of the answer.
    #[must_use]
    pub const fn head_only(mut self) -> Self {
        self.wanted = Wanted::Head;
        self
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body; empty when it was not wanted.
    pub body: Bytes,
}

impl Reply {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Does a header hold this word, whatever its case?
    pub fn header_has(&self, name: &str, word: &str) -> bool {
        self.headers.get_all(name).iter().any(|value| {
            let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
            text.contains(word)
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// This program must not ask there.
    #[error(
        "the address is not asked: it is not https, or a private address the command line does not name"
    )]
    Refused,
    /// This machine cannot make one.
    #[error("{EgressSetupError}")]
    NoClient,
    /// There was none.
    #[error("no answer: {0}")]
    Failed(EgressError),
}

/// The way out.
pub struct Web {
    home: Url,
    own: OnceLock<Option<EgressClient>>,
    foreign: OnceLock<Option<EgressClient>>,
    loopback: OnceLock<Option<EgressClient>>,
}

impl Web {
    /// For this connector.
    pub fn new(home: &Url) -> Result<Self, Failure> {
        let at_home = is_loopback(home);
        if home.scheme() != "https" && !(home.scheme() == "http" && at_home) {
            return Err(
                Failure::usage("the connector URL is neither https nor http on loopback")
                    .fix("such as https://gw.example.com/mcp"),
            );
        }
        Ok(Self {
            home: home.clone(),
            own: OnceLock::new(),
            foreign: OnceLock::new(),
            loopback: OnceLock::new(),
        })
    }

    /// The client for this address. Made when it is needed: trust in certificates takes a while to
    /// read.
    fn client(&self, url: &Url) -> Result<&EgressClient, NoReply> {
        let (place, scheme, networks): (_, _, &[&str]) = match url.scheme() {
            "http" if is_loopback(url) && is_loopback(&self.home) => {
                (&self.loopback, Scheme::Http, &["127.0.0.0/8", "::1/128"])
            }
            "https" if url.host() == self.home.host() => {
                (&self.own, Scheme::Https, &["0.0.0.0/0", "::/0"])
            }
            "https" => (&self.foreign, Scheme::Https, &[]),
            _ => return Err(NoReply::Refused),
        };
        let made = place.get_or_init(|| {
            EgressClient::for_upstream(&EgressProfile {
                allow_special_use: networks.iter().filter_map(|net| net.parse().ok()).collect(),
                ..EgressProfile::new(scheme)
            })
            .ok()
        });
        made.as_ref().ok_or(NoReply::NoClient)
    }

    /// Asks and waits for the answer.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, NoReply> {
        let client = self.client(&ask.url)?;
        let deadline = Instant::now() + PATIENCE;
        let (wanted, method) = (ask.wanted, ask.method.clone());
        let sent = client.send(EgressRequest {
            method: ask.method,
            url: ask.url,
            headers: ask.headers,
            body: ask.body,
        });
        let failed = |error| {
            if error == EgressError::AddressRefused {
                NoReply::Refused
            } else {
                NoReply::Failed(error)
            }
        };
        let response = timeout_at(deadline, sent)
            .await
            .map_err(|_| NoReply::Failed(EgressError::Deadline))?
            .map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = if wanted == Wanted::Head || method == Method::HEAD {
            Bytes::new()
        } else {
            read_body(response, LONGEST, BODY_IDLE, deadline)
                .await
                .map_err(failed)?
        };
        Ok(Reply {
            status,
            headers,
            body,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(home: &str) -> Web {
        Web::new(&home.parse().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_stranger_cannot_point_at_private_addresses() {
        let public = web("https://gw.example.com/mcp");
        for private in [
            "http://127.0.0.1:1/",
            "http://localhost:1/",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/",
            "https://[::1]/",
            "http://gw.example.com/",
            "ftp://gw.example.com/",
        ] {
            let refused = public.ask(Ask::document(&private.parse().unwrap())).await;
            assert_eq!(refused.unwrap_err(), NoReply::Refused, "{private}");
        }
        let here = web("http://127.0.0.1:9/mcp");
        for other in ["http://10.0.0.1/", "https://10.0.0.1/"] {
            let refused = here.ask(Ask::document(&other.parse().unwrap())).await;
            assert_eq!(refused.unwrap_err(), NoReply::Refused, "{other}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for wrong in ["http://gw.example.com/mcp", "ftp://localhost/", "file:///x"] {
            assert!(Web::new(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }
}
