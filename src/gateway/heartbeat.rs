//! This replica in the table of replicas: written every few seconds, taken away at the end. On the
//! way it compares clocks and learns how many replicas there are.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::{
    clock::{SharedClock, Timestamp},
    ids::ReplicaId,
    limit::Replicas,
    store::{ReplicaRecord, Store},
    telemetry::{
        health::{Component, State},
        metrics::Metrics,
    },
};

/// Clocks that are further apart than this many milliseconds judge nothing together: the day of a
/// count, the end of a license.
const MOST_SKEW_MS: i64 = 60_000;

/// How often a replica says that it lives.
const PERIOD: Duration = Duration::from_secs(5);

/// How reading the configuration again went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// It is served; the digest of its files, in hexadecimal.
    Taken(String),
    /// The one before is served on; why, without a value of the files.
    Refused(String),
}

/// What this replica says of itself.
pub(super) struct Heartbeat {
    pub(super) id: ReplicaId,
    store: Store,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    record: Mutex<ReplicaRecord>,
    known: Replicas,
    /// There is something to say before the next beat is due.
    news: Notify,
}

impl Heartbeat {
    /// Nothing is written yet. `reloaded`: requests to reload that were made before it started.
    pub(super) fn new(
        id: ReplicaId,
        store: Store,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        reloaded: u64,
        known: Replicas,
    ) -> Self {
        let now = clock.now();
        let record = ReplicaRecord {
            id,
            started: now,
            seen: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: String::new(),
            reloaded,
            fault: None,
        };
        Self {
            id,
            store,
            clock,
            metrics,
            record: Mutex::new(record),
            known,
            news: Notify::new(),
        }
    }

    /// Compares clocks and writes the row. What fails is tried again at the next beat.
    async fn beat(&self) {
        let before = self.clock.now();
        let Ok(theirs) = self.store.server_time().await else {
            // The watcher says that the store is away.
            return;
        };
        let health = &self.metrics.health;
        let ours = middle(before, self.clock.now());
        if let Some(theirs) = theirs {
            let skew = theirs.as_millis().saturating_sub(ours.as_millis());
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge; beyond 2^53 ms nobody minds the last"
            )]
            self.metrics.clock_skew.set(skew as f64 / 1_000.0);
            let state = if skew.saturating_abs() > MOST_SKEW_MS {
                State::Lost
            } else {
                State::Ok
            };
            health.tell(Component::Clock, state, ours);
        }
        let record = {
            let mut record = self.record();
            record.seen = theirs.unwrap_or(ours);
            record.clone()
        };
        match self.store.heartbeat(&record).await {
            Ok(known) => {
                health.tell(Component::StoreWrites, State::Ok, ours);
                self.metrics.replicas.set(i64::from(known));
                self.known.set(known);
            }
            Err(error) => {
                tracing::debug!(%error, "replica.not_written");
                health.tell(Component::StoreWrites, State::Degraded, ours);
                // The others are there nevertheless, and this one with them.
                if let Ok(known) = self.store.living_replicas(record.seen).await {
                    self.known.set(known);
                }
            }
        }
    }

    fn record(&self) -> MutexGuard<'_, ReplicaRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn middle(a: Timestamp, b: Timestamp) -> Timestamp {
    Timestamp::from_millis(a.as_millis().midpoint(b.as_millis()))
}

impl Gateway {
    /// This replica's id.
    pub const fn replica(&self) -> ReplicaId {
        self.heartbeat.id
    }

    /// Compares clocks and writes that this replica lives, once.
    pub async fn beat(&self) {
        self.heartbeat.beat().await;
    }

    /// The same every five seconds, and at once when there is news, until told to stop.
    pub async fn live(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.heartbeat.news.notified() => {}
            }
            self.beat().await;
        }
    }

    /// The configuration was read: at the start, or again; `asked` is the number of the request that
    /// this answers, if it was one. [`Gateway::live`] writes it.
    pub fn note_read(&self, read: Read, asked: Option<u64>) {
        let mut record = self.heartbeat.record();
        match read {
            Read::Taken(digest) => {
                record.config = digest;
                record.fault = None;
            }
            Read::Refused(fault) => record.fault = Some(fault),
        }
        if let Some(number) = asked {
            record.reloaded = number;
        }
        self.heartbeat.news.notify_one();
    }

    /// Takes this replica's row away.
    pub(super) async fn sign_off(&self) {
        if let Err(error) = self.store.remove_replica(self.heartbeat.id).await {
            tracing::debug!(%error, "replica.not_removed");
        }
    }
}
