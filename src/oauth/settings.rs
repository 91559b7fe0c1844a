//! What the configuration says about the authorization server.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use crate::{
    config::{
        Config,
        auth::{ClientDocumentsConfig, RegistrationConfig},
    },
    crypto::jwt::Algorithm,
    grant::Binding,
    names::PlanName,
    quota::Rate,
};

/// Algorithms that clients may sign their assertions with (RFC 7523).
pub const ASSERTION_ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Rs256,
    Algorithm::Es256,
    Algorithm::Ps256,
    Algorithm::EdDsa,
];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSessions {
    /// Most granted sessions of a license at once.
    pub most: Option<u32>,
    /// What its sessions are tied to.
    pub binding: Binding,
    /// How often a license's keys may be exchanged for sessions.
    pub exchanges: Rate,
}

impl Default for PlanSessions {
    /// Of a plan that is not configured any more.
    fn default() -> Self {
        Self {
            most: None,
            binding: Binding::default(),
            exchanges: Rate::per_minute(NonZeroU32::MIN),
        }
    }
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

    /// Does a client mean our connector (RFC 8707 section 2)? Some write scheme or host in capitals,
    /// the port that the scheme implies, or a slash at the end; nothing else is the same.
    pub fn is_resource(&self, named: &str) -> bool {
        let named = named.strip_suffix('/').unwrap_or(named);
        let path = self.resource.strip_prefix(&self.issuer);
        let is_at = |origin: &str| {
            named
                .get(..origin.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(origin))
                && named.get(origin.len()..) == path
        };
        let implied = match self.issuer.split_once("://") {
            Some(("https", host)) if !has_port(host) => Some(":443"),
            Some(("http", host)) if !has_port(host) => Some(":80"),
            _ => None,
        };
        is_at(&self.issuer) || implied.is_some_and(|port| is_at(&format!("{}{port}", self.issuer)))
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
}

/// What each plan says about sessions.
pub fn plan_sessions(config: &Config) -> HashMap<PlanName, PlanSessions> {
    let read = |(name, plan): (&PlanName, &crate::config::PlanConfig)| {
        let sessions = PlanSessions {
            most: plan.sessions.map(NonZeroU32::get),
            binding: plan.binding,
            exchanges: config.limits.session,
        };
        (name.clone(), sessions)
    };
    config.plans.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_connector_is_the_resource() {
        let settings = Settings {
            issuer: "https://gw.test:8443".into(),
            resource: "https://gw.test:8443/mcp".into(),
            access: Duration::ZERO,
            idle: Duration::ZERO,
            absolute: Duration::ZERO,
            browser: Duration::ZERO,
            exchange: Duration::ZERO,
            documents: ClientDocumentsConfig::default(),
            registration: RegistrationConfig::default(),
        };
        for good in [
            "https://gw.test:8443/mcp",
            "https://gw.test:8443/mcp/",
            "HTTPS://GW.test:8443/mcp",
        ] {
            assert!(settings.is_resource(good), "{good}");
        }
        for bad in [
            "",
            "https://gw.test:8443",
            "https://gw.test:8443/",
            "https://gw.test:8443/mcp//",
            "https://gw.test:8443/MCP",
            "https://gw.test:8443/mcp?x",
            "https://gw.test:8443/mcp#x",
            "https://gw.test/mcp",
            "http://gw.test:8443/mcp",
            "https://evil.test:8443/mcp",
            "https://gw.test:8443@evil.test/mcp",
            "https://gw.test:844\u{e9}/mcp",
        ] {
            assert!(!settings.is_resource(bad), "{bad}");
        }
    }
}
