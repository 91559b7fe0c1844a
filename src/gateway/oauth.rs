//! The authorization server, made from the configuration.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::BuildError;
use crate::{
    auth::{AuthParts, Authenticator, LicenseKeys, Watcher},
    clock::SharedClock,
    config::Config,
    entropy::SharedEntropy,
    http::{
        authenticate::AuthenticateParts,
        body::Budget,
        oauth::{OAuthEndpoints, Served},
    },
    names::PlanName,
    limit::Limiter,
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
) -> Authenticator {
    Authenticator::new(AuthParts {
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
    })
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
    server: &Arc<AuthorizationServer>,
    authenticate: &Arc<AuthenticateParts>,
    watcher: &Arc<Watcher>,
    budget: &Arc<Budget>,
) -> OAuthEndpoints {
    let served = |enabled| if enabled { Served::Yes } else { Served::No };
    OAuthEndpoints {
        server: Arc::clone(server),
        authenticate: Arc::clone(authenticate),
        watcher: Arc::clone(watcher),
        budget: Arc::clone(budget),
        authorization: served(config.auth.oauth.enabled),
        session_tokens: served(config.auth.session_tokens.enabled),
    }
}

/// What a session that may only read is told when it calls more (RFC 6750 section 3.1).
pub(super) fn more_scope(settings: &Settings) -> HeaderValue {
    let text = format!(
        r#"Bearer error="insufficient_scope", scope="mcp:tools", resource_metadata="{}/.well-known/oauth-protected-resource/mcp""#,
        settings.issuer
    );
    // An origin is ASCII without quotes.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}
