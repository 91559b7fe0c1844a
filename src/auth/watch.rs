//! Hears of changes that other processes made: an epoch in the store, read twice a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Authenticator;
use crate::store::Store;

/// How often the epoch is read. Twice a second keeps a revocation under one second.
const PERIOD: Duration = Duration::from_millis(500);

/// A number that differs after every change of a license, key or credential, and after every
/// reload of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    epoch: u64,
    reloads: u64,
}

/// Reads the epoch and tells everybody.
pub struct Watcher {
    store: Store,
    authenticator: Arc<Authenticator>,
    changes: watch::Sender<Change>,
    forget: Vec<Box<dyn Fn() + Send + Sync>>,
    /// Was the last look in vain? Said once, not twice a second.
    silent: AtomicBool,
}

impl Watcher {
    /// `forget` is called at every change, after the authenticator has forgotten.
    pub fn new(
        store: Store,
        authenticator: Arc<Authenticator>,
        forget: Vec<Box<dyn Fn() + Send + Sync>>,
    ) -> Self {
        Self {
            store,
            authenticator,
            changes: watch::Sender::default(),
            forget,
            silent: AtomicBool::new(false),
        }
    }

    /// Wakes at every change.
    pub fn subscribe(&self) -> watch::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Reads the epoch once; whoever changed something in this process calls it at once.
    pub async fn look(&self) {
        match self.store.epoch().await {
            Ok(epoch) => {
                self.authenticator.hear();
                if self.silent.swap(false, Ordering::AcqRel) {
                    tracing::info!("store.heard_again");
                }
                if self.changes.borrow().epoch != epoch {
                    self.forget_all();
                    self.changes.send_modify(|change| change.epoch = epoch);
                }
            }
            Err(error) => {
                if !self.silent.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "store.silent");
                }
            }
        }
    }

    /// The configuration was reloaded.
    pub fn reloaded(&self) {
        self.forget_all();
        self.changes.send_modify(|change| change.reloads += 1);
    }

    fn forget_all(&self) {
        self.authenticator.forget();
        for forget in &self.forget {
            forget();
        }
    }

    /// Looks until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.look().await;
        }
    }
}
