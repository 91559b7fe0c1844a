//! The admin listener: alive, ready, metrics. Loopback only; never on the public listener.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use tokio_util::sync::CancellationToken;

use super::{authority::Authorities, check::CheckLayer};
use crate::{
    store::Store,
    telemetry::{access::AccessLog, metrics::Metrics},
    vault::{Vault, VaultError},
};

/// What scrapers are told that they get.
pub(super) const METRICS_FORMAT: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin listener is made of.
pub struct AdminParts {
    /// Is it there?
    pub store: Store,
    /// Has the operator stopped it?
    pub vault: Arc<Vault>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What was not written.
    pub log: Arc<AccessLog>,
    /// Set when the process drains.
    pub stopping: CancellationToken,
}

/// The admin listener's routes.
pub fn admin(parts: AdminParts) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(parts))
        // A page in a browser on this machine must not read it under another name.
        .layer(CheckLayer(Authorities::loopback()))
}

/// Ready while the store answers, the operator has not sealed the vault, and the process is not
/// draining.
async fn ready(State(parts): State<Arc<AdminParts>>) -> (StatusCode, &'static str) {
    if parts.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    if parts.store.ping().await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "store unavailable\n");
    }
    match parts.vault.check_open().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(VaultError::Sealed) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "sealed: by the operator; `wicketgate unseal` lets it go on\n",
        ),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "store unavailable\n"),
    }
}

async fn metrics(
    State(parts): State<Arc<AdminParts>>,
) -> ([(http::HeaderName, &'static str); 1], String) {
    parts
        .metrics
        .log_dropped
        .set(i64::try_from(parts.log.dropped()).unwrap_or(i64::MAX));
    let sealed = parts.vault.check_open().await == Err(VaultError::Sealed);
    parts.metrics.sealed.set(i64::from(sealed));
    ([(CONTENT_TYPE, METRICS_FORMAT)], parts.metrics.render())
}
