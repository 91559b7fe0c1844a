//! What this process was lent of an upstream's limits, and what it asks for next. Its methods are
//! told the time, wait for nothing and ask nobody.
//!
//! Calls are lent in small blocks that end soon, so that all processes together stay paced. Slots are
//! lent until a heartbeat fails to come. What is given back is not used from the moment of asking.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;

use super::GateLimits;
use crate::{
    limit::shares::{Ask, Grant, LENT},
    quota::Rate,
};

/// A block is what the rate gives in this time, and one call at least.
const BLOCK: Duration = Duration::from_millis(50);

/// A call that was lent and not made in this time is given back.
const CALL_ENDS: Duration = Duration::from_millis(200);

/// Slots are used for less long than they are lent: clocks differ, and answers travel.
const SLOT_ENDS: Duration = LENT.saturating_sub(Duration::from_millis(500));

/// Slots that are in use or wanted are asked for again after this. So soon also a process that does
/// not need all it was lent hears that another waits.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// What was in use in this time and in the one before may be needed again; slots beyond are given back.
const PEAK: Duration = Duration::from_secs(1);

/// Where nothing goes on, it is looked this often whether the gate is still there.
const IDLE: Duration = Duration::from_secs(1);

/// Nobody asks twice in less.
const BETWEEN: Duration = Duration::from_millis(5);

/// While Redis is away it is asked this often.
const AWAY: Duration = Duration::from_millis(500);

/// Calls and slots of one process.
pub(super) struct Pool {
    limits: GateLimits,
    block: u32,
    calls: u32,
    calls_end: Duration,
    slots: u32,
    slots_end: Duration,
    /// The script says there is no call before.
    another: Duration,
    /// The last question was not answered.
    is_away: bool,
    /// Somebody found nothing, or little was left.
    wanting: bool,
    /// All slots that others left are ours: asking for more would be in vain.
    is_short: bool,
    /// Most slots in use or waited for in this second, and in the one before.
    peaks: [u32; 2],
    peaks_since: Duration,
    asked: Duration,
    /// Until when the upstream sent all away, and until when Redis is being told so; past or equal:
    /// there is nothing to pass on.
    pause: Duration,
    telling: Duration,
    heard: Grant,
    replicas: u32,
    /// Calls started without an answer.
    pub(super) alone: Counter,
    /// Rung when it is time to ask.
    pub(super) bell: Arc<Notify>,
}

/// By what the rate of a call is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// By what was lent.
    Shared,
    /// By this process's part, of so many: the last question was not answered.
    Alone(u32),
    /// Not yet: an answer is on its way.
    Unknown,
}

impl Pool {
    pub(super) fn new(limits: GateLimits, replicas: u32, alone: Counter) -> Self {
        Self {
            limits,
            block: block(limits.rate),
            calls: 0,
            calls_end: Duration::ZERO,
            slots: 0,
            slots_end: Duration::ZERO,
            another: Duration::ZERO,
            is_away: false,
            wanting: false,
            is_short: false,
            peaks: [0; 2],
            peaks_since: Duration::ZERO,
            asked: Duration::ZERO,
            pause: Duration::ZERO,
            telling: Duration::ZERO,
            heard: Grant::default(),
            replicas,
            alone,
            bell: Arc::new(Notify::new()),
        }
    }

    /// Other limits from now on: what is lent serves on, as far as it is not more than they allow.
    pub(super) fn change(&mut self, limits: &GateLimits) {
        self.limits = *limits;
        self.block = block(limits.rate);
        self.calls = self.calls.min(self.block);
        self.slots = self.slots.min(limits.max_concurrent.get());
        self.is_short = false;
        self.another = Duration::ZERO;
        self.want();
    }

    /// Nothing is lent any more as soon as nobody answers: calls that were lent end within a moment,
    /// and slots that are still lent would be of no use without calls.
    pub(super) fn mode(&self, now: Duration) -> Mode {
        if self.is_away {
            Mode::Alone(self.replicas)
        } else if now < self.slots_end {
            Mode::Shared
        } else {
            Mode::Unknown
        }
    }

