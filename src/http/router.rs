//! The route table and the order of the HTTP layers.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response, routing::any};
use tower::ServiceBuilder;

use super::{
    authenticate::{Authenticate, AuthenticateParts},
    authority::Authorities,
    check::CheckLayer,
    endpoint::{self, Endpoint},
    head::HeadBounds,
    oauth::{self, OAuthEndpoints},
    observe::Observe,
    origin::{Origins, Pages},
    refusal::EdgeRefusal,
    reply,
};

/// Who may reach a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only a principal.
    Principal,
    /// Anybody: the endpoint looks for itself at who asks.
    Public(PublicEndpoint),
}

/// An endpoint that has no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicEndpoint {
    /// Codes and refresh tokens for tokens (RFC 6749 section 3.2).
    Token,
    /// Ends a session (RFC 7009).
    Revoke,
    /// A license key for a short session.
    Session,
}

impl Access {
    /// Which web pages may reach it.
    const fn pages(self) -> Pages {
        match self {
            // A client that is a page asks from its own origin, and proves itself in the body.
            Self::Public(PublicEndpoint::Token | PublicEndpoint::Revoke) => Pages::Any,
            Self::Principal | Self::Public(PublicEndpoint::Session) => Pages::Listed,
        }
    }
}

/// One route of the public listener.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path, exactly.
    pub path: &'static str,
    /// Who may reach it.
    pub access: Access,
}

/// Every route of the public listener. Anything else is 404.
pub const ROUTES: [Route; 4] = [
    Route {
        path: "/mcp",
        access: Access::Principal,
    },
    Route {
        path: "/token",
        access: Access::Public(PublicEndpoint::Token),
    },
    Route {
        path: "/revoke",
        access: Access::Public(PublicEndpoint::Revoke),
    },
    Route {
        path: "/session",
        access: Access::Public(PublicEndpoint::Session),
    },
];

/// The route a path belongs to, for the log: a path itself is never logged.
pub(super) fn route_of(path: &str) -> &'static str {
    ROUTES
        .iter()
        .find(|route| route.path == path)
        .map_or("other", |route| route.path)
}

/// Which web pages may reach a path.
pub(super) fn pages_of(path: &str) -> Pages {
    ROUTES
        .iter()
        .find(|route| route.path == path)
        .map_or(Pages::Listed, |route| route.access.pages())
}

/// What the public listener is made of.
pub struct EdgeParts {
    /// Records.
    pub observe: Observe,
    /// Host names.
    pub authorities: Authorities,
    /// Web origins.
    pub origins: Origins,
    /// Principals.
    pub authenticate: Arc<AuthenticateParts>,
    /// The connector.
    pub endpoint: Arc<Endpoint>,
    /// The way to a token.
    pub oauth: Arc<OAuthEndpoints>,
}

/// The public listener's service: from a request's head to the policies of `call::stack`.
pub fn public(parts: EdgeParts) -> Router {
    let EdgeParts {
        observe,
        authorities,
        origins,
        authenticate,
        endpoint,
        oauth,
    } = parts;
    let cors = origins.cors();
    let layers = ServiceBuilder::new()
        // Outermost: one record and one id a request, and an answer when anything below panics.
        .layer(observe)
        // Before anything reads further: bounds on the head, and no credential in the URL.
        .layer(CheckLayer(HeadBounds))
        // One authority, and ours: everything below may rely on it (DNS rebinding).
        .layer(CheckLayer(authorities))
        // A page that may not call learns nothing, not even whether its key is good.
        .layer(CheckLayer(origins))
        // Preflights are answered here: browsers send them without credentials.
        .layer(cors);
    let mut router = Router::new();
    for route in ROUTES {
        let methods = match route.access {
            // A refused credential is told before method, media type and body are looked at.
            Access::Principal => any(endpoint::mcp)
                .layer(Authenticate(Arc::clone(&authenticate)))
                .with_state(Arc::clone(&endpoint)),
            Access::Public(which) if oauth.serves(which) => {
                oauth::methods(which).with_state(Arc::clone(&oauth))
            }
            Access::Public(_) => continue,
        };
        router = router.route(route.path, methods);
    }
    router.fallback(not_found).layer(layers)
}

async fn not_found(request: Request) -> Response<Body> {
    reply::at_the_edge(request.extensions(), &EdgeRefusal::NotFound)
}
