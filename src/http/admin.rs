//! The admin listener: alive, ready, metrics. Loopback only; never on the public listener.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{authority::Authorities, check::CheckLayer};
use crate::{
    clock::SharedClock,
    store::Store,
    telemetry::{
        access::AccessLog,
        health::{self, Component, Health},
        metrics::Metrics,
        pressure::Level,
    },
    vault::{Vault, VaultError},
};

/// What scrapers are told that they get.
pub(super) const METRICS_FORMAT: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long a probe waits for the store; probes are impatient themselves.
const PATIENCE: Duration = Duration::from_secs(1);

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
    /// Dates what is found here.
    pub clock: SharedClock,
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

/// Ready while the store answers and its clock agrees with ours, the operator has not sealed the
/// vault, and the process is not draining. What is merely impaired does not make it unready.
async fn ready(State(parts): State<Arc<AdminParts>>) -> (StatusCode, Json<Value>) {
    let health = &parts.metrics.health;
    let (status, why) = if parts.stopping.is_cancelled() {
        ("draining", None)
    } else if let Some(why) = short_of_memory(&parts.metrics) {
        ("short of memory", Some(why))
    } else if !answers(&parts.store).await {
        ("unavailable", Some("the store does not answer"))
    } else if health.of(Component::Clock) == Some(health::State::Lost) {
        const WHY: &str = "the store's clock and this machine's are more than a minute apart";
        ("unavailable", Some(WHY))
    } else {
        match parts.vault.check_open().await {
            Ok(()) => ("ready", None),
            Err(VaultError::Sealed) => (
                "sealed",
                Some("by the operator; `wicketgate unseal` lets it go on"),
            ),
            Err(_) => ("unavailable", Some("the store does not answer")),
        }
    };
    tell_of_key_service(&parts);
    let code = if status == "ready" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, readiness(status, why, health))
}

/// What a probe is told: a word, why, and each thing outside that was ever spoken of.
pub(super) fn readiness(status: &str, why: Option<&str>, health: &Health) -> Json<Value> {
    let components: Map<String, Value> = health
        .standings()
        .into_iter()
        .map(|it| {
            let shown = json!({ "state": it.state, "since": it.since.to_string() });
            (it.component.word().to_owned(), shown)
        })
        .collect();
    let mut body = json!({ "status": status, "components": components });
    if let Some(why) = why {
        body["why"] = why.into();
    }
    Json(body)
}

async fn answers(store: &Store) -> bool {
    let asked = tokio::time::timeout(PATIENCE, store.ping()).await;
    matches!(asked, Ok(Ok(())))
}

/// Spoken of once it has failed.
fn tell_of_key_service(parts: &AdminParts) {
    let health = &parts.metrics.health;
    let state = if parts.vault.key_service_is_failing() {
        health::State::Degraded
    } else if health.of(Component::KeyService).is_some() {
        health::State::Ok
    } else {
        return;
    };
    health.tell(Component::KeyService, state, parts.clock.now());
}

/// What readiness says while calls are refused for want of memory.
fn short_of_memory(metrics: &Metrics) -> Option<&'static str> {
    match metrics.pressure.level() {
        Level::Calm => None,
        Level::Short => Some("new calls are refused"),
        Level::Critical => Some("new calls are refused and new connections wait"),
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
    tell_of_key_service(&parts);
    ([(CONTENT_TYPE, METRICS_FORMAT)], parts.metrics.render())
}
