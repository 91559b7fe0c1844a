//! The authorization server: the way from a license key to a session (OAuth 2.1, RFC 6749).
//!
//! Knows no HTTP. Every refusal is an [`OAuthError`], and our own faults are never one that makes a
//! client throw its registration or tokens away.

pub mod authorize;
pub mod clients;
pub mod error;
pub mod form;
pub mod grants;
mod patience;
pub mod redirect;
pub mod settings;

pub use self::{
    clients::{Client, ClientCredentials, ClientFault, Clients, ClientsParts, WebError},
    error::{A_WHILE, OAuthError},
    form::Form,
    grants::{Approval, Grants, GrantsParts, Redemption, Refreshal, Revoked, Room, Tokens},
    settings::{PlanSessions, Settings},
};

use std::sync::Arc;

/// The authorization server, assembled.
pub struct AuthorizationServer {
    /// What the configuration says.
    pub settings: Arc<Settings>,
    /// Who may ask.
    pub clients: Arc<Clients>,
    /// What they are given.
    pub grants: Arc<Grants>,
}
