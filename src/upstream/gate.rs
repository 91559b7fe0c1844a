//! The upstream tier: rate, concurrency, queue, pauses and circuit breaker of one upstream.
//!
//! Callers that must wait stand in one bounded line, round robin by license. Only the one in front
//! waits for a slot and for the rate, so those behind start one by one, never as a herd.

mod line;
mod observed;
mod pauses;
mod pool;
mod sharing;
mod state;
mod waiter;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

pub use self::observed::Observed;
use self::{
    line::Room,
    state::{State, Turn},
    waiter::Waiter,
};
use super::{
    answer::LONGEST_PAUSE,
    breaker::{Outcome, Ticket},
    credential::Holder,
    quota_signal::{Concern, Signal},
};
use crate::{
    clock::SharedClock,
    ids::LicenseId,
    quota::{Exhausted, Rate, Tier},
};

/// Pause after an upstream's 429 that names no span.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// What is said when nobody can know how long a slot takes to come free.
const SLOT_SOON: Duration = Duration::from_secs(1);

/// The limits of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// How many calls start in what span; also the burst.
    pub rate: Rate,
    /// Most calls at once.
    pub max_concurrent: NonZeroU32,
    /// Most calls waiting.
    pub max_queue: u32,
    /// Longest wait of a call.
    pub max_wait: Duration,
}

/// Why a call may not start, and when one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    /// The rate is used up for longer than the call may wait.
    #[error("rate")]
    Rate(Duration),
    /// Too many calls run and wait.
    #[error("queue")]
    Queue(Duration),
    /// The upstream itself asked for a pause.
    #[error("paused")]
    Paused(Duration),
    /// The upstream mostly fails.
    #[error("circuit open")]
    CircuitOpen(Duration),
}

impl GateRefusal {
    /// As every limit says it.
    pub const fn exhausted(self) -> Exhausted {
        let (Self::Rate(retry_after)
        | Self::Queue(retry_after)
        | Self::Paused(retry_after)
        | Self::CircuitOpen(retry_after)) = self;
        Exhausted {
            tier: Tier::Upstream,
            retry_after,
        }
    }

    /// The word in logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Rate(_) => "upstream_rate",
            Self::Queue(_) => "upstream_queue",
            Self::Paused(_) => "upstream_paused",
            Self::CircuitOpen(_) => "upstream_circuit_open",
        }
    }
}

/// Who wants to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comer {
    /// Whose turns are shared fairly.
    pub license: LicenseId,
    /// Whose credential the call goes with; none: it goes without.
    pub holder: Option<Holder>,
}

/// The gate of one upstream. Clones share its state, as do gates of the same upstream with limits of
/// another time: the newest that was used has its limits hold for all.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
    limits: GateLimits,
    /// How many times the limits were changed before.
    era: u64,
}

struct Inner {
    clock: SharedClock,
    state: Mutex<State>,
}

/// A call under way. Dropped without [`Permit::finish`] it counts as cancelled.
#[must_use = "dropping it ends the call"]
pub struct Permit {
    inner: Arc<Inner>,
    ticket: Option<Ticket>,
    /// By the monotonic clock.
    started: Duration,
}

impl Gate {
    /// A gate with nothing used up.
    pub fn new(limits: GateLimits, clock: SharedClock) -> Self {
        let state = Mutex::new(State::new(&limits));
        Self {
            inner: Arc::new(Inner { clock, state }),
            limits,
            era: 0,
        }
    }

