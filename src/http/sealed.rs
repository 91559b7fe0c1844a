//! Both listeners of a gateway that has started and cannot open its vault yet: discovery and health.
//! It answers nothing else, knows no store, and tells only the operator why.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use http::{HeaderName, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use super::{
    admin::{METRICS_FORMAT, readiness},
    authority::Authorities,
    check::CheckLayer,
    observe::Observe,
    origin::Origins,
    refusal::EdgeRefusal,
    reply,
    router::{Access, ROUTES, discovery, guarded},
    wellknown::Documents,
};
use crate::{config::Config, telemetry::metrics::Metrics};

/// Why nothing can be opened yet, in the operator's words; without a line end.
pub type Why = Arc<ArcSwap<String>>;

/// The public listener's service: documents, and for all else 503.
pub fn public(config: &Config, observe: Observe) -> Router {
    let documents = Arc::new(Documents::of(config));
    let mut router = Router::new();
    for route in ROUTES {
        if route.access == Access::Document {
            router = router.route(route.path, discovery(&documents));
        }
    }
    let (authorities, origins) = (Authorities::of(config), Origins::of(config));
    guarded(router.fallback(sealed), observe, authorities, origins)
}

async fn sealed(request: Request) -> Response<Body> {
    reply::at_the_edge(request.extensions(), &EdgeRefusal::Sealed)
}

/// The admin listener's service: alive, not ready, and why.
pub fn admin(why: Why, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route(
            "/readyz",
            get(ready).with_state((why, Arc::clone(&metrics))),
        )
        .route("/metrics", get(counts).with_state(metrics))
        .layer(CheckLayer(Authorities::loopback()))
}

async fn ready(State((why, metrics)): State<(Why, Arc<Metrics>)>) -> (StatusCode, Json<Value>) {
    let why = why.load();
    let body = readiness("sealed", Some(why.as_str()), &metrics.health);
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

async fn counts(State(metrics): State<Arc<Metrics>>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, METRICS_FORMAT)], metrics.render())
}
