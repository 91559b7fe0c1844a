//! What is done now and then: forget what nobody needs, write what was added up.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::Gateway;
use crate::{
    clock::Timestamp,
    store::StoreError,
    telemetry::health::{Component, State},
};

/// How often sessions and clients are looked through.
const PRUNE: Duration = Duration::from_hours(1);
/// Spent and expired codes and tokens are kept so long, since a replay is found by them.
const KEPT_TOKENS: Duration = Duration::from_hours(24);
/// Sessions are kept so long after their end, for the list.
const KEPT_SESSIONS: Duration = Duration::from_hours(30 * 24);
/// A registered client that never got a token is kept so long.
const UNUSED_CLIENT: Duration = Duration::from_hours(24);
/// A registered client without a living session is kept so long.
const IDLE_CLIENT: Duration = Duration::from_hours(90 * 24);
/// That a scope was needed is kept so long, for `scope report`.
const KEPT_SCOPE_USES: Duration = Duration::from_hours(400 * 24);

/// What licenses used is kept so long, for the invoice.
const KEPT_USAGE: Duration = Duration::from_hours(400 * 24);
/// That an addition to it was made is kept so long: nobody tries one again for longer.
const KEPT_BATCHES: Duration = Duration::from_hours(30 * 24);

/// That a block of calls was given back is kept so long: a license that calls now and then has
/// hundreds a day.
const KEPT_LEASES: Duration = Duration::from_hours(48);

/// When sessions were last looked through, in milliseconds.
pub(super) struct LastPrune(AtomicI64);

impl LastPrune {
    pub(super) const fn never() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Acquire);
        let due = now.as_millis().saturating_sub(last)
            >= i64::try_from(PRUNE.as_millis()).unwrap_or(i64::MAX);
        if due {
            self.0.store(now.as_millis(), Ordering::Release);
        }
        due
    }
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

impl Gateway {
    /// Forgets what nobody needs; to be called about once a minute.
    pub async fn sweep(&self) {
        self.limiter.sweep();
        self.ledger.sweep().await;
        let now = self.clock.now();
        if !self.last_prune.is_due(now) {
            return;
        }
        // What is old cannot be told by a clock that is wrong.
        if self.metrics.health.of(Component::Clock) == Some(State::Lost) {
            tracing::warn!("sessions.not_pruned_by_this_clock");
            return;
        }
        match self.prune(now).await {
            Ok(rows) if rows > 0 => tracing::info!(rows, "sessions.pruned"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "sessions.not_pruned"),
        }
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let store = &self.store;
        store.end_idle_sessions(now).await?;
        let sessions = store
            .prune_sessions(before(now, KEPT_TOKENS), before(now, KEPT_SESSIONS))
            .await?;
        let (unused, idle) = (before(now, UNUSED_CLIENT), before(now, IDLE_CLIENT));
        let uses = store.prune_scope_uses(before(now, KEPT_SCOPE_USES)).await?;
        let usage = store
            .prune_usage(
                before(now, KEPT_USAGE),
                before(now, KEPT_BATCHES),
                before(now, KEPT_LEASES),
            )
            .await?;
        let once = store.prune_once(now).await?;
        store
            .prune_replicas(store.time(&*self.clock).await?)
            .await?;
        Ok(sessions + uses + usage + once + store.prune_clients(unused, idle).await?)
    }

    /// Tells providers which grants ended; to be called about once a minute.
    pub async fn tell_providers(&self) {
        self.connections.tell_providers().await;
    }

    /// Writes what sessions did and which scopes calls needed; to be called every few seconds.
    pub async fn write_activity(&self) {
        self.authenticator.write_activity().await;
        self.connections.uses().write(&self.store).await;
        self.write_usage().await;
    }

    /// Writes what licenses did, for their invoices.
    async fn write_usage(&self) {
        self.usage
            .write(&self.store, &*self.clock, &*self.entropy)
            .await;
    }

    /// Writes it whenever there is much of it. Never ends.
    pub async fn write_large_usage(&self) {
        loop {
            self.usage.is_large().await;
            self.write_usage().await;
        }
    }
}
