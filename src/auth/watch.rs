//! Hears of changes that other processes made: at once where the store tells them, and in any case
//! by an epoch in the store, read twice a second. What is told only saves time; what is read decides.

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
use crate::{
    store::{Epoch, Heard, Listener, Store, StoreError},
    telemetry::health::{Component, State},
};

/// How often the epoch is read. Twice a second keeps a revocation under one second.
const PERIOD: Duration = Duration::from_millis(500);
/// Pause before somebody who stopped hearing listens again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
    /// How often all replicas were asked to read their configuration again.
    reloads_asked: watch::Sender<u64>,
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
            reloads_asked: watch::Sender::default(),
            forget,
            silent: AtomicBool::new(false),
        }
    }

    /// Wakes at every change.
    pub fn subscribe(&self) -> watch::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The number of the last request to all replicas to read their configuration again.
    pub fn reloads_asked(&self) -> watch::Receiver<u64> {
        self.reloads_asked.subscribe()
    }

    /// Reads the epoch once; whoever changed something in this process calls it at once.
    pub async fn look(&self) {
        // The answer is as old as the question: however late it comes, nothing is trusted for
        // longer after it.
        let asked = self.authenticator.monotonic_millis();
        match self.store.epochs().await {
            Ok(epoch) => {
                self.authenticator.hear(asked);
                self.tell(State::Ok);
                if self.silent.swap(false, Ordering::AcqRel) {
                    tracing::info!("store.heard_again");
                }
                self.learn(epoch);
            }
            Err(error) => {
                self.tell(State::Lost);
                if !self.silent.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "store.silent");
                }
            }
        }
    }

    fn tell(&self, state: State) {
        let parts = &self.authenticator.parts;
        let health = &parts.metrics.health;
        health.tell(Component::Store, state, parts.clock.now());
    }

    fn learn(&self, epoch: Epoch) {
        if self.changes.borrow().epoch != epoch.value {
            self.forget_all();
            self.changes
                .send_modify(|change| change.epoch = epoch.value);
        }
        self.reloads_asked.send_if_modified(|known| {
            let news = *known != epoch.reloads;
            *known = epoch.reloads;
            news
        });
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

    /// Looks and listens until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.look_on(&stop), stop.run_until_cancelled(self.listen()));
    }

    async fn look_on(&self, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.look().await;
        }
    }

    /// Listens for as long as it is asked to; at once over where the store cannot tell.
    async fn listen(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.store.listen().await {
                Ok(None) => return,
                Ok(Some(ear)) => {
                    pause = FIRST_PAUSE;
                    self.hear_until_deaf(ear).await
                }
                Err(error) => error,
            };
            tracing::debug!(%error, "store.deaf");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn hear_until_deaf(&self, mut ear: Listener) -> StoreError {
        // What was told before somebody listened.
        self.look().await;
        loop {
            match ear.next().await {
                Ok(Heard::Change(epoch)) => self.learn(epoch),
                Ok(Heard::Something) => self.look().await,
                Err(error) => {
                    ear.close().await;
                    return error;
                }
            }
        }
    }
}
