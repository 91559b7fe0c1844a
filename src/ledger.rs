//! A license's calls of a UTC day: exact at the limit, without a statement per call.
//!
//! Calls are leased from the database in blocks. What a process that crashed had leased and not
//! spent stays counted as spent: the limit is never exceeded, at worst reached a little early.

mod entry;
mod refill;
mod reservation;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use futures_util::{StreamExt, stream};
use tokio::{sync::watch, time::Instant};
use tokio_util::task::TaskTracker;

pub use self::reservation::Reservation;
use self::{
    entry::{Entry, Lease, Moment, Step},
    refill::{Progress, Refill},
};
use crate::{
    clock::{Day, SharedClock},
    entropy::SharedEntropy,
    ids::{LicenseId, ReplicaId},
    quota::{Exhausted, Tier},
    store::Store,
};

/// How long a caller waits for a block.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a license may be quiet before its block is given back.
const IDLE: Duration = Duration::from_mins(5);
/// How long giving everything back at the end may take.
const CLOSING: Duration = Duration::from_secs(10);
/// How many blocks are given back at a time.
const CLOSING_AT_ONCE: usize = 8;

/// Why no call was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The day's calls are spent.
    #[error("the day's calls are spent")]
    Exhausted(Exhausted),
    /// The database did not say, or this process is stopping. Nothing was reserved.
    #[error("the day's count is unavailable")]
    Unavailable,
}

/// What became of the blocks of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Leases that were closed.
    pub leases: u64,
    /// Unspent calls that are free again.
    pub calls: u64,
    /// Leases that could not be closed; their unspent calls stay counted as spent.
    pub failed: u64,
}

/// Counts the calls of every license's day.
pub struct Ledger {
    shared: Arc<Shared>,
}

/// What refills need beyond the ledger's own life.
struct Shared {
    store: Store,
    clock: SharedClock,
    entropy: SharedEntropy,
    replica: ReplicaId,
    entries: DashMap<LicenseId, Arc<Entry>>,
    tasks: TaskTracker,
    closed: AtomicBool,
}

impl Ledger {
    /// Counts in `store`, in the name of `replica`.
    pub fn new(
        store: Store,
        clock: SharedClock,
        entropy: SharedEntropy,
        replica: ReplicaId,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                clock,
                entropy,
                replica,
                entries: DashMap::new(),
                tasks: TaskTracker::new(),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Takes one call of today. It counts as spent unless it is refunded.
    ///
    /// Usually asks nobody; else waits at most two seconds for the database. A caller that stops
    /// waiting loses nothing: the block arrives without it.
    pub async fn reserve(
        &self,
        license: LicenseId,
        limit: u32,
    ) -> Result<Reservation, LedgerError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let entry = self.shared.entry(license);
            // After the look-up: `close` sets this first and visits the entries then.
            if self.shared.closed.load(Ordering::SeqCst) {
                return Err(LedgerError::Unavailable);
            }
            let now = self.shared.clock.now();
            let moment = Moment {
                today: now.day(),
                monotonic: self.shared.clock.monotonic(),
            };
            let progress = match entry.step(license, limit, moment, &self.shared) {
                Step::Granted(reservation) => return Ok(reservation),
                Step::Exhausted => {
                    return Err(LedgerError::Exhausted(Exhausted {
                        tier: Tier::LicenseDay,
                        retry_after: now.until_next_day(),
                    }));
                }
                Step::Retired => continue,
                Step::Wait(progress) => progress,
                Step::Refill(refill, progress) => {
                    self.spawn(refill);
                    progress
                }
            };
            wait(progress, deadline).await?;
        }
    }

    fn spawn(&self, refill: Refill) {
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(refill.run(shared));
    }

    /// Gives back the blocks of quiet licenses and of past days, and forgets quiet licenses.
    ///
    /// To be called about once a minute.
    pub async fn sweep(&self) -> GivenBack {
        let now = self.shared.clock.monotonic();
        let today = self.shared.clock.now().day();
        let licenses: Vec<LicenseId> = self.shared.entries.iter().map(|e| *e.key()).collect();
        let mut leases = Vec::new();
        for license in licenses {
            let idle = |_: &LicenseId, entry: &Arc<Entry>| entry.retire_if_idle(now, IDLE);
            if let Some((_, entry)) = self.shared.entries.remove_if(&license, idle) {
                leases.extend(entry.take());
            } else if let Some(entry) = self.shared.entries.get(&license) {
                leases.extend(entry.take_past(today));
            }
        }
        self.shared.give_back(leases).await
    }

    /// Reserves no more and gives every block back. Calls still under way count as spent.
    pub async fn close(&self) -> GivenBack {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.tasks.close();
        // A refill that takes longer loses its block: it stays counted as spent.
        drop(tokio::time::timeout(PATIENCE, self.shared.tasks.wait()).await);
        let entries: Vec<_> = self
            .shared
            .entries
            .iter()
            .map(|e| Arc::clone(e.value()))
            .collect();
        let leases = entries.iter().filter_map(|entry| entry.retire()).collect();
        self.shared.entries.clear();
        self.shared.give_back(leases).await
    }

    /// Calls of a day that this process holds in reserve for a license. The store counts them as
    /// used; whoever shows people what they used takes them off.
    pub fn held(&self, license: LicenseId, day: Day) -> u64 {
        let entry = self.shared.entries.get(&license);
        entry.map_or(0, |entry| entry.held(day))
    }

    /// How many licenses are in memory.
    pub fn remembered(&self) -> usize {
        self.shared.entries.len()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("remembered", &self.remembered())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn entry(&self, license: LicenseId) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(&license) {
            return Arc::clone(&entry);
        }
        Arc::clone(&self.entries.entry(license).or_default())
    }

    async fn give_back(&self, leases: Vec<Lease>) -> GivenBack {
        let deadline = Instant::now() + CLOSING;
        let closing = leases.into_iter().map(|lease| async move {
            let closed = self
                .store
                .close_lease(lease.id, lease.unspent, self.clock.now());
            (
                lease.unspent,
                tokio::time::timeout_at(deadline, closed).await,
            )
        });
        let results: Vec<_> = stream::iter(closing)
            .buffer_unordered(CLOSING_AT_ONCE)
            .collect()
            .await;
        let mut report = GivenBack::default();
        for (unspent, result) in results {
            match result {
                Ok(Ok(_)) => {
                    report.leases += 1;
                    report.calls += u64::from(unspent);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a block of calls could not be given back");
                    report.failed += 1;
                }
                Err(_) => report.failed += 1,
            }
        }
        report
    }
}

async fn wait(
    mut progress: watch::Receiver<Progress>,
    deadline: Instant,
) -> Result<(), LedgerError> {
    let done = progress.wait_for(|p| *p != Progress::UnderWay);
    match tokio::time::timeout_at(deadline, done).await {
        Ok(Ok(progress)) if *progress == Progress::Done => Ok(()),
        _ => Err(LedgerError::Unavailable),
    }
}
