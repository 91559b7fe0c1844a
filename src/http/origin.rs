//! Which web pages may call: `Origin` against a list, and CORS for those on it.

use std::{
    collections::HashSet,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::future::Either;
use http::{
    HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors, CorsLayer};
use url::{Origin, Url};

use super::{
    authority::is_loopback,
    check::Check,
    rate_limit,
    refusal::EdgeRefusal,
    router::{self, Access},
};
use crate::config::Config;

/// The origins that may call.
#[derive(Clone)]
pub struct Origins(Arc<Known>);

struct Known {
    names: HashSet<String>,
    loopback: Loopback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loopback {
    Allowed,
    Refused,
}

impl Origins {
    /// The gateway's own, those the operator added, and loopback pages on a loopback listener.
    pub fn of(config: &Config) -> Self {
        let mut names: HashSet<String> = config
            .listen
            .allowed_origins
            .iter()
            .map(|o| o.trim_end_matches('/').into())
            .collect();
        names.insert(config.public_origin());
        let loopback = if config.listen.public.ip().is_loopback() {
            Loopback::Allowed
        } else {
            Loopback::Refused
        };
        Self(Arc::new(Known { names, loopback }))
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(text) = origin.to_str() else {
            return false;
        };
        if self.0.names.contains(text) {
            return true;
        }
        if self.0.loopback == Loopback::Refused {
            return false;
        }
        let Ok(url) = Url::parse(text) else {
            return false;
        };
        // The text must be an origin and nothing more.
        matches!(url.origin(), Origin::Tuple(..))
            && url.origin().ascii_serialization() == text
            && url.host_str().is_some_and(is_loopback)
    }

    /// The CORS headers for browser clients such as the Inspector.
    pub fn cors(&self) -> CorsLayer {
        let origins = self.clone();
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| {
                origins.allows(origin)
            }))
            .allow_methods([Method::POST])
            .allow_headers(AllowHeaders::list([
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                HeaderName::from_static("mcp-protocol-version"),
                HeaderName::from_static("mcp-method"),
                HeaderName::from_static("mcp-name"),
                HeaderName::from_static("mcp-session-id"),
                HeaderName::from_static("last-event-id"),
            ]))
            .expose_headers([
                WWW_AUTHENTICATE,
                RETRY_AFTER,
                rate_limit::POLICY,
                rate_limit::LIMIT,
                HeaderName::from_static("x-request-id"),
            ])
            .max_age(Duration::from_hours(1))
    }
}

/// CORS for requests that come from a page; all others pass by it, since it only adds headers that
/// browsers read.
#[derive(Clone)]
pub struct PagesOnly(pub CorsLayer);

/// A service that browsers may read.
#[derive(Clone)]
pub struct ForPages<S> {
    /// Shared: a router clones its services for every request, and this one is seldom used.
    cors: Arc<Cors<S>>,
    inner: S,
}

impl<S: Clone> Layer<S> for PagesOnly {
    type Service = ForPages<S>;

    fn layer(&self, inner: S) -> ForPages<S> {
        ForPages {
            cors: Arc::new(self.0.layer(inner.clone())),
            inner,
        }
    }
}

impl<S> Service<Request> for ForPages<S>
where
    S: Service<Request, Response = Response<Body>> + Clone,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<<Cors<S> as Service<Request>>::Future, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.headers().contains_key(ORIGIN) && is_ruled_here(request.uri().path()) {
            Either::Left(Cors::clone(&self.cors).call(request))
        } else {
            Either::Right(self.inner.call(request))
        }
    }
}

/// Discovery and the machine endpoints are open to every origin, and forms are judged where they
/// are read; all else, also what is not there, goes by the list.
fn is_ruled_here(path: &str) -> bool {
    match router::access_of(path) {
        Some(Access::Principal) | None => true,
        Some(Access::Public(endpoint)) => !endpoint.takes_any_origin(),
        Some(Access::Page | Access::Document) => false,
    }
}

impl Check for Origins {
    fn check(&self, request: &Request) -> Result<(), EdgeRefusal> {
        if !is_ruled_here(request.uri().path()) {
            return Ok(());
        }
        let mut fields = request.headers().get_all(ORIGIN).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.allows(origin) => Ok(()),
            (Some(_), _) => Err(EdgeRefusal::OriginRefused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(loopback: Loopback, origins: &[&str]) -> bool {
        let names = HashSet::from(["https://gw.test".to_owned()]);
        let mut builder = Request::builder();
        for origin in origins {
            builder = builder.header(ORIGIN, *origin);
        }
        let request = builder.body(Body::empty()).unwrap();
        Origins(Arc::new(Known { names, loopback }))
            .check(&request)
            .is_ok()
    }

    #[test]
    fn h_10_to_h_12_only_listed_origins_pass() {
        let refused = |origins: &[&str]| !check(Loopback::Refused, origins);
        assert!(check(Loopback::Refused, &[]));
        assert!(check(Loopback::Refused, &["https://gw.test"]));
        assert!(refused(&["https://evil.test"]));
        assert!(refused(&["null"]));
        assert!(refused(&["https://gw.test", "https://gw.test"]));
        assert!(refused(&["https://gw.test.evil.test"]));
        assert!(refused(&["http://localhost:6274"]));
        assert!(check(Loopback::Allowed, &["http://localhost:6274"]));
        assert!(!check(Loopback::Allowed, &["http://localhost.evil.test"]));
        assert!(!check(Loopback::Allowed, &["http://localhost:6274/path"]));
        assert!(!check(Loopback::Allowed, &["null"]));
    }
}
