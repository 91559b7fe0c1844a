//! The upstream tier: rate, concurrency, queue, pause and circuit breaker of one upstream.
//!
//! Callers that must wait stand in one bounded queue, first come, first served. Only the one in
//! front waits for a slot and for the rate, so those behind start one by one, never as a herd.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Answer, UpstreamError,
    answer::LONGEST_PAUSE,
    breaker::{Breaker, Outcome, Ticket},
};
use crate::{
    clock::SharedClock,
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

/// What an upstream did with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It answered, be it that we did not like the answer.
    Answered,
    /// It could not be reached, broke, was too slow, or answered 5xx.
    Failed,
    /// It asked us to stay away.
    Limited(Option<Duration>),
    /// Nothing can be said: the call ended for a reason of ours.
    Cancelled,
}

impl Observed {
    /// What a result says about the upstream.
    pub const fn of(result: &Result<Answer, UpstreamError>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(error) => match *error {
                UpstreamError::Connect
                | UpstreamError::TimedOut(_)
                | UpstreamError::Broken
                | UpstreamError::Status(500..) => Self::Failed,
                UpstreamError::Limited { retry_after } => Self::Limited(retry_after),
                UpstreamError::AddressRefused | UpstreamError::CredentialUnusable => {
                    Self::Cancelled
                }
                UpstreamError::Status(_)
                | UpstreamError::CredentialRefused(_)
                | UpstreamError::Redirect(_)
                | UpstreamError::TooLarge
                | UpstreamError::Unusable(_)
                | UpstreamError::OutputMismatch
                | UpstreamError::CredentialEchoed => Self::Answered,
            },
        }
    }
}

/// The gate of one upstream. Clones share its state.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    limits: GateLimits,
    /// Between two calls at full rate.
    interval: Duration,
    clock: SharedClock,
    /// Held by the caller in front of the queue.
    front: Semaphore,
    /// One permit for each call that may run.
    slots: Semaphore,
    waiting: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the next call would be due at an even pace (GCRA's theoretical arrival time).
    due: Duration,
    paused_until: Duration,
    breaker: Breaker,
}

enum Turn {
    Now(Ticket),
    In(Duration),
}

/// A call under way. Dropped without [`Permit::finish`] it counts as cancelled.
#[must_use = "dropping it ends the call"]
pub struct Permit {
    inner: Arc<Inner>,
    ticket: Option<Ticket>,
}

impl Gate {
    /// A gate with nothing used up.
    pub fn new(limits: GateLimits, clock: SharedClock) -> Self {
        let slots = usize::try_from(limits.max_concurrent.get()).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            interval: limits.rate.per / limits.rate.count.get(),
            front: Semaphore::new(1),
            slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicU32::new(0),
            state: Mutex::new(State::default()),
            limits,
            clock,
        }))
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &GateLimits {
        &self.0.limits
    }

    /// Waits for a turn: at most `max_wait`, never past `deadline`. A free gate never yields.
    pub async fn enter(&self, deadline: Instant) -> Result<Permit, GateRefusal> {
        let inner = &self.0;
        if inner.waiting.load(Ordering::Acquire) == 0
            && let Ok(slot) = inner.slots.try_acquire()
            && let Turn::Now(ticket) = inner.turn()?
        {
            slot.forget();
            return Ok(Permit::new(inner, ticket));
        }
        self.wait(deadline).await
    }

    /// Takes one more call off the rate, for a second attempt, if that is possible at once.
    pub fn spend_again(&self) -> bool {
        let mut state = self.0.state();
        let now = self.0.clock.monotonic();
        let free = now >= state.paused_until && state.breaker.check(now).is_ok();
        free && self.0.take(&mut state, now).is_ok()
    }

    async fn wait(&self, deadline: Instant) -> Result<Permit, GateRefusal> {
        let inner = &self.0;
        let max_queue = inner.limits.max_queue;
        let ahead = inner.waiting.fetch_add(1, Ordering::AcqRel);
        let _place = Place(&inner.waiting);
        let by_rate = inner.wait_for_rate(ahead);
        let now = Instant::now();
        let until = deadline.min(now + inner.limits.max_wait);
        if by_rate > until.saturating_duration_since(now) {
            return Err(GateRefusal::Rate(by_rate));
        }
        if ahead >= max_queue {
            return Err(GateRefusal::Queue(by_rate.max(SLOT_SOON)));
        }
        let turn = timeout_at(until, async {
            let closed = |_| GateRefusal::Queue(SLOT_SOON);
            let _front = inner.front.acquire().await.map_err(closed)?;
            let slot = inner.slots.acquire().await.map_err(closed)?;
            loop {
                match inner.turn()? {
                    Turn::Now(ticket) => {
                        slot.forget();
                        return Ok(Permit::new(inner, ticket));
                    }
                    Turn::In(span) => sleep(span).await,
                }
            }
        });
        match turn.await {
            Ok(turn) => turn,
            Err(_) => Err(match inner.wait_for_rate(0) {
                Duration::ZERO => GateRefusal::Queue(SLOT_SOON),
                span => GateRefusal::Rate(span),
            }),
        }
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicU32);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave the state half written: its updates do not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much earlier than due a call may start: the burst but one.
    fn slack(&self) -> Duration {
        self.limits.rate.per.saturating_sub(self.interval)
    }

    /// Takes a call off the rate, or says how long until it can be.
    fn take(&self, state: &mut State, now: Duration) -> Result<(), Duration> {
        let wait = state.due.saturating_sub(now + self.slack());
        if !wait.is_zero() {
            return Err(wait);
        }
        state.due = state.due.max(now) + self.interval;
        Ok(())
    }

    fn turn(&self) -> Result<Turn, GateRefusal> {
        let mut state = self.state();
        let now = self.clock.monotonic();
        let pause = state.paused_until.saturating_sub(now);
        if !pause.is_zero() {
            return Err(GateRefusal::Paused(pause));
        }
        state.breaker.check(now).map_err(GateRefusal::CircuitOpen)?;
        if let Err(wait) = self.take(&mut state, now) {
            return Ok(Turn::In(wait));
        }
        let ticket = state.breaker.admit(now);
        ticket.map(Turn::Now).map_err(GateRefusal::CircuitOpen)
    }

    /// How long the rate makes a caller wait with so many in front of it.
    fn wait_for_rate(&self, ahead: u32) -> Duration {
        let due = self.state().due;
        let now = self.clock.monotonic();
        (due + self.interval.saturating_mul(ahead)).saturating_sub(now + self.slack())
    }
}

impl Permit {
    fn new(inner: &Arc<Inner>, ticket: Ticket) -> Self {
        Self {
            inner: Arc::clone(inner),
            ticket: Some(ticket),
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
            Observed::Limited(_) | Observed::Cancelled => Outcome::Unknown,
        };
        let mut state = self.inner.state();
        let now = self.inner.clock.monotonic();
        state.breaker.settle(now, ticket, outcome);
        if let Observed::Limited(span) = observed {
            let span = span.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE);
            state.paused_until = state.paused_until.max(now + span);
        }
        drop(state);
        self.inner.slots.add_permits(1);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.settle(Observed::Cancelled);
    }
}

#[cfg(test)]
mod tests;
