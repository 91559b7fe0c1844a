//! Reading an issuer's discovery document and key set: 5 seconds and 256 KiB for all of it, no
//! redirects, guarded addresses.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, CACHE_CONTROL},
};
use ipnet::IpNet;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::{
    config::auth::IssuerConfig,
    crypto::jwt::{KeySet, KeySetFault},
    egress::{
        EgressClient, EgressError, EgressProfile, EgressRequest, EgressSetupError, Scheme,
        read_body,
    },
    mcp::json,
};

/// For discovery and keys together.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest document.
const LARGEST: usize = 256 << 10;
/// How long keys are good for, whatever the issuer says, and when it says nothing.
const SHORTEST_LIFE: Duration = Duration::from_mins(5);
const LONGEST_LIFE: Duration = Duration::from_hours(24);
const USUAL_LIFE: Duration = Duration::from_hours(1);

/// Where the keys of one issuer are.
pub(super) struct Source {
    /// As it is configured, byte for byte.
    issuer: String,
    jwks_url: Option<Url>,
    secure: EgressClient,
    /// Only to loopback, only where the configuration names an `http:` address.
    plain: Option<EgressClient>,
}

/// Keys as they were read.
pub(super) struct Found {
    pub(super) keys: KeySet,
    /// What they were read from, to see whether they changed.
    pub(super) text: Bytes,
    /// How long they may be used without asking again.
    pub(super) life: Duration,
}

/// Why there are no keys. Holds no byte of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchFault {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("answered with status {0}")]
    Status(u16),
    #[error("the configured issuer is no address")]
    NoAddress,
    #[error("the discovery document is not a JSON object")]
    NotDiscovery,
    #[error("the discovery document is of another issuer")]
    OtherIssuer,
    #[error("the discovery document names no place for keys that may be asked")]
    NoKeysAddress,
    #[error(transparent)]
    Keys(#[from] KeySetFault),
    #[error("no usable key in the set")]
    NoKeys,
}

