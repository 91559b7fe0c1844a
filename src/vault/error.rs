//! Why the vault did not give or take a credential. No variant holds a secret.

use crate::{kms::KmsError, store::StoreError};

/// Why the vault did not give or take a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No credential is stored for this upstream.
    #[error("no credential is stored")]
    Missing,
    /// The store cannot be asked now.
    #[error("the vault is unavailable: {0}")]
    Unavailable(#[source] StoreError),
    /// The store has another fault.
    #[error("the vault cannot use the store: {0}")]
    Store(#[source] StoreError),
    /// The key of this name is not the one that sealed the store.
    #[error("master key {key} is not the key that sealed this database")]
    WrongMasterKey {
        /// The key's name.
        key: String,
    },
    /// Something is sealed under a key that is not configured.
    #[error("this database is sealed under master key {key}, which is not configured")]
    UnknownMasterKey {
        /// The key's name.
        key: String,
    },
    /// What is stored was changed, moved or damaged.
    #[error("what is stored does not open: {0}")]
    Damaged(&'static str),
    /// The key service did not unwrap.
    #[error("the vault cannot use its master key: {0}")]
    KeyService(#[source] KmsError),
    /// The operator has stopped all opening.
    #[error("the vault is sealed by the operator")]
    Sealed,
    /// The stored credential is older than one already seen.
    #[error("the stored credential is older than one seen before")]
    RolledBack,
}

impl From<KmsError> for VaultError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::DoesNotOpen => Self::Damaged("what a master key wrapped"),
            KmsError::Unavailable(_) | KmsError::Refused(_) => Self::KeyService(error),
        }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Unavailable(_)) {
            Self::Unavailable(error)
        } else {
            Self::Store(error)
        }
    }
}
