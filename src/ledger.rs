//! A license's calls of a UTC day and month, and what they cost: exact at the limit, without a
//! statement per call. And what each license did with each tool, for the invoice.
//!
//! Units are leased from the database in blocks. What a process that crashed had leased and not
//! spent stays counted as spent: the limit is never exceeded, at worst reached a little early.

mod entry;
mod refill;
mod reservation;
mod usage;

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

use self::{
    entry::{Entry, Key, Lease, Moment, Step, Want},
    refill::{Progress, Refill},
    reservation::{Collecting, Hold},
};
pub use self::{
    reservation::Reservation,
    usage::{Happened, UsageLog},
};
use crate::{
    clock::SharedClock,
    entropy::SharedEntropy,
    ids::{LicenseId, ReplicaId},
    license::Allowance,
    quota::{Exhausted, Meter, Window},
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
    /// A window has less than the call takes.
    #[error("{} is used up", .0.tier.as_str())]
    Exhausted(Exhausted),
    /// The database did not say, or this process is stopping. Nothing was reserved.
    #[error("the license's count is unavailable")]
    Unavailable,
}

/// What became of the blocks of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Leases that were closed.
    pub leases: u64,
    /// Unspent units that are free again: calls of days and months, and cost.
    pub units: u64,
    /// Leases that could not be closed; their unspent units stay counted as spent.
    pub failed: u64,
}

/// Counts what every license's calls take.
pub struct Ledger {
    shared: Arc<Shared>,
}

/// What refills need beyond the ledger's own life.
struct Shared {
    store: Store,
    clock: SharedClock,
    entropy: SharedEntropy,
    replica: ReplicaId,
    entries: DashMap<Key, Arc<Entry>>,
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

    /// Takes one call from every window that the license is limited by, and `cost` units from its
    /// budget: all of it or nothing. It counts as spent unless it is refunded.
    pub async fn reserve(
        &self,
        license: LicenseId,
        allowance: &Allowance,
        cost: u32,
    ) -> Result<Reservation, LedgerError> {
        let deadline = Instant::now() + PATIENCE;
        let mut call = Collecting::nothing();
        for meter in Meter::ALL {
            let amount = match meter {
                Meter::CallsDay | Meter::CallsMonth => 1,
                Meter::CostDay => cost,
            };
            let Some(limit) = allowance.of_meter(meter).filter(|_| amount > 0) else {
                continue;
            };
            let key = Key { license, meter };
            let want = Want { key, limit, amount };
            call.add(meter, self.take(&want, deadline).await?);
        }
        Ok(call.complete())
    }

    async fn take(&self, want: &Want, deadline: Instant) -> Result<Hold, LedgerError> {
        let meter = want.key.meter;
        loop {
            let entry = self.shared.entry(want.key);
            // After the look-up: `close` sets this first and visits the entries then.
            if self.shared.closed.load(Ordering::SeqCst) {
                return Err(LedgerError::Unavailable);
            }
            let now = self.shared.clock.now();
            let moment = Moment {
                window: meter.window(now),
                monotonic: self.shared.clock.monotonic(),
            };
            let progress = match entry.step(want, moment, &self.shared) {
                Step::Granted(hold) => return Ok(hold),
                Step::Exhausted => {
                    return Err(LedgerError::Exhausted(Exhausted {
                        tier: meter.tier(),
                        retry_after: meter.until_next(now),
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

    /// Gives back the blocks of quiet licenses and of past windows, and forgets quiet licenses.
    ///
    /// To be called about once a minute.
    pub async fn sweep(&self) -> GivenBack {
        let now = self.shared.clock.monotonic();
        let today = self.shared.clock.now();
        let keys: Vec<Key> = self.shared.entries.iter().map(|e| *e.key()).collect();
        let mut leases = Vec::new();
        for key in keys {
            let idle = |_: &Key, entry: &Arc<Entry>| entry.retire_if_idle(now, IDLE);
            if let Some((_, entry)) = self.shared.entries.remove_if(&key, idle) {
                leases.extend(entry.take());
            } else if let Some(entry) = self.shared.entries.get(&key) {
                leases.extend(entry.take_past(key.meter.window(today)));
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

    /// Units of a window that this process holds in reserve for a license. The store counts them as
    /// used; whoever shows people what they used takes them off.
    pub fn held(&self, license: LicenseId, meter: Meter, window: Window) -> u64 {
        let entry = self.shared.entries.get(&Key { license, meter });
        entry.map_or(0, |entry| entry.held(window))
    }

    /// How many counts of licenses are in memory.
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
    fn entry(&self, key: Key) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(&key) {
            return Arc::clone(&entry);
        }
        Arc::clone(&self.entries.entry(key).or_default())
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
                    report.units += u64::from(unspent);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a block of units could not be given back");
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
