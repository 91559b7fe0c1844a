//! The credential of a call: found, kept fresh, and connected by the person whose account it is.
//!
//! Gives one only to a proven caller, and only that caller's license's own or the operator's.

mod accounts;
mod ask;
pub mod consent;
pub mod link;
pub mod need;
pub mod sites;
mod token_endpoint;
pub mod uses;
pub mod waiting;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use self::{
    ask::AskFault,
    consent::{Came, ConsentError, Finished, Wish},
    link::Link,
    need::{ConnectionNeeded, ObtainError, Reason},
    sites::{AccountSite, AccountSites, SiteFault},
    token_endpoint::TokenError,
    uses::Uses,
    waiting::StateFault,
};
use crate::{
    auth::Principal,
    clock::SharedClock,
    crypto::HandleKey,
    entropy::SharedEntropy,
    ids::ReplicaId,
    names::Label,
    store::{CredentialState, Store},
    upstream::{Account, BoundTool, OpenedCredential, Source},
    vault::{Held, Material, Vault},
};

/// What connections are made of.
pub struct ConnectParts {
    /// Where consents that were begun are.
    pub store: Store,
    /// Keeps and opens.
    pub vault: Arc<Vault>,
    /// Judges expiry.
    pub clock: SharedClock,
    /// Makes handles and states.
    pub entropy: SharedEntropy,
    /// Who we are among those who may renew the same grant.
    pub replica: ReplicaId,
    /// Where our own pages are: `https://mcp.example.com`.
    pub origin: String,
    /// The upstreams whose accounts are connected.
    pub sites: AccountSites,
}

/// Finds the credential of a call.
pub struct Connections {
    store: Store,
    vault: Arc<Vault>,
    clock: SharedClock,
    entropy: SharedEntropy,
    origin: String,
    sites: ArcSwap<AccountSites>,
    uses: Uses,
}

impl Connections {
    /// From its parts. Sends nothing.
    pub fn new(parts: ConnectParts) -> Self {
        Self {
            store: parts.store,
            vault: parts.vault,
            clock: parts.clock,
            entropy: parts.entropy,
            origin: parts.origin,
            sites: ArcSwap::from_pointee(parts.sites),
            uses: Uses::default(),
        }
    }

    /// Serves other upstreams from now on, after a reload.
    pub fn replace(&self, sites: AccountSites) {
        self.sites.store(Arc::new(sites));
    }

    /// The upstreams whose accounts are connected.
    pub fn sites(&self) -> Arc<AccountSites> {
        self.sites.load_full()
    }

    /// Which scopes calls need.
    pub const fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Seals and opens links.
    pub(crate) fn handle_key(&self) -> &HandleKey {
        self.vault.handle_key()
    }

    /// The credential for a call of this tool by this caller; none where its upstream wants none.
    /// In memory unless something changed or a token is to be renewed.
    pub async fn obtain(
        &self,
        caller: &Principal,
        tool: &BoundTool,
        chosen: Option<&Label>,
    ) -> Result<Option<Arc<OpenedCredential>>, ObtainError> {
        self.vault.check_open().await?;
        match &tool.site.source {
            Source::None => Ok(None),
            Source::Configured(credential) => Ok(Some(Arc::clone(credential))),
            Source::Stored => Ok(Some(self.vault.open(caller, &tool.site.name).await?)),
            Source::Minted(_) => Err(ObtainError::ProviderUnavailable),
            Source::Account(account) => self.account(caller, tool, account, chosen).await.map(Some),
        }
    }

    /// A newer credential than the one that the upstream refused with 401; none where there is
    /// none to be had.
    pub async fn renew(
        &self,
        caller: &Principal,
        tool: &BoundTool,
        chosen: Option<&Label>,
        refused: &OpenedCredential,
    ) -> Result<Option<Arc<OpenedCredential>>, ObtainError> {
        let found = self.obtain(caller, tool, chosen).await?;
        Ok(found.filter(|found| found.generation > refused.generation))
    }

    async fn account(
        &self,
        caller: &Principal,
        tool: &BoundTool,
        account: &Account,
        chosen: Option<&Label>,
    ) -> Result<Arc<OpenedCredential>, ObtainError> {
        let all = self.vault.held(caller, &tool.site.name).await?;
        let needed = |reason, label: Option<&Label>| {
            let link = self.link(caller.license_id(), tool, label);
            ObtainError::Connect(Box::new(ConnectionNeeded {
                upstream: tool.site.name.clone(),
                title: tool.site.title.clone(),
                reason,
                link,
            }))
        };
        let held = match pick(&all, chosen) {
            Picked::One(held) => held,
            Picked::None => return Err(needed(Reason::NotConnected, chosen)),
            Picked::Several(labels) => return Err(ObtainError::Ambiguous(labels)),
        };
        let label = Some(&held.info.label);
        if held.info.state == CredentialState::NeedsReconnect {
            return Err(needed(Reason::Ended, label));
        }
        let granted = &held.info.scopes;
        if !tool.scopes.iter().all(|scope| granted.contains(scope)) {
            return Err(needed(Reason::MoreScopes, label));
        }
        let _ = account;
        match &held.material {
            Material::Grant(tokens) => match &tokens.access {
                Some(access) => Ok(Arc::clone(access)),
                None => Err(needed(Reason::Ended, label)),
            },
            Material::Static(_) => Err(needed(Reason::NotConnected, label)),
        }
    }
}

enum Picked<'a> {
    One(&'a Arc<Held>),
    None,
    Several(Vec<Label>),
}

/// The one that is named, else the only one.
fn pick<'a>(all: &'a [Arc<Held>], chosen: Option<&Label>) -> Picked<'a> {
    match (chosen, all) {
        (Some(label), _) => all
            .iter()
            .find(|held| held.info.label == *label)
            .map_or(Picked::None, Picked::One),
        (None, []) => Picked::None,
        (None, [only]) => Picked::One(only),
        (None, several) => {
            Picked::Several(several.iter().map(|held| held.info.label.clone()).collect())
        }
    }
}
