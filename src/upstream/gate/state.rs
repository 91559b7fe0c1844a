//! What a gate knows between two calls. Its methods are told the time and never wait.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    GateLimits, GateRefusal,
    line::{Line, Room},
    pauses::Pauses,
    pool::{Load, Mode, Pool},
};
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
    /// Of the gate whose limits hold.
    pub(super) era: u64,
    max_concurrent: u32,
    /// The burst takes so long at an even pace.
    per: Duration,
    /// Between two calls at full rate.
    interval: Duration,
    /// When the next call would be due at an even pace (GCRA's theoretical arrival time).
    due: Duration,
    running: u32,
    /// How long a call holds its slot; none: nobody knows yet.
    usual: Option<Duration>,
    pub(super) line: Line<LicenseId, Arc<Notify>>,
    pub(super) pauses: Pauses,
    pub(super) breaker: Breaker,
    /// What other processes leave to this one; none: the limits are its own.
    pub(super) pool: Option<Pool>,
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
            era: 0,
            max_concurrent: limits.max_concurrent.get(),
            per: limits.rate.per,
            interval,
            due: Duration::ZERO,
            running: 0,
            usual: None,
            line: Line::new(limits.max_queue),
            pauses: Pauses::default(),
            breaker: Breaker::default(),
            pool: None,
        }
    }

    /// Other limits from now on. What was used of the rate is used of the new one, up to its burst.
    pub(super) fn change(&mut self, limits: &GateLimits, now: Duration) {
        let gap = self.due.saturating_sub(now).as_nanos();
        let used = gap.div_ceil(self.interval.as_nanos().max(1));
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        self.max_concurrent = limits.max_concurrent.get();
        self.per = limits.rate.per;
        self.interval = limits.rate.per / limits.rate.count.get();
        self.due = now + self.interval * used.min(limits.rate.count.get());
        self.line.resize(limits.max_queue);
        if let Some(pool) = &mut self.pool {
            pool.change(limits);
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
        if self.running >= self.most_here(now) {
            if let Some(pool) = &mut self.pool {
                pool.want();
            }
            return Ok(Turn::NoSlot);
        }
        match self.take(now) {
            Ok(()) => {}
            // By what was lent: an answer on its way tells.
            Err(wait) if wait.is_zero() => return Ok(Turn::NoSlot),
            Err(wait) => return Ok(Turn::In(wait)),
        }
        let ticket = self.breaker.admit(now).map_err(GateRefusal::CircuitOpen)?;
        self.running += 1;
        let used = self.running.saturating_add(self.line.waiting());
        if let Some(pool) = &mut self.pool {
            pool.used(now, used);
        }
        Ok(Turn::Now(ticket))
    }

    /// Takes a call off the rate, or says how long until it can be; zero: nobody knows, and an answer
    /// will tell.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let interval = match &mut self.pool {
            None => self.interval,
            Some(pool) => match pool.mode(now) {
                Mode::Alone(processes) => self.interval * processes,
                Mode::Shared if pool.spend(now) => {
                    // What was made by what was lent counts when Redis goes away.
                    let due = self.due.max(now) + self.interval * pool.processes();
                    self.due = due.min(now + self.per.max(self.interval));
                    return Ok(());
                }
                Mode::Shared | Mode::Unknown => {
                    pool.want();
                    return Err(Duration::ZERO);
                }
            },
        };
        let wait = self.due.saturating_sub(now + self.slack(interval));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.due = self.due.max(now) + interval;
        if let Some(pool) = &self.pool {
            pool.alone.inc();
        }
        Ok(())
    }

    /// How much earlier than due a call may start: the burst but one.
    const fn slack(&self, interval: Duration) -> Duration {
        self.per.saturating_sub(interval)
    }

    /// Most that may run here.
    fn most_here(&self, now: Duration) -> u32 {
        match &self.pool {
            None => self.max_concurrent,
            Some(pool) => pool.slots(now),
        }
    }

    /// Is there room in the line for one of this license, and how many come first? A burst that finds
    /// no slot only because none is lent yet is not refused for that.
    pub(super) fn room(&self, now: Duration, license: &LicenseId) -> Room {
        let pool = self.pool.as_ref();
        let moving = pool.map_or(0, |pool| pool.more_slots(now));
        self.line.room(license, moving)
    }

    /// What goes on.
    pub(super) fn load(&self, now: Duration) -> Load {
        Load {
            running: self.running,
            waiting: self.line.waiting(),
            open: self.breaker.check(now).is_err(),
        }
    }

    /// A call ended that held its slot for so long.
    pub(super) fn ended(&mut self, held: Duration) {
        self.running = self.running.saturating_sub(1);
        if let Some(pool) = &mut self.pool {
            pool.ended();
        }
        self.usual = Some(self.usual.map_or(held, |usual| {
            usual.saturating_sub(usual / NEWEST) + held / NEWEST
        }));
    }

    /// How long the rate makes a caller wait with so many in front of it.
    pub(super) fn wait_for_rate(&self, now: Duration, ahead: u32) -> Duration {
        let Some(pool) = &self.pool else {
            let due = self.due + self.interval.saturating_mul(ahead);
            return due.saturating_sub(now + self.slack(self.interval));
        };
        match pool.mode(now) {
            Mode::Alone(processes) => {
                let interval = self.interval * processes;
                let due = self.due + interval.saturating_mul(ahead);
                due.saturating_sub(now + self.slack(interval))
            }
            Mode::Shared | Mode::Unknown => pool.wait_for_call(now, ahead, self.interval),
        }
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