impl Source {
    pub(super) fn new(config: &IssuerConfig) -> Result<Self, EgressSetupError> {
        let profile = |scheme, allow_special_use| EgressProfile {
            allow_special_use,
            idle_per_host: 1,
            ..EgressProfile::new(scheme)
        };
        let in_the_clear = config.issuer.starts_with("http:")
            || config
                .jwks_url
                .as_ref()
                .is_some_and(|url| url.scheme() == "http");
        let plain = in_the_clear
            .then(|| {
                let loopback = only_loopback(&config.allow_special_use);
                EgressClient::for_upstream(&profile(Scheme::Http, loopback))
            })
            .transpose()?;
        let allow = config.allow_special_use.clone();
        Ok(Self {
            issuer: config.issuer.clone(),
            jwks_url: config.jwks_url.clone(),
            secure: EgressClient::for_upstream(&profile(Scheme::Https, allow))?,
            plain,
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The keys as they are now.
    pub(super) async fn fetch(&self) -> Result<Found, FetchFault> {
        let deadline = Instant::now() + DEADLINE;
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover(deadline).await?,
        };
        let (headers, text) = self.get(url, deadline).await?;
        let keys = KeySet::parse(&text)?;
        if keys.is_empty() {
            return Err(FetchFault::NoKeys);
        }
        Ok(Found {
            keys,
            text,
            life: life(&headers),
        })
    }

    /// `OpenID` Connect Discovery 1.0 section 4, else RFC 8414 section 3.
    async fn discover(&self, deadline: Instant) -> Result<Url, FetchFault> {
        let [first, second] = places(&self.issuer).ok_or(FetchFault::NoAddress)?;
        let text = match self.get(first, deadline).await {
            Err(FetchFault::Status(_)) => self.get(second, deadline).await?.1,
            answer => answer?.1,
        };
        let document = match json::parse(&text) {
            Ok(parsed) => parsed.value,
            Err(_) => return Err(FetchFault::NotDiscovery),
        };
        let Value::Object(document) = document else {
            return Err(FetchFault::NotDiscovery);
        };
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("issuer") != Some(&self.issuer) {
            return Err(FetchFault::OtherIssuer);
        }
        text("jwks_uri")
            .and_then(|text| Url::parse(text).ok())
            .filter(|url| self.client(url).is_some())
            .ok_or(FetchFault::NoKeysAddress)
    }

    fn client(&self, url: &Url) -> Option<&EgressClient> {
        match url.scheme() {
            "https" => Some(&self.secure),
            "http" => self.plain.as_ref(),
            _ => None,
        }
    }

    async fn get(&self, url: Url, deadline: Instant) -> Result<(HeaderMap, Bytes), FetchFault> {
        let client = self.client(&url).ok_or(FetchFault::NoKeysAddress)?;
        let request = EgressRequest {
            method: Method::GET,
            url,
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
            body: None,
        };
        let response = timeout_at(deadline, client.send(request))
            .await
            .map_err(|_| EgressError::Deadline)??;
        if response.status() != StatusCode::OK {
            return Err(FetchFault::Status(response.status().as_u16()));
        }
        let headers = response.headers().clone();
        let text = read_body(response, LARGEST, DEADLINE, deadline).await?;
        Ok((headers, text))
    }
}

/// `http:` is for an issuer on this machine, in development: nothing else is asked in the clear.
fn only_loopback(allowed: &[IpNet]) -> Vec<IpNet> {
    let loopback = [
        IpNet::from(ipnet::Ipv4Net::new_assert(
            std::net::Ipv4Addr::new(127, 0, 0, 0),
            8,
        )),
        IpNet::from(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
    ];
    let common = |one: &IpNet| {
        let one = *one;
        loopback.into_iter().filter_map(move |net| {
            if one.contains(&net) {
                Some(net)
            } else {
                net.contains(&one).then_some(one)
            }
        })
    };
    allowed.iter().flat_map(common).collect()
}

/// Where the discovery document may be: behind the issuer, or between its host and its path.
fn places(issuer: &str) -> Option<[Url; 2]> {
    let bare = issuer.strip_suffix('/').unwrap_or(issuer);
    let behind = Url::parse(&format!("{bare}/.well-known/openid-configuration")).ok()?;
    let mut between = Url::parse(bare).ok()?;
    let path = match between.path() {
        "/" => "",
        path => path,
    };
    let path = format!("/.well-known/oauth-authorization-server{path}");
    between.set_path(&path);
    Some([behind, between])
}

/// RFC 9111 section 5.2.2, as far as it matters here.
fn life(headers: &HeaderMap) -> Duration {
    let mut life = USUAL_LIFE;
    let fields = headers.get_all(CACHE_CONTROL);
    let words = fields.iter().filter_map(|field| field.to_str().ok());
    for word in words.flat_map(|field| field.split(',')) {
        let word = word.trim().to_ascii_lowercase();
        if let Some(seconds) = word.strip_prefix("max-age=") {
            let seconds = seconds.trim_matches('"').parse();
            life = seconds.map_or(SHORTEST_LIFE, Duration::from_secs);
        } else if matches!(word.as_str(), "no-store" | "no-cache") {
            return SHORTEST_LIFE;
        }
    }
    life.clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_behind_or_between() {
        let text = |issuer: &str| places(issuer).unwrap().map(|url| url.to_string());
        for issuer in ["https://login.example.com", "https://login.example.com/"] {
            assert_eq!(
                text(issuer),
                [
                    "https://login.example.com/.well-known/openid-configuration",
                    "https://login.example.com/.well-known/oauth-authorization-server",
                ]
            );
        }
        for issuer in ["https://a.example/t/one", "https://a.example/t/one/"] {
            assert_eq!(
                text(issuer),
                [
                    "https://a.example/t/one/.well-known/openid-configuration",
                    "https://a.example/.well-known/oauth-authorization-server/t/one",
                ]
            );
        }
    }

    #[test]
    fn keys_live_between_five_minutes_and_a_day() {
        let minutes = |field: &'static str| {
            let value = HeaderValue::from_static(field);
            life(&HeaderMap::from_iter([(CACHE_CONTROL, value)])).as_secs() / 60
        };
        assert_eq!(life(&HeaderMap::new()), USUAL_LIFE);
        for (field, wanted) in [
            ("public, max-age=1200", 20),
            ("max-age=1", 5),
            ("max-age=99999999999", 24 * 60),
            ("max-age=x", 5),
            ("Max-Age=7200, No-Store", 5),
            ("public", 60),
        ] {
            assert_eq!(minutes(field), wanted, "{field}");
        }
    }

    #[test]
    fn in_the_clear_only_this_machine_is_asked() {
        let nets = |list: &[&str]| -> Vec<String> {
            let list: Vec<IpNet> = list.iter().map(|net| net.parse().unwrap()).collect();
            only_loopback(&list)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(nets(&["10.0.0.0/8", "fd00::/8"]), [""; 0]);
        assert_eq!(nets(&["127.0.0.1/32"]), ["127.0.0.1/32"]);
        assert_eq!(
            nets(&["126.0.0.0/7", "::1/128"]),
            ["127.0.0.0/8", "::1/128"]
        );
    }
}
