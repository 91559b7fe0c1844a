//! What this process is doing about which grant: at most one renewal of each at a time, none while
//! its provider is in trouble, and what could not be stored yet. Everything here is bounded.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::ObtainError;
use crate::{ids::CredentialId, vault::Held};

/// Most renewals at a time.
const MOST_FLIGHTS: usize = 1024;

/// Most grants that something is remembered of.
const MOST_REMEMBERED: usize = 10_000;

/// The first pause after a provider failed; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// Renewals because an API refused a token are this far apart: it may refuse the new one too.
const BETWEEN_FORCED: Duration = Duration::from_secs(10);

/// What became of a renewal.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// There is a newer one, by us or by somebody else.
    Fresh(Arc<Held>),
    /// The account must be connected anew.
    Ended,
    /// Somebody disconnected it.
    Gone,
    /// Not now.
    Failed(ObtainError),
}

/// Where the outcome of a running renewal will be.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// Whether to renew, and who does.
pub(super) enum Boarding {
    /// Somebody in this process does.
    Running(Flight),
    /// The caller does, and says here what became of it.
    Start(watch::Sender<Option<Outcome>>, Flight),
    /// Nobody, for this reason.
    Not(ObtainError),
}

#[derive(Default)]
struct Known {
    running: HashMap<CredentialId, Flight>,
    resting: HashMap<CredentialId, Rest>,
    forced: HashMap<CredentialId, Duration>,
    unsaved: HashMap<CredentialId, Arc<Held>>,
}

struct Rest {
    until: Duration,
    failures: u32,
    why: ObtainError,
}

/// All of them.
#[derive(Default)]
pub(super) struct Flights {
    known: Mutex<Known>,
    unsaved: AtomicUsize,
}

impl Flights {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the renewal of this grant, or begins one.
    pub(super) fn board(&self, id: CredentialId, now: Duration) -> Boarding {
        let mut known = self.known();
        if let Some(flight) = known.running.get(&id) {
            return Boarding::Running(flight.clone());
        }
        if let Some(rest) = known.resting.get(&id).filter(|rest| now < rest.until) {
            return Boarding::Not(rest.why.clone());
        }
        if known.running.len() >= MOST_FLIGHTS {
            return Boarding::Not(ObtainError::ProviderUnavailable);
        }
        let (sender, flight) = watch::channel(None);
        known.running.insert(id, flight.clone());
        Boarding::Start(sender, flight)
    }

    /// Is somebody in this process renewing this grant?
    pub(super) fn is_running(&self, id: CredentialId) -> bool {
        self.known().running.contains_key(&id)
    }

    /// It is over, however it ended.
    pub(super) fn land(&self, id: CredentialId) {
        self.known().running.remove(&id);
    }

    /// The provider failed: for a while it is not asked about this grant. `chance` spreads those of
    /// many grants and processes by a fifth.
    pub(super) fn rest(&self, id: CredentialId, now: Duration, chance: u8, why: ObtainError) {
        let mut known = self.known();
        if known.resting.len() >= MOST_REMEMBERED && !known.resting.contains_key(&id) {
            known.resting.retain(|_, rest| now < rest.until);
            if known.resting.len() >= MOST_REMEMBERED {
                return;
            }
        }
        let failures = known.resting.get(&id).map_or(0, |rest| rest.failures);
        let span = FIRST_REST.saturating_mul(1 << failures.min(16));
        let span = span.min(LONGEST_REST);
        let span = span
            .saturating_mul(4)
            .saturating_add(span * 2 * u32::from(chance) / 255)
            / 5;
        let rest = Rest {
            until: now.saturating_add(span),
            failures: failures.saturating_add(1),
            why,
        };
        known.resting.insert(id, rest);
    }

    /// The provider is well again.
    pub(super) fn wake(&self, id: CredentialId) {
        self.known().resting.remove(&id);
    }

    /// May a token that was refused be renewed before its time?
    pub(super) fn may_force(&self, id: CredentialId, now: Duration) -> bool {
        let mut known = self.known();
        let recent = |at: &Duration| now.saturating_sub(*at) < BETWEEN_FORCED;
        if known.forced.get(&id).is_some_and(recent) {
            return false;
        }
        if known.forced.len() >= MOST_REMEMBERED {
            known.forced.retain(|_, at| recent(at));
            if known.forced.len() >= MOST_REMEMBERED {
                return false;
            }
        }
        known.forced.insert(id, now);
        true
    }

    /// The provider gave a new one, and the store did not take it yet.
    pub(super) fn keep(&self, held: Arc<Held>) {
        let mut known = self.known();
        known.unsaved.insert(held.info.id, held);
        self.unsaved.store(known.unsaved.len(), Ordering::Release);
    }

    /// It is stored, or given up.
    pub(super) fn let_go(&self, id: CredentialId) {
        let mut known = self.known();
        known.unsaved.remove(&id);
        self.unsaved.store(known.unsaved.len(), Ordering::Release);
    }

    /// The newest of a grant: the stored one, or the one that is not stored yet.
    pub(super) fn newest(&self, held: &Arc<Held>) -> Arc<Held> {
        if self.unsaved.load(Ordering::Acquire) == 0 {
            return Arc::clone(held);
        }
        let known = self.known();
        let newer = known.unsaved.get(&held.info.id);
        let newer = newer.filter(|newer| newer.info.generation > held.info.generation);
        Arc::clone(newer.unwrap_or(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: CredentialId = CredentialId::from_bytes([1; 16]);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_renewal_at_a_time() {
        let flights = Flights::default();
        assert!(matches!(flights.board(ID, at(0)), Boarding::Start(..)));
        assert!(matches!(flights.board(ID, at(0)), Boarding::Running(_)));
        flights.land(ID);
        assert!(matches!(flights.board(ID, at(0)), Boarding::Start(..)));
    }

    #[test]
    fn rests_double_up_to_five_minutes_and_end() {
        let flights = Flights::default();
        let why = || ObtainError::ClientRefused;
        let rests = |now| matches!(flights.board(ID, now), Boarding::Not(_));
        let mut now = at(1000);
        for least in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            flights.rest(ID, now, 0, why());
            assert!(rests(now + at(least) * 79 / 100), "{least}");
            now += at(least);
            assert!(!rests(now), "{least}");
            flights.land(ID);
        }
        flights.rest(ID, now, 255, why());
        assert!(rests(now + at(359)) && !rests(now + at(361)));
        flights.land(ID);
        flights.wake(ID);
        flights.rest(ID, now, 0, why());
        assert!(!rests(now + at(1)), "it begins anew");
    }

    #[test]
    fn a_refused_token_is_renewed_now_and_then() {
        let flights = Flights::default();
        assert!(flights.may_force(ID, at(5)));
        assert!(!flights.may_force(ID, at(14)));
        assert!(flights.may_force(ID, at(15)));
    }
}
