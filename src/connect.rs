//! The credential of a call: found, kept fresh, and connected by the person whose account it is.
//!
//! Gives one only to a proven caller, and only that caller's license's own or the operator's.

mod account;
mod accounts;
mod age;
mod ask;
pub mod consent;
mod disowned;
mod flights;
mod grants;
pub mod link;
pub mod minted;
pub mod need;
mod refresh;
mod revocations;
pub mod sites;
mod token_endpoint;
pub mod uses;
pub mod waiting;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

use self::{account::Wanted, flights::Flights, minted::Purse, refresh::Refresher};
pub use self::{
    ask::AskFault,
    consent::{Came, ConsentError, Finished, Wish},
    link::Link,
    minted::buy_once,
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
    store::Store,
    telemetry::metrics::Metrics,
    upstream::{BoundTool, OpenedCredential, Source},
    vault::Vault,
};

/// How long renewals that are under way are waited for at the end.
const CLOSING: Duration = Duration::from_secs(15);

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
    /// Counts what is given up.
    pub metrics: Arc<Metrics>,
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
    refresher: Arc<Refresher>,
    purse: Purse,
}

impl Connections {
    /// From its parts. Sends nothing.
    pub fn new(parts: ConnectParts) -> Self {
        let refresher = Arc::new(Refresher {
            vault: Arc::clone(&parts.vault),
            clock: Arc::clone(&parts.clock),
            entropy: Arc::clone(&parts.entropy),
            replica: parts.replica,
            metrics: parts.metrics,
            flights: Flights::default(),
            tasks: TaskTracker::new(),
        });
        Self {
            refresher,
            store: parts.store,
            vault: parts.vault,
            clock: parts.clock,
            entropy: parts.entropy,
            origin: parts.origin,
            sites: ArcSwap::from_pointee(parts.sites),
            uses: Uses::default(),
            purse: Purse::new(),
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
        let source = &tool.site.source;
        // Works also while all opening is stopped.
        if !matches!(source, Source::None) {
            self.vault.check_open().await?;
        }
        match source {
            Source::None => Ok(None),
            Source::Configured(credential) => Ok(Some(Arc::clone(credential))),
            Source::Stored => Ok(Some(self.vault.open(caller, &tool.site.name).await?)),
            Source::Minted(minted) => {
                let bought = self
                    .bought(caller, tool, minted, minted::Wanted::Any)
                    .await?;
                Ok(Some(bought))
            }
            Source::Account(_) => {
                let wanted = Wanted {
                    caller,
                    tool,
                    chosen,
                };
                self.account(&wanted).await.map(Some)
            }
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
        if let Source::Minted(minted) = &tool.site.source {
            self.vault.check_open().await?;
            let wanted = minted::Wanted::NewerThan(refused.generation);
            return self.bought(caller, tool, minted, wanted).await.map(Some);
        }
        if let Source::Account(_) = &tool.site.source {
            let wanted = Wanted {
                caller,
                tool,
                chosen,
            };
            return self.newer_account(&wanted, refused).await;
        }
        let found = self.obtain(caller, tool, chosen).await?;
        Ok(found.filter(|found| found.generation > refused.generation))
    }

    /// Waits for renewals that are under way: what a provider gave must be stored. Begins no end of
    /// them by itself.
    pub async fn close(&self) {
        self.refresher.tasks.close();
        let done = self.refresher.tasks.wait();
        if tokio::time::timeout(CLOSING, done).await.is_err() {
            tracing::warn!("connections.closed_early");
        }
    }
}
