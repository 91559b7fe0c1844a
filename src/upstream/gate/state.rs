//! What a gate knows between two calls. Its methods are told the time and never wait.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{GateLimits, GateRefusal, line::Line, pauses::Pauses};
use crate::{
    ids::LicenseId,
    upstream::{
        breaker::{Breaker, Ticket},
        credential::Holder,
    },
};

/// How much of the usual length of a call its newest example is: an eighth.
const NEWEST: u32 = 8;

/// One lock holds it all.
pub(super) struct State {
    max_concurrent: u32,
    /// Between two calls at full rate.
    interval: Duration,
    /// How much earlier than due a call may start: the burst but one.
    slack: Duration,
    /// When the next call would be due at an even pace (GCRA's theoretical arrival time).
    due: Duration,
    running: u32,
    /// How long a call holds its slot; none: nobody knows yet.
    usual: Option<Duration>,
    pub(super) line: Line<LicenseId, Arc<Notify>>,
    pub(super) pauses: Pauses,
    pub(super) breaker: Breaker,
}

/// May a call start?
pub(super) enum Turn {
    /// It has.
    Now(Ticket),
    /// Not sooner than this, by the rate.
    In(Duration),
    /// Not before another ends.
    NoSlot,
}

impl State {
    pub(super) fn new(limits: &GateLimits) -> Self {
        let interval = limits.rate.per / limits.rate.count.get();
        Self {
            max_concurrent: limits.max_concurrent.get(),
            interval,
            slack: limits.rate.per.saturating_sub(interval),
            due: Duration::ZERO,
            running: 0,
            usual: None,
            line: Line::new(limits.max_queue),
            pauses: Pauses::default(),
            breaker: Breaker::default(),
        }
    }

    /// Is anybody away whom this call concerns? Costs nothing.
    pub(super) fn check(&self, now: Duration, holder: Option<Holder>) -> Result<(), GateRefusal> {
        let pause = self.pauses.until(holder).saturating_sub(now);
        if !pause.is_zero() {
            return Err(GateRefusal::Paused(pause));
        }
        self.breaker.check(now).map_err(GateRefusal::CircuitOpen)
    }

    /// Starts a call, if there is a slot and the rate lets it.
    pub(super) fn turn(
        &mut self,
        now: Duration,
        holder: Option<Holder>,
    ) -> Result<Turn, GateRefusal> {
        self.check(now, holder)?;
        if self.running >= self.max_concurrent {
            return Ok(Turn::NoSlot);
        }
        if let Err(wait) = self.take(now) {
            return Ok(Turn::In(wait));
        }
        let ticket = self.breaker.admit(now).map_err(GateRefusal::CircuitOpen)?;
        self.running += 1;
        Ok(Turn::Now(ticket))
    }

    /// Takes a call off the rate, or says how long until it can be.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let wait = self.due.saturating_sub(now + self.slack);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.due = self.due.max(now) + self.interval;
        Ok(())
    }

    /// A call ended that held its slot for so long.
    pub(super) fn ended(&mut self, held: Duration) {
        self.running = self.running.saturating_sub(1);
        self.usual = Some(
            self.usual
                .map_or(held, |usual| usual - usual / NEWEST + held / NEWEST),
        );
    }

    /// How long the rate makes a caller wait with so many in front of it.
    pub(super) fn wait_for_rate(&self, now: Duration, ahead: u32) -> Duration {
        (self.due + self.interval.saturating_mul(ahead)).saturating_sub(now + self.slack)
    }

    /// How long it takes, by what is usual, until there is a slot for a caller with so many in front
    /// of it.
    pub(super) fn wait_for_slot(&self, ahead: u32) -> Duration {
        let free = self.max_concurrent.saturating_sub(self.running);
        let short = ahead.saturating_add(1).saturating_sub(free);
        // All slots together give one back in this.
        let each = self.usual.unwrap_or_default() / self.max_concurrent;
        each.saturating_mul(short)
    }
}
