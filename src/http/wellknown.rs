//! Discovery: where clients learn how to sign in (RFC 9728, RFC 8414). Made once from the
//! configuration; asks nobody, and never answers 401 or 5xx.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::{observe::Edge, refusal::EdgeRefusal, reply};
use crate::{
    config::{Config, auth::AcceptDocuments},
    crypto::jwt::Algorithm,
    grant::{OFFLINE_ACCESS, Scope},
    oauth::settings::ASSERTION_ALGORITHMS,
    telemetry::record::Ending,
};

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Long enough to spare a second look while somebody connects, short enough to mend a mistake.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The documents as they go out.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    resource: Option<Bytes>,
    server: Option<Bytes>,
}

impl Documents {
    /// What this configuration offers: with the built-in authorization server both; with identity
    /// providers alone the resource's; else none.
    pub fn of(config: &Config) -> Self {
        let bytes = |value: Value| Bytes::from(value.to_string());
        Self {
            resource: protected_resource_url(config).map(|_| bytes(protected_resource(config))),
            server: config
                .auth
                .oauth
                .enabled
                .then(|| bytes(authorization_server(config))),
        }
    }

    /// The document at a path. One trailing slash is forgiven.
    fn at(&self, path: &str) -> Option<&Bytes> {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path {
            "/.well-known/oauth-protected-resource"
            | "/.well-known/oauth-protected-resource/mcp" => self.resource.as_ref(),
            "/.well-known/oauth-authorization-server"
            | "/.well-known/oauth-authorization-server/mcp"
            | "/.well-known/openid-configuration"
            | "/.well-known/openid-configuration/mcp"
            | "/mcp/.well-known/openid-configuration" => self.server.as_ref(),
            _ => None,
        }
    }
}

/// Where the connector's document is, as challenges name it; none when there is nobody to sign in
/// with.
pub(super) fn protected_resource_url(config: &Config) -> Option<String> {
    let auth = &config.auth;
    (auth.oauth.enabled || !auth.issuers.is_empty())
        .then(|| format!("{}{PROTECTED_RESOURCE}/mcp", config.public_origin()))
}

/// The words that clients ask for, where the way in is the connector's: ours, or with identity
/// providers alone those configured for them, sorted. They know no word of ours.
pub(super) fn scopes(config: &Config) -> Vec<&str> {
    if config.auth.oauth.enabled || config.auth.issuers.is_empty() {
        vec![Scope::Tools.as_str()]
    } else {
        scopes_of_issuers(config)
    }
}

/// What is configured to stand in the tokens of identity providers, sorted.
pub(super) fn scopes_of_issuers(config: &Config) -> Vec<&str> {
    let all = config.auth.issuers.iter().flat_map(|one| &one.scopes);
    let all: BTreeSet<&str> = all.map(String::as_str).collect();
    all.into_iter().collect()
}

/// RFC 9728 section 2. `scopes_supported` is the least a client should ask for; left out where
/// nothing is known of it.
fn protected_resource(config: &Config) -> Value {
    let servers = if config.auth.oauth.enabled {
        vec![config.public_origin()]
    } else {
        let issuers = config.auth.issuers.iter();
        issuers.map(|issuer| issuer.issuer.clone()).collect()
    };
    let mut document = json!({
        "resource": config.connector_url(),
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "resource_name": config.branding.name,
    });
    let scopes = scopes(config);
    if !scopes.is_empty() {
        document["scopes_supported"] = json!(scopes);
    }
    document
}

/// RFC 8414 section 2, also served where clients of `OpenID` look.
fn authorization_server(config: &Config) -> Value {
    let (issuer, oauth) = (config.public_origin(), &config.auth.oauth);
    let at = |path: &str| format!("{issuer}{path}");
    let assertions = ASSERTION_ALGORITHMS.map(Algorithm::as_str);
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "revocation_endpoint": at("/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": assertions,
        "revocation_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": assertions,
        "scopes_supported": [Scope::Tools.as_str(), Scope::Read.as_str(), OFFLINE_ACCESS],
        "authorization_response_iss_parameter_supported": true,
    });
    if oauth.registration.enabled {
        document["registration_endpoint"] = json!(at("/register"));
    }
    if oauth.client_documents.accept != AcceptDocuments::Off {
        document["client_id_metadata_document_supported"] = json!(true);
    }
    if let Some(support) = &config.branding.support
        && matches!(support.scheme(), "https" | "http")
    {
        document["service_documentation"] = json!(support);
    }
    document
}

/// Everything under `/.well-known`.
pub async fn document(State(documents): State<Arc<Documents>>, request: Request) -> Response<Body> {
    let extensions = request.extensions();
    let Some(document) = documents.at(request.uri().path()) else {
        return reply::at_the_edge(extensions, &EdgeRefusal::NotFound);
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply::at_the_edge(extensions, &EdgeRefusal::MethodNotAllowed);
    }
    if let Some(edge) = extensions.get::<Edge>() {
        edge.record.ended(Ending::Ok, None);
    }
    // The server sends no body in answer to HEAD, but says how long it would be.
    let mut response = Response::new(Body::from(document.clone()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, CACHE);
    response
}