    /// The same gate with these limits from its first use on: what runs, waits and is used up counts on,
    /// and who was sent away stays away. Never used, it changes nothing.
    #[must_use]
    pub fn with_limits(&self, limits: GateLimits) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            limits,
            era: self.era + u64::from(limits != self.limits),
        }
    }

    /// The limits it was made with.
    pub const fn limits(&self) -> &GateLimits {
        &self.limits
    }

    /// Waits for a turn: at most `max_wait`, never past `deadline`. Who would come too late by all that
    /// is known is refused at once. A free gate never yields; one that shares its limits does when
    /// nothing is lent, until Redis answers or is known to be away. The line has room for those who
    /// wait for no more than that.
    pub async fn enter(&self, comer: Comer, deadline: Instant) -> Result<Permit, GateRefusal> {
        match self.try_enter(comer, deadline)? {
            Entry::Open(permit) => Ok(permit),
            Entry::Closed(waiter, until) => waiter.wait(until).await,
        }
    }

    /// Takes one more call off the rate, for another attempt in `after`, if that is possible at once
    /// and nobody will be away by then.
    pub fn spend_again(&self, holder: Option<Holder>, after: Duration) -> bool {
        let now = self.inner.clock.monotonic();
        let mut state = self.state(now);
        let free = now + after >= state.pauses.until(holder) && state.breaker.check(now).is_ok();
        free && state.take(now).is_ok()
    }

    /// The upstream sent away whom `signal` says; `holder` is whose credential it was told with.
    pub fn heed(&self, signal: Signal, holder: Option<Holder>) {
        let span = signal.retry_after.unwrap_or(DEFAULT_PAUSE);
        let now = self.inner.clock.monotonic();
        let mut state = self.state(now);
        let until = now + span.min(LONGEST_PAUSE);
        match (signal.concerns, holder) {
            (Concern::Credential, Some(holder)) => state.pauses.one(holder, until, now),
            (Concern::Credential, None) | (Concern::Upstream, _) => {
                state.pauses.everybody(until);
                if let Some(pool) = &mut state.pool {
                    pool.sent_away(until);
                }
            }
        }
    }

    /// With the limits of this gate, unless newer ones hold.
    fn state(&self, now: Duration) -> MutexGuard<'_, State> {
        let mut state = self.inner.state();
        if state.era < self.era {
            state.era = self.era;
            state.change(&self.limits, now);
            if let Some(bell) = state.line.front() {
                bell.notify_one();
            }
        }
        state
    }

    fn try_enter(&self, comer: Comer, deadline: Instant) -> Result<Entry, GateRefusal> {
        let now = self.inner.clock.monotonic();
        let mut state = self.state(now);
        state.check(now, comer.holder)?;
        if state.line.is_empty()
            && let Turn::Now(ticket) = state.turn(now, comer.holder)?
        {
            return Ok(Entry::Open(Permit::new(&self.inner, ticket, now)));
        }
        let arrived = Instant::now();
        let until = deadline.min(arrived + self.limits.max_wait);
        let patience = until.saturating_duration_since(arrived);
        let room = state.room(now, &comer.license);
        let (Room::Behind(ahead) | Room::Full(ahead)) = room;
        let by_rate = state.wait_for_rate(now, ahead);
        let by_slot = state.wait_for_slot(ahead);
        if by_rate > patience {
            return Err(GateRefusal::Rate(by_rate.max(by_slot)));
        }
        if by_slot > patience || matches!(room, Room::Full(_)) {
            let wait = by_rate.max(by_slot);
            return Err(GateRefusal::Queue(wait.max(SLOT_SOON)));
        }
        let bell = Arc::new(Notify::new());
        let place = state.line.join(comer.license, Arc::clone(&bell));
        drop(state);
        Ok(Entry::Closed(
            Waiter::new(Arc::clone(&self.inner), comer, place, bell),
            until,
        ))
    }
}

enum Entry {
    Open(Permit),
    Closed(Waiter, Instant),
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave the state half written: its updates do not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    fn new(inner: &Arc<Inner>, ticket: Ticket, started: Duration) -> Self {
        Self {
            inner: Arc::clone(inner),
            ticket: Some(ticket),
            started,
        }
    }

    /// Ends the call and tells the gate what the upstream did.
    pub fn finish(mut self, observed: Observed) {
        self.settle(observed);
    }

    fn settle(&mut self, observed: Observed) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let outcome = match observed {
            Observed::Answered => Outcome::Good,
            Observed::Failed => Outcome::Bad,
            Observed::Limited | Observed::Cancelled => Outcome::Unknown,
        };
        let mut state = self.inner.state();
        let now = self.inner.clock.monotonic();
        state.breaker.settle(now, ticket, outcome);
        state.ended(now.saturating_sub(self.started));
        let bell = state.line.front().map(Arc::clone);
        drop(state);
        if let Some(bell) = bell {
            bell.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.settle(Observed::Cancelled);
    }
}

#[cfg(test)]
mod tests;
