//! The public listener's service, from parts that are made already.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use tokio_util::task::TaskTracker;

use super::{BuildError, oauth};
use crate::{
    auth::{Authenticator, Watcher},
    clock::{Clock, SharedClock},
    config::Config,
    connect::Connections,
    entropy::{IdEntropy, SharedEntropy},
    http::{
        self, EdgeParts,
        admission::Admission,
        authenticate::AuthenticateParts,
        authority::Authorities,
        body::Budget,
        challenge::Challenge,
        endpoint::Endpoint,
        observe::Observe,
        origin::Origins,
        pages::{Pages, PagesParts},
        wellknown::Documents,
    },
    ids::LicenseId,
    ledger::Ledger,
    license::{License, LicenseStatus, Overrides},
    limit::Limiter,
    oauth::AuthorizationServer,
    server::{McpServer, Serving},
    store::Store,
    telemetry::record::Sinks,
    vault::Vault,
};

/// What is behind the edge.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Arc<ArcSwap<Config>>,
    pub(super) serving: &'a Arc<ArcSwap<Serving>>,
    pub(super) store: &'a Store,
    pub(super) vault: &'a Vault,
    pub(super) authenticator: &'a Arc<Authenticator>,
    pub(super) authorization_server: &'a Arc<AuthorizationServer>,
    pub(super) watcher: &'a Arc<Watcher>,
    pub(super) connections: &'a Arc<Connections>,
    pub(super) limiter: &'a Arc<Limiter>,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) clock: &'a SharedClock,
    pub(super) entropy: &'a SharedEntropy,
    pub(super) server: Arc<McpServer>,
    pub(super) detached: &'a TaskTracker,
    pub(super) sinks: Sinks,
}

/// Reads what is read once: addresses, origins, discovery, branding.
pub(super) fn public(parts: Parts<'_>) -> Result<Router, BuildError> {
    let config = parts.config.load_full();
    let budget = Budget::new(
        config.limits.max_in_flight_bytes.as_len(),
        parts.sinks.metrics.pressure.clone(),
    );
    let pages = if config.auth.oauth.enabled {
        Some(Arc::new(Pages::new(pages(&parts, &budget), &config)?))
    } else {
        None
    };
    let authenticate = Arc::new(authenticate(&config, &parts));
    let endpoints = oauth::endpoints(&config, &parts, &authenticate, &budget);
    let metrics = Arc::clone(&parts.sinks.metrics);
    Ok(http::public(EdgeParts {
        admission: Admission::new(&config, metrics, parts.detached.clone()),
        observe: Observe {
            sinks: parts.sinks,
            clock: Arc::clone(parts.clock),
            entropy: Arc::new(IdEntropy::seeded_by(&**parts.entropy)),
        },
        authorities: Authorities::of(&config),
        origins: Origins::of(&config),
        endpoint: Arc::new(Endpoint {
            server: parts.server,
            budget,
            more_scope: authenticate.challenge.narrow().clone(),
        }),
        authenticate,
        oauth: Arc::new(endpoints),
        documents: Arc::new(Documents::of(&config)),
        pages,
    }))
}

fn pages(parts: &Parts<'_>, budget: &Arc<Budget>) -> PagesParts {
    PagesParts {
        config: Arc::clone(parts.config),
        serving: Arc::clone(parts.serving),
        store: parts.store.clone(),
        connections: Arc::clone(parts.connections),
        server: Arc::clone(parts.authorization_server),
        authenticator: Arc::clone(parts.authenticator),
        watcher: Arc::clone(parts.watcher),
        pepper: parts.vault.pepper().clone(),
        form_key: parts.vault.form_key().clone(),
        clock: Arc::clone(parts.clock),
        entropy: Arc::clone(parts.entropy),
        limiter: Arc::clone(parts.limiter),
        ledger: Arc::clone(parts.ledger),
        budget: Arc::clone(budget),
    }
}

fn authenticate(config: &Config, parts: &Parts<'_>) -> AuthenticateParts {
    let anyone = anyone(config, &**parts.clock);
    AuthenticateParts {
        anyone: anyone.map(|license| parts.authenticator.anyone(license)),
        authenticator: Arc::clone(parts.authenticator),
        limiter: Arc::clone(parts.limiter),
        failures: config.limits.unauthenticated,
        trusted: config.listen.trusted_proxies.clone(),
        challenge: Challenge::of(config),
    }
}

/// The caller without a key, where the configuration spells out that there is one.
fn anyone(config: &Config, clock: &dyn Clock) -> Option<License> {
    config.auth.open.as_ref().map(|open| License {
        id: LicenseId::from_bytes([0; 16]),
        name: "anyone on this machine".to_owned(),
        plan: open.plan.clone(),
        tools: None,
        overrides: Overrides::default(),
        status: LicenseStatus::Active,
        created: clock.now(),
        expires: None,
    })
}
