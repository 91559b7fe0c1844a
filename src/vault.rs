//! Upstream credentials: sealed in the store, open only in memory and only for a proven caller.
//!
//! Refuses to start under a wrong master key, and to open what was sealed for another place.

mod data_keys;
mod emergency;
mod error;
mod grant;
mod inventory;
mod late;
mod long_work;
mod once;
mod open;
mod roots;
mod rotate;
mod stop;
mod verify;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;

use self::{data_keys::KeptKey, open::Place};
pub use self::{
    emergency::{Disconnected, Emergency},
    error::VaultError,
    grant::{GrantTokens, Held, Issuer, Material},
    inventory::{Canary, Inventory, MasterKeyUse, inventory},
    long_work::{Fault, Faults, Progress, Step, Watch},
    once::{AnswerKey, AnswerPlace},
    roots::Rewrapped,
    rotate::Rotated,
    verify::Verified,
    write::{GrantChange, NewGrant},
};
use crate::{
    auth::Principal,
    clock::SharedClock,
    crypto::{
        CursorKey, FormKey, HandleKey, LimitKey, LogKey, MasterKeyId, OnceKey, Pepper, SuccessorKey,
    },
    entropy::SharedEntropy,
    ids::{CredentialId, DataKeyId},
    kms::Keyring,
    names::UpstreamName,
    store::{Looks, Store, Tenant},
    upstream::OpenedCredential,
};

/// How many answers are in memory: opened credentials, and that a license has none of its own.
const REMEMBERED: usize = 32_768;

/// How many data keys are.
const KEYS_KEPT: usize = 10_000;

/// How long a caller waits for one that is not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says that the operator, at the command line, asks for a credential without a caller.
#[derive(Debug, Clone, Copy)]
pub struct OperatorAct(());

impl OperatorAct {
    /// Only the command line may say this.
    pub const fn at_command_line() -> Self {
        Self(())
    }
}

/// Keeps and opens upstream credentials.
pub struct Vault {
    store: Store,
    keyring: Keyring,
    clock: SharedClock,
    entropy: SharedEntropy,
    pepper: Pepper,
    log_key: LogKey,
    cursor_key: CursorKey,
    limit_key: LimitKey,
    once_key: OnceKey,
    successor_key: SuccessorKey,
    form_key: FormKey,
    handle_key: HandleKey,
    opened: Cache<Place, Remembered>,
    keys: Cache<DataKeyId, Arc<KeptKey>>,
    /// Rises when everything is forgotten: what was being read meanwhile is filed under the old
    /// number and never found.
    era: AtomicU64,
    /// The highest generation seen of each credential, so that an older one is noticed.
    generations: Cache<CredentialId, u64>,
    /// Has the operator stopped all opening? See [`stop`].
    stop: AtomicU64,
    /// Who asks the store whether it is so, in which era.
    asking: Looks<u64, Result<u64, VaultError>>,
}

/// What one tenant has for one upstream; nothing is an answer too.
#[derive(Clone)]
struct Remembered {
    held: Arc<[Arc<Held>]>,
    since: Duration,
}

impl Vault {
    /// Opens the root secrets, or makes them in an empty store, and checks every master key. Writes
    /// nothing when one is wrong.
    pub async fn bootstrap(
        store: Store,
        keyring: Keyring,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Result<Self, VaultError> {
        let root = roots::open_or_make(&store, &keyring, &*clock, &*entropy).await?;
        Ok(Self {
            pepper: root.pepper(),
            log_key: root.log_key(),
            cursor_key: root.cursor_key(),
            limit_key: root.limit_key(),
            once_key: root.once_key(),
            successor_key: root.successor_key(),
            form_key: root.form_key(),
            handle_key: root.handle_key(),
            opened: Cache::new(REMEMBERED),
            keys: Cache::new(KEYS_KEPT),
            era: AtomicU64::new(0),
            generations: Cache::new(REMEMBERED),
            stop: AtomicU64::new(stop::UNKNOWN),
            asking: Looks::default(),
            store,
            keyring,
            clock,
            entropy,
        })
    }

    /// The master key that wraps.
    pub fn active_master_key(&self) -> &MasterKeyId {
        self.keyring.active()
    }

    /// Did a key service not do its work when it was last asked?
    pub fn key_service_is_failing(&self) -> bool {
        self.keyring.is_failing()
    }

    /// Keys token digests.
    pub const fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// Keys log references.
    pub const fn log_key(&self) -> &LogKey {
        &self.log_key
    }

    /// Keys the names of shared limits.
    pub const fn limit_key(&self) -> &LimitKey {
        &self.limit_key
    }

    /// Keys what is known of calls that must not run twice.
    pub const fn once_key(&self) -> &OnceKey {
        &self.once_key
    }

    /// Keys pagination cursors.
    pub const fn cursor_key(&self) -> &CursorKey {
        &self.cursor_key
    }

    /// Derives the successors of refresh tokens.
    pub const fn successor_key(&self) -> &SuccessorKey {
        &self.successor_key
    }

    /// Keys what our own pages carry.
    pub const fn form_key(&self) -> &FormKey {
        &self.form_key
    }

    /// Seals what we hand out and want back.
    pub const fn handle_key(&self) -> &HandleKey {
        &self.handle_key
    }

    /// Forgets every opened credential; the next caller reads it again. For a risen
    /// [`Store::epoch`].
    pub fn forget(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
        self.opened.clear();
    }

    /// The static credential with which this caller's request goes upstream: the license's own,
    /// else the operator's. One that stands in the configuration never comes here.
    pub async fn open(
        &self,
        caller: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<OpenedCredential>, VaultError> {
        let own = Tenant::License(caller.license_id());
        self.open_first(&[own, Tenant::Operator], upstream).await
    }

    /// The credential of the operator's own call.
    pub async fn operator_open(
        &self,
        _: OperatorAct,
        upstream: &UpstreamName,
    ) -> Result<Arc<OpenedCredential>, VaultError> {
        self.open_first(&[Tenant::Operator], upstream).await
    }

    /// Everything this caller's license has for an upstream, by label; from memory when it is known.
    pub async fn held(
        &self,
        caller: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        self.remembered(Tenant::License(caller.license_id()), upstream)
            .await
    }

    /// The same, whatever is remembered.
    pub async fn held_anew(
        &self,
        caller: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        self.read_again(Tenant::License(caller.license_id()), upstream)
            .await
    }

    /// The operator's, which every caller may use; from memory when it is known.
    pub async fn held_by_operator(
        &self,
        _: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        self.remembered(Tenant::Operator, upstream).await
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("active", self.keyring.active())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
