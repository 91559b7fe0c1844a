//! Where the secret of a request comes from.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{OpenedCredential, credential::mint::Mint};
use crate::{
    config::{CredentialConfig, credential::AccountConfig},
    egress::EgressClient,
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
    /// A token endpoint, which sells tokens for a secret that never goes to the API.
    Minted(Arc<Minted>),
    /// An account that each license connects for itself.
    Account(Arc<Account>),
}

/// What buying tokens takes.
pub struct Minted {
    /// What is asked.
    pub mint: Arc<dyn Mint>,
    /// What it is asked with, when it stands in the configuration; none: the credential store.
    pub configured: Option<Arc<OpenedCredential>>,
    /// The way to the token endpoint and nowhere else.
    pub egress: EgressClient,
    /// Of everything the configuration says about it: tokens bought for another are not used.
    pub fingerprint: [u8; 32],
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
        mint: Option<(Arc<dyn Mint>, EgressClient)>,
    ) -> Self {
        if let (Some(config), Some((mint, egress))) = (config, mint) {
            return Self::Minted(Arc::new(Minted {
                mint,
                fingerprint: fingerprint(config, configured.as_deref()),
                configured,
                egress,
            }));
        }
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
            Self::None | Self::Configured(_) | Self::Stored | Self::Minted(_) => None,
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

/// The configuration's types hold references to secrets, never secrets; so their `Debug` text may be
/// digested.
fn fingerprint(config: &CredentialConfig, configured: Option<&OpenedCredential>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(format!("{config:?}"));
    if let Some(configured) = configured {
        digest.update(configured.secret.expose());
    }
    digest.finalize().into()
}