    /// Most that may run here: what was lent, until it ends; then, while Redis is away, this process's
    /// part. One that was lent nothing, or knows of no others, waits for no end.
    pub(super) fn slots(&self, now: Duration) -> u32 {
        let lent = if now < self.slots_end { self.slots } else { 0 };
        if self.is_away && (lent == 0 || self.replicas == 1) {
            self.part()
        } else {
            lent
        }
    }

    /// How many more may run here soon, as far as is known: when an answer comes, or when what was
    /// lent ends and this process has its part.
    pub(super) fn more_slots(&self, now: Duration) -> u32 {
        let all = match self.mode(now) {
            Mode::Alone(_) => self.part(),
            // Others hold them, or wait for them too.
            Mode::Shared if self.is_short || self.heard.hungry > 0 => 0,
            Mode::Shared | Mode::Unknown => self.limits.max_concurrent.get(),
        };
        all.saturating_sub(self.slots(now))
    }

    /// What this process has of all slots while nobody knows what the others do.
    fn part(&self) -> u32 {
        (self.limits.max_concurrent.get() / self.replicas).max(1)
    }

    /// How many processes there are, as far as is known.
    pub(super) const fn processes(&self) -> u32 {
        self.replicas
    }

    /// How long the rate makes a caller wait with so many in front of it. While there is enough for
    /// all, nothing is known of a wait; else all who share take turns.
    pub(super) fn wait_for_call(&self, now: Duration, ahead: u32, interval: Duration) -> Duration {
        if self.another.is_zero() {
            return Duration::ZERO;
        }
        let turns = ahead.saturating_mul(self.heard.sharing.max(1));
        self.another.saturating_sub(now) + interval.saturating_mul(turns)
    }

    /// Do most others leave the upstream alone?
    pub(super) const fn most_others_open(&self) -> bool {
        let others = self.heard.sharing.saturating_sub(1);
        self.heard.open > 0 && self.heard.open * 2 > others
    }

    /// So many are in use or waited for.
    pub(super) fn used(&mut self, now: Duration, count: u32) {
        if now >= self.peaks_since + PEAK {
            let over = now >= self.peaks_since + PEAK * 2;
            self.peaks = [0, if over { 0 } else { self.peaks[0] }];
            self.peaks_since = now;
        }
        self.peaks[0] = self.peaks[0].max(count);
        let is_low = count * 2 > self.slots && self.slots < self.limits.max_concurrent.get();
        if is_low && !self.is_short {
            self.want();
        }
    }

    /// Takes one call of those that were lent.
    pub(super) fn spend(&mut self, now: Duration) -> bool {
        let is_there = self.calls > 0 && now < self.calls_end;
        if is_there {
            self.calls -= 1;
        }
        if !is_there || self.calls * 2 < self.block && self.block > 1 {
            self.want();
        }
        is_there
    }

    /// Somebody waits for something.
    pub(super) fn want(&mut self) {
        if !self.wanting {
            self.wanting = true;
            self.bell.notify_one();
        }
    }

    /// The upstream sent all away until then.
    pub(super) fn sent_away(&mut self, until: Duration) {
        if until > self.pause {
            self.pause = until;
            self.want();
        }
    }

    /// Somebody else waits for slots, and a call has ended: it may be theirs.
    pub(super) fn ended(&mut self) {
        if self.heard.hungry > 0 && self.slots > self.fair() {
            self.want();
        }
    }

    /// What each may hold while others wait. Perhaps nothing: then slots go round.
    const fn fair(&self) -> u32 {
        let sharing = self.heard.sharing;
        self.limits.max_concurrent.get() / if sharing == 0 { 1 } else { sharing }
    }

