//! What the configuration says about the authorization server.

use std::{collections::HashMap, time::Duration};

use crate::{
    config::{
        Config,
        auth::{ClientDocumentsConfig, RegistrationConfig},
    },
    grant::Binding,
    names::PlanName,
};

/// What the configuration says, ready for use. Read at start; a change needs a restart, but for the
/// plans, which are read anew.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The origin clients reach, without a trailing slash: byte for byte the `iss` everywhere
    /// (RFC 9207).
    pub issuer: String,
    /// The connector's exact address: the one resource (RFC 8707).
    pub resource: String,
    /// How long an access token is good for.
    pub access: Duration,
    /// How long a session lives unused.
    pub idle: Duration,
    /// How long a session lives at most.
    pub absolute: Duration,
    /// How long the pages remember a browser.
    pub browser: Duration,
    /// How long a token of `POST /session` is good for.
    pub exchange: Duration,
    /// Who may name itself by an address.
    pub documents: ClientDocumentsConfig,
    /// Who may register itself.
    pub registration: RegistrationConfig,
}

/// What a plan says about sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanSessions {
    /// Most granted sessions of a license at once.
    pub most: Option<u32>,
    /// What its sessions are tied to.
    pub binding: Binding,
}

impl Settings {
    /// From the configuration.
    pub fn of(config: &Config) -> Self {
        let oauth = &config.auth.oauth;
        Self {
            issuer: config.public_origin(),
            resource: config.connector_url(),
            access: oauth.access_token.duration(),
            idle: oauth.idle.duration(),
            absolute: oauth.absolute.duration(),
            browser: oauth.browser.duration(),
            exchange: config.auth.session_tokens.lifetime.duration(),
            documents: oauth.client_documents.clone(),
            registration: oauth.registration.clone(),
        }
    }
}

/// What each plan says about sessions.
pub fn plan_sessions(config: &Config) -> HashMap<PlanName, PlanSessions> {
    let read = |(name, plan): (&PlanName, &crate::config::PlanConfig)| {
        let sessions = PlanSessions {
            most: plan.sessions.map(std::num::NonZeroU32::get),
            binding: plan.binding,
        };
        (name.clone(), sessions)
    };
    config.plans.iter().map(read).collect()
}
