//! Where the secret of a request comes from.

use std::sync::Arc;

use super::OpenedCredential;
use crate::{
    config::{CredentialConfig, credential::AccountConfig},
    names::{ProviderName, ScopeName},
};

/// Where the secret of a request comes from.
pub enum Source {
    /// Nowhere: the upstream wants none.
    None,
    /// The configuration. It stays with the site's address: a reload that changes both never sends
    /// the new secret to the old place.
    Configured(Arc<OpenedCredential>),
    /// The credential store: the license's own, else the operator's.
    Stored,
    /// An account that each license connects for itself.
    Account(Arc<Account>),
}

/// What an upstream with connected accounts needs to know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose accounts.
    pub provider: ProviderName,
    /// The widest that may ever be asked for.
    pub most: Vec<ScopeName>,
    /// The argument by which a call chooses one; none: a license connects one.
    pub choose_by: Option<String>,
}

impl Source {
    /// From the configuration of a credential and the secret that stands in it.
    pub fn of(
        config: Option<&CredentialConfig>,
        configured: Option<Arc<OpenedCredential>>,
    ) -> Self {
        match (config, configured) {
            (None, _) => Self::None,
            (
                Some(CredentialConfig {
                    account: Some(account),
                    ..
                }),
                _,
            ) => Self::Account(Arc::new(Account::of(account))),
            (Some(_), Some(configured)) => Self::Configured(configured),
            (Some(_), None) => Self::Stored,
        }
    }

    /// The argument by which a call chooses an account.
    pub fn chosen_by(&self) -> Option<&str> {
        match self {
            Self::Account(account) => account.choose_by.as_deref(),
            Self::None | Self::Configured(_) | Self::Stored => None,
        }
    }
}

impl Account {
    /// From the configuration.
    pub fn of(config: &AccountConfig) -> Self {
        Self {
            provider: config.provider.clone(),
            most: config.scopes.clone(),
            choose_by: config.choose_by.clone(),
        }
    }
}