    /// What to ask now; none: nothing yet. What is not asked for any more is not used from here on.
    pub(super) fn ask(&mut self, now: Duration, load: Load) -> Option<Ask> {
        self.used(now, load.running.saturating_add(load.waiting));
        let peak = self.peaks[0].max(self.peaks[1]);
        let is_idle = self.is_idle(now, load);
        let is_due = now >= self.asked + HEARTBEAT;
        let may = now >= self.asked + if self.is_away { AWAY } else { BETWEEN };
        if is_idle || !may || !(self.wanting || is_due) {
            return None;
        }
        let most = self.limits.max_concurrent.get();
        let mut slots = (peak + (peak / 2).max(1)).min(most);
        if peak == 0 {
            slots = 0;
        }
        if self.heard.hungry > 0 {
            slots = slots.min(self.fair());
        }
        let slots = slots.max(load.running);
        self.slots = self.slots.min(slots);
        let unspent = if now >= self.calls_end {
            std::mem::take(&mut self.calls)
        } else {
            0
        };
        let calls = if self.wanting && now >= self.another {
            self.block.saturating_sub(self.calls)
        } else {
            0
        };
        self.wanting = false;
        self.asked = now;
        self.telling = self.pause;
        Some(Ask {
            rate: self.limits.rate,
            calls,
            unspent,
            most,
            slots,
            running: load.running,
            hungry: load.waiting > 0 && load.running >= self.slots,
            pause: self.pause.saturating_sub(now),
            open: load.open,
        })
    }

    /// The answer to `ask`, or that there is none. `asked` is when it was asked.
    pub(super) fn answered(
        &mut self,
        ask: &Ask,
        grant: Option<Grant>,
        now: Duration,
        replicas: u32,
    ) {
        self.replicas = replicas.max(1);
        let Some(grant) = grant else {
            self.is_away = true;
            return;
        };
        self.is_away = false;
        // Unless another came meanwhile.
        if self.pause == self.telling {
            self.pause = Duration::ZERO;
        }
        self.heard = grant;
        self.calls += grant.calls;
        if grant.calls > 0 {
            self.calls_end = self.asked + CALL_ENDS;
        }
        let is_less = ask.calls > 0 && grant.calls < ask.calls;
        self.another = if is_less {
            now + grant.another
        } else {
            Duration::ZERO
        };
        self.slots = grant.slots;
        self.slots_end = self.asked + SLOT_ENDS;
        self.is_short = grant.slots < ask.slots;
        // Others wait for what is not in use here: not until the next heartbeat.
        if grant.hungry > 0 && self.slots > ask.running.max(self.fair()) {
            self.want();
        }
    }

    /// Is there nothing to ask, and nothing to give back?
    fn is_idle(&self, now: Duration, load: Load) -> bool {
        let is_used = self.peaks != [0; 2] || self.slots > 0;
        !is_used && !self.wanting && self.pause <= now && !load.open
    }

    /// When to look again whether there is something to ask.
    pub(super) fn next(&self, now: Duration, load: Load) -> Duration {
        if self.is_idle(now, load) {
            return IDLE;
        }
        let soon = self.asked + if self.is_away { AWAY } else { BETWEEN };
        let at = if load.waiting == 0 && !self.wanting {
            self.asked + HEARTBEAT
        } else if load.running < self.slots {
            // However long it is until there is a call: slots that nobody asks for again end.
            self.another.min(self.asked + HEARTBEAT)
        } else {
            // A slot that another gives back is to be had soon; one of ours rings.
            self.asked + BLOCK
        };
        at.max(soon).saturating_sub(now).max(BETWEEN)
    }
}

/// Calls of a block.
fn block(rate: Rate) -> u32 {
    let calls = BLOCK.as_nanos() * u128::from(rate.count.get()) / rate.per.as_nanos().max(1);
    u32::try_from(calls).unwrap_or(u32::MAX).max(1)
}

/// What goes on at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) running: u32,
    pub(super) waiting: u32,
    /// Is the breaker open?
    pub(super) open: bool,
}

#[cfg(test)]
mod tests;
