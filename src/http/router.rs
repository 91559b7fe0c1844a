//! The route table and the order of the HTTP layers.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware,
    response::Response,
    routing::{MethodRouter, any},
};
use tower::{Service, ServiceBuilder};

use super::{
    admission::{Admission, AdmitCalls, admit_other},
    any_origin::AnyOrigin,
    authenticate::{Authenticate, AuthenticateParts},
    authority::Authorities,
    check::CheckLayer,
    endpoint::{Connector, Endpoint},
    fork::Fork,
    head::HeadBounds,
    oauth::{self, OAuthEndpoints},
    observe::Observe,
    origin::{Origins, PagesOnly},
    pages::{self, Pages},
    refusal::EdgeRefusal,
    reply,
    wellknown::{self, Documents},
};

/// Who may reach a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only a principal.
    Principal,
    /// Anybody: the endpoint looks for itself at who asks.
    Public(PublicEndpoint),
    /// A person with a browser. Says for itself which other pages may send forms: none.
    Page,
    /// Whoever wants to read it, also a page of any origin.
    Document,
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
    /// A client's own registration (RFC 7591).
    Register,
}

impl PublicEndpoint {
    /// May a page of any origin call it? A client that is a page asks from its own origin, and
    /// proves itself in what it sends.
    pub(super) const fn takes_any_origin(self) -> bool {
        match self {
            Self::Token | Self::Revoke | Self::Register => true,
            Self::Session => false,
        }
    }
}

/// One route of the public listener.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path, exactly, or everything below one: `/path/{*rest}`.
    pub path: &'static str,
    /// Who may reach it.
    pub access: Access,
}

const fn route(path: &'static str, access: Access) -> Route {
    Route { path, access }
}

/// Every route of the public listener. Anything else is 404.
pub const ROUTES: [Route; 14] = [
    route("/mcp", Access::Principal),
    route("/register", Access::Public(PublicEndpoint::Register)),
    route("/token", Access::Public(PublicEndpoint::Token)),
    route("/revoke", Access::Public(PublicEndpoint::Revoke)),
    route("/session", Access::Public(PublicEndpoint::Session)),
    route("/authorize", Access::Page),
    route("/account", Access::Page),
    // Before the links, which are everything else below `/connect/`.
    route("/connect/callback/{*upstream}", Access::Page),
    route("/connect/done/{*account}", Access::Page),
    route("/connect/{*handle}", Access::Page),
    route("/style.css", Access::Page),
    route("/logo", Access::Page),
    route("/.well-known/{*document}", Access::Document),
    route("/mcp/.well-known/{*document}", Access::Document),
];

impl Route {
    /// What it is called in the log: its path without what varies.
    pub fn word(&self) -> &'static str {
        self.path.split("/{*").next().unwrap_or(self.path)
    }

    fn covers(&self, path: &str) -> bool {
        match self.path.split_once("{*") {
            Some((below, _)) => path.len() > below.len() && path.starts_with(below),
            None => self.path == path,
        }
    }
}

fn find(path: &str) -> Option<&'static Route> {
    // A constant, so that the reference lives for ever.
    static TABLE: [Route; ROUTES.len()] = ROUTES;
    TABLE.iter().find(|route| route.covers(path))
}

/// The route a path belongs to, for the log: a path itself is never logged.
pub(super) fn route_of(path: &str) -> &'static str {
    find(path).map_or("other", Route::word)
}

/// Who may reach what is at this path; none when nothing is.
pub(super) fn access_of(path: &str) -> Option<Access> {
    find(path).map(|route| route.access)
}

/// What the public listener is made of.
pub struct EdgeParts {
    /// Records.
    pub observe: Observe,
    /// Places.
    pub admission: Arc<Admission>,
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
    /// Discovery.
    pub documents: Arc<Documents>,
    /// What people see; none without the built-in authorization server.
    pub pages: Option<Arc<Pages>>,
}

/// The public listener's service: from a request's head to the policies of `call::stack`.
pub fn public(parts: EdgeParts) -> Router {
    let EdgeParts {
        observe,
        admission,
        authorities,
        origins,
        authenticate,
        endpoint,
        oauth,
        documents,
        pages,
    } = parts;
    // The only way to a tool. Nothing of a routing table is looked at or copied for it.
    let connector = ServiceBuilder::new()
        // Nothing is done for a request that has no place, not even a look at its credential.
        .layer(AdmitCalls(Arc::clone(&admission)))
        // A refused credential is told before method, media type and body are looked at.
        .layer(Authenticate(authenticate))
        .service(Connector(endpoint));
    let mut others = Router::new();
    for route in ROUTES {
        let methods = match route.access {
            Access::Principal => continue,
            Access::Public(which) if oauth.serves(which) => {
                let methods = oauth::methods(which).with_state(Arc::clone(&oauth));
                if which.takes_any_origin() {
                    methods.layer(AnyOrigin("POST, OPTIONS"))
                } else {
                    methods
                }
            }
            Access::Public(_) => any(not_found),
            Access::Document => discovery(&documents),
            Access::Page => match &pages {
                Some(pages) => any(pages::page).with_state(Arc::clone(pages)),
                None => any(not_found),
            },
        };
        others = others.route(route.path, methods);
    }
    let others = others
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(admission, admit_other));
    let service = Fork { connector, others };
    guarded(service, observe, authorities, origins)
}

/// What answers for a document.
pub(super) fn discovery(documents: &Arc<Documents>) -> MethodRouter {
    any(wellknown::document)
        .layer(AnyOrigin("GET, HEAD, OPTIONS"))
        .with_state(Arc::clone(documents))
}

/// What every request goes through, whatever answers it.
pub(super) fn guarded<S>(
    service: S,
    observe: Observe,
    authorities: Authorities,
    origins: Origins,
) -> Router
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
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
        .layer(PagesOnly(cors));
    Router::new().fallback_service(layers.service(service))
}

async fn not_found(request: Request) -> Response<Body> {
    reply::at_the_edge(request.extensions(), &EdgeRefusal::NotFound)
}
