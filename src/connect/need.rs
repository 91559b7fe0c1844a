//! Why a call has no credential, and what its caller can do about it.

use crate::{
    names::{Label, UpstreamName},
    upstream::Departure,
    vault::VaultError,
};

/// Why an account must be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is none.
    NotConnected,
    /// Its provider no longer takes what it granted.
    Ended,
    /// What was granted does not suffice for this tool.
    MoreScopes,
}

/// An account to be connected by the person whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionNeeded {
    /// For which upstream.
    pub upstream: UpstreamName,
    /// What people call it.
    pub title: String,
    /// Why.
    pub reason: Reason,
    /// Our page that leads to the provider. It proves nothing: the page asks for the license.
    pub link: String,
    /// Did the call reach its upstream before that was known?
    pub departure: Departure,
}

/// Why a call has no credential. `Display` is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObtainError {
    /// The vault did not give it.
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// The person must connect an account.
    #[error("an account must be connected: {:?}", .0.reason)]
    Connect(Box<ConnectionNeeded>),
    /// Several accounts are connected and the call names none.
    #[error("several accounts, none named")]
    Ambiguous(Vec<Label>),
    /// None of those that are connected has the label that the call names.
    #[error("no account of that label")]
    NoSuchAccount(Vec<Label>),
    /// The provider was asked three times and did not grant what the tool needs.
    #[error("the provider withholds a scope")]
    Withheld,
    /// The provider's token endpoint does not answer, and what we hold is over.
    #[error("the provider does not answer")]
    ProviderUnavailable,
    /// The provider does not take the operator's client or secret.
    #[error("the provider refuses the operator's client")]
    ClientRefused,
}
