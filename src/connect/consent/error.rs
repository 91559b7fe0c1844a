//! Why an account was not connected, and what its owner is told.

use crate::{connect::token_endpoint::TokenError, store::StoreError, vault::VaultError};

/// Why an account was not connected. `Display` is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// No accounts are connected for this upstream.
    #[error("no accounts are connected for this upstream")]
    UnknownUpstream,
    /// More than may ever be asked for.
    #[error("a scope beyond the configured ones")]
    BeyondCeiling,
    /// A label where a license connects one account.
    #[error("a label where there is one account")]
    OneAccount,
    /// A license has as many accounts there as it may.
    #[error("too many accounts")]
    TooManyAccounts,
    /// `state` is missing, unknown, spent, over, or another license's (C-01).
    #[error("state is unknown")]
    State,
    /// Another browser was sent (C-01).
    #[error("another browser came back")]
    OtherBrowser,
    /// It was sent for another upstream (C-02).
    #[error("it came back for another upstream")]
    OtherUpstream,
    /// Somebody else than the provider answers (C-03).
    #[error("another issuer answers")]
    Issuer,
    /// The person said no.
    #[error("access was denied")]
    Denied,
    /// The provider reported an error.
    #[error("the provider reported an error")]
    ProviderError,
    /// Neither a code nor an error.
    #[error("no code")]
    NoCode,
    /// The provider did not give tokens.
    #[error("{0}")]
    Tokens(#[from] TokenError),
    /// The vault did not take them.
    #[error("{0}")]
    Vault(#[from] VaultError),
}

impl From<StoreError> for ConsentError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl ConsentError {
    /// What the person is told: constant, without a byte of what came.
    pub const fn public(&self) -> &'static str {
        match self {
            Self::UnknownUpstream => "There is no account to connect here.",
            Self::BeyondCeiling => {
                "More access was asked for than this service may have. Ask whoever runs it."
            }
            Self::OneAccount => "Only one account can be connected here.",
            Self::TooManyAccounts => {
                "No more accounts can be connected here. Disconnect one you no longer need."
            }
            Self::State
            | Self::OtherBrowser
            | Self::OtherUpstream
            | Self::Issuer
            | Self::NoCode => {
                "This answer does not belong to a connection you began here, or it came too late. \
                 Nothing was connected. Start again."
            }
            Self::Denied => "You did not allow access. Nothing was connected.",
            Self::ProviderError => "The provider reported an error. Nothing was connected.",
            Self::Tokens(TokenError::Refused) => {
                "The provider did not accept the answer it gave. Nothing was connected. Start again."
            }
            Self::Tokens(TokenError::ClientRefused) => {
                "The provider does not accept this service at the moment. Nothing was connected. Ask \
                 whoever runs it."
            }
            Self::Tokens(TokenError::Unavailable(_)) => {
                "The provider does not answer at the moment. Nothing was connected. Try again later."
            }
            Self::Vault(VaultError::Sealed) => {
                "This service is closed by its operator at the moment."
            }
            Self::Vault(_) => "Accounts cannot be connected at the moment. Try again later.",
        }
    }
}
