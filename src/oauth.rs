//! The authorization server: the way from a license key to a session (OAuth 2.1, RFC 6749).
//!
//! Knows no HTTP. Every refusal is an [`OAuthError`], and our own faults are never one that makes a
//! client throw its registration or tokens away.

pub mod clients;
pub mod error;
pub mod form;
pub mod redirect;
pub mod settings;

pub use self::{
    clients::{Client, ClientFault, Clients},
    error::OAuthError,
    form::Form,
    settings::{PlanSessions, Settings},
};
