//! An issuer's keys, kept: read again before they age out, at most one reading at a time, and good
//! for another day when the issuer does not answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::{sync::watch, time::timeout};

use super::fetch::{Found, Source};
use crate::{clock::SharedClock, crypto::jwt::KeySet};

/// How much longer keys serve when the issuer does not answer.
const STALE: Duration = Duration::from_hours(24);
/// How long a failed reading is not tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long no unknown key or wrong signature asks for another reading.
const UNKNOWN: Duration = Duration::from_secs(30);
/// Longer than a reading takes.
const PATIENCE: Duration = Duration::from_secs(6);

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    clock: SharedClock,
    known: ArcSwapOption<Known>,
    turn: Mutex<Turn>,
    /// How many readings have ended.
    ended: watch::Sender<u64>,
}

/// Keys, and since when.
pub(super) struct Known {
    pub(super) keys: KeySet,
    /// Rises when the keys change.
    pub(super) number: u64,
    text: Bytes,
    life: Duration,
    read_at: Duration,
}

#[derive(Default)]
struct Turn {
    /// Is somebody reading?
    reading: bool,
    failed_at: Option<Duration>,
    unknown_at: Option<Duration>,
}

/// What is wanted of a reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The keys are old, or there are none.
    Age,
    /// A token names a key that is not among them, or none of them made its signature.
    Unknown,
}

impl Known {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.read_at)
    }

    fn is_bearable(&self, now: Duration) -> bool {
        self.age(now) < self.life + STALE
    }

    /// Is it time to read again, while these still serve?
    fn is_due(&self, now: Duration) -> bool {
        self.age(now) >= self.life / 5 * 4
    }
}

impl Keys {
    pub(super) fn new(source: Source, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            source,
            clock,
            known: ArcSwapOption::empty(),
            turn: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// The keys at hand, without waiting; has them read again in time.
    pub(super) fn at_hand(self: &Arc<Self>) -> Option<Arc<Known>> {
        let now = self.clock.monotonic();
        let known = self.known.load_full()?;
        if known.is_due(now) {
            self.begin(Cause::Age, now);
        }
        known.is_bearable(now).then_some(known)
    }

    /// The keys; waits for them when there are none yet or they have aged out. None when the issuer
    /// cannot be read.
    pub(super) async fn current(self: &Arc<Self>) -> Option<Arc<Known>> {
        let now = self.clock.monotonic();
        if let Some(known) = self.at_hand() {
            // An issuer that failed once may hang the next time: nobody waits for it twice.
            if known.age(now) < known.life || self.turn().failed_at.is_some() {
                return Some(known);
            }
        }
        self.wait(self.begin(Cause::Age, now)).await;
        self.at_hand()
    }

    /// Other keys than these, if the issuer has any by now.
    pub(super) async fn other_than(self: &Arc<Self>, known: &Known) -> Option<Arc<Known>> {
        let others = || self.at_hand().filter(|now| now.number != known.number);
        if let Some(others) = others() {
            return Some(others);
        }
        let now = self.clock.monotonic();
        self.wait(self.begin(Cause::Unknown, now)).await;
        others()
    }

    /// Reads, unless somebody does or did just now; how to hear of the end.
    fn begin(self: &Arc<Self>, cause: Cause, now: Duration) -> Option<watch::Receiver<u64>> {
        let mut turn = self.turn();
        if turn.reading {
            return Some(self.ended.subscribe());
        }
        let lately =
            |at: Option<Duration>, span| at.is_some_and(|at| now.saturating_sub(at) < span);
        if lately(turn.failed_at, PAUSE) {
            return None;
        }
        if cause == Cause::Unknown {
            if lately(turn.unknown_at, UNKNOWN) {
                return None;
            }
            turn.unknown_at = Some(now);
        }
        turn.reading = true;
        let heard = self.ended.subscribe();
        drop(turn);
        let ending = Ending(Arc::clone(self));
        tokio::spawn(async move { ending.0.read().await });
        Some(heard)
    }

    async fn wait(&self, heard: Option<watch::Receiver<u64>>) {
        if let Some(mut heard) = heard {
            // Whatever came of it, the keys at hand decide.
            let _ = timeout(PATIENCE, heard.changed()).await;
        }
    }

    async fn read(&self) {
        let found = self.source.fetch().await;
        let now = self.clock.monotonic();
        let issuer = self.source.issuer();
        match found {
            Ok(found) => {
                let before = self.known.load_full();
                let number = match &before {
                    Some(before) if before.text == found.text => before.number,
                    Some(before) => before.number + 1,
                    None => 1,
                };
                let Found { keys, text, life } = found;
                self.known.store(Some(Arc::new(Known {
                    keys,
                    number,
                    text,
                    life,
                    read_at: now,
                })));
                self.turn().failed_at = None;
                tracing::info!(issuer, number, "issuer.keys_read");
            }
            Err(fault) => {
                self.turn().failed_at = Some(now);
                tracing::warn!(issuer, %fault, "issuer.keys_not_read");
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a reading, however it comes.
struct Ending(Arc<Keys>);

impl Drop for Ending {
    fn drop(&mut self) {
        // Under one lock, so that nobody who begins the next reading takes this for its end.
        let mut turn = self.0.turn();
        turn.reading = false;
        self.0.ended.send_modify(|ended| *ended += 1);
    }
}
