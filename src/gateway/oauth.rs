//! The authorization server, made from the configuration.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use super::{BuildError, edge};
use crate::{
    auth::{AuthParts, Authenticator, Issuers, LicenseKeys},
    clock::SharedClock,
    config::Config,
    entropy::SharedEntropy,
    http::{
        authenticate::AuthenticateParts,
        body::Budget,
        oauth::{OAuthEndpoints, Served},
    },
    limit::Limiter,
    names::PlanName,
    oauth::{
        AuthorizationServer, Clients, ClientsParts, Grants, GrantsParts, PlanSessions, Settings,
        clients::Web,
    },
    store::Store,
    telemetry::metrics::Metrics,
    vault::Vault,
};

/// What the plans say, swapped at a reload.
pub(super) type Plans = Arc<ArcSwap<HashMap<PlanName, PlanSessions>>>;

/// What is shared with the rest of the gateway.
pub(super) struct Shared<'a> {
    pub(super) store: &'a Store,
    pub(super) vault: &'a Vault,
    pub(super) limiter: &'a Arc<Limiter>,
    pub(super) clock: &'a SharedClock,
    pub(super) entropy: &'a SharedEntropy,
}

pub(super) fn recogniser(
    config: &Config,
    shared: &Shared<'_>,
    metrics: &Arc<Metrics>,
) -> Result<Authenticator, BuildError> {
    let issuers = Issuers::new(
        &config.auth.issuers,
        &config.connector_url(),
        shared.vault.pepper().clone(),
        shared.clock,
    )?;
    Ok(Authenticator::new(AuthParts {
        store: shared.store.clone(),
        pepper: shared.vault.pepper().clone(),
        log_key: shared.vault.log_key().clone(),
        clock: Arc::clone(shared.clock),
        metrics: Arc::clone(metrics),
        resource: config.connector_url(),
        license_keys: if config.auth.license_keys {
            LicenseKeys::Accepted
        } else {
            LicenseKeys::Refused
        },
        issuers,
    }))
}

pub(super) fn authorization_server(
    settings: Settings,
    shared: &Shared<'_>,
    plans: &Plans,
) -> Result<AuthorizationServer, BuildError> {
    let settings = Arc::new(settings);
    let grants = Grants::new(GrantsParts {
        store: shared.store.clone(),
        pepper: shared.vault.pepper().clone(),
        successor_key: shared.vault.successor_key().clone(),
        clock: Arc::clone(shared.clock),
        entropy: Arc::clone(shared.entropy),
        settings: Arc::clone(&settings),
        plans: Arc::clone(plans),
        limiter: Arc::clone(shared.limiter),
    });
    let clients = Clients::new(ClientsParts {
        store: shared.store.clone(),
        settings: Arc::clone(&settings),
        pepper: shared.vault.pepper().clone(),
        limiter: Arc::clone(shared.limiter),
        clock: Arc::clone(shared.clock),
        entropy: Arc::clone(shared.entropy),
        reader: Arc::new(Web::new(&settings.documents)?),
    });
    Ok(AuthorizationServer {
        settings,
        clients: Arc::new(clients),
        grants: Arc::new(grants),
    })
}

pub(super) fn endpoints(
    config: &Config,
    parts: &edge::Parts<'_>,
    authenticate: &Arc<AuthenticateParts>,
    budget: &Arc<Budget>,
) -> OAuthEndpoints {
    let served = |enabled| if enabled { Served::Yes } else { Served::No };
    OAuthEndpoints {
        server: Arc::clone(parts.authorization_server),
        authenticate: Arc::clone(authenticate),
        watcher: Arc::clone(parts.watcher),
        budget: Arc::clone(budget),
        authorization: served(config.auth.oauth.enabled),
        session_tokens: served(config.auth.session_tokens.enabled),
    }
}
