//! One license's block of one meter and what is known about its window. All decisions are made here,
//! under a lock that is held for a few instructions and never across an await.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Shared,
    refill::{LARGEST, Progress, Refill, USUAL},
    reservation::{Hold, Outcome},
};
use crate::{
    ids::{LeaseId, LicenseId},
    quota::{Meter, Window},
    store::LeaseGrant,
};

/// How long the answer "exhausted" is believed without asking again.
const BELIEVED: Duration = Duration::from_secs(1);

/// A block that is spent in less is followed by a larger one.
const BRISK: Duration = Duration::from_secs(1);

/// Whose count, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) license: LicenseId,
    pub(super) meter: Meter,
}

/// What a call takes from a meter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) key: Key,
    /// Of the window.
    pub(super) limit: u32,
    /// Units; at least one.
    pub(super) amount: u32,
}

/// A license's window as this process sees it.
#[derive(Default)]
pub(super) struct Entry(Mutex<State>);

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    exhausted: Option<Exhaustion>,
    refill: Option<watch::Receiver<Progress>>,
    in_flight: u32,
    touched: Duration,
    /// The last block: how large it could be, and when it came.
    last: Option<(u32, Duration)>,
    /// Nobody may use this entry any more; there is, or will be, another.
    retired: bool,
}

/// Units of one window that are leased to this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) id: LeaseId,
    pub(super) window: Window,
    /// The limit under which the units were granted.
    limit: u32,
    /// Spent or leased by anybody when they were granted.
    used: u64,
    pub(super) unspent: u32,
}

#[derive(Clone, Copy)]
struct Exhaustion {
    window: Window,
    limit: u32,
    /// So much was not there; less may be.
    amount: u32,
    until: Duration,
}

/// What time it is.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) window: Window,
    pub(super) monotonic: Duration,
}

/// What a caller is to do next.
pub(super) enum Step {
    Granted(Hold),
    Exhausted,
    /// Look the entry up again.
    Retired,
    /// Somebody fetches a block already.
    Wait(watch::Receiver<Progress>),
    /// Start this, and wait for it.
    Refill(Refill, watch::Receiver<Progress>),
}

impl Lease {
    /// May so much be taken from the block under this limit?
    fn serves(&self, want: &Want, window: Window) -> bool {
        let others = self.used.saturating_sub(u64::from(self.unspent));
        self.window == window
            && self.unspent >= want.amount
            // Granted under a higher limit: what others have used since is not known.
            && self.limit <= want.limit
            // Refunded units of a window that a lowered limit has closed.
            && others.saturating_add(u64::from(want.amount)) <= u64::from(want.limit)
    }
}

impl Exhaustion {
    fn holds_for(&self, want: &Want, moment: Moment) -> bool {
        self.window == moment.window
            && want.limit <= self.limit
            && want.amount >= self.amount
            && moment.monotonic < self.until
    }
}

impl State {
    /// Twice the last block when that was spent within a second.
    fn next_most(&self, now: Duration) -> u32 {
        match self.last {
            Some((most, came)) if now.saturating_sub(came) < BRISK => (most * 2).min(LARGEST),
            _ => USUAL,
        }
    }
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Units of a window that are leased to this process and not spent.
    pub(super) fn held(&self, window: Window) -> u64 {
        let state = self.state();
        let lease = state.lease.filter(|lease| lease.window == window);
        lease.map_or(0, |lease| u64::from(lease.unspent))
    }

    pub(super) fn step(self: &Arc<Self>, want: &Want, moment: Moment, shared: &Shared) -> Step {
        let mut state = self.state();
        if state.retired {
            return Step::Retired;
        }
        state.touched = moment.monotonic;
        if let Some(lease) = &mut state.lease
            && lease.serves(want, moment.window)
        {
            lease.unspent -= want.amount;
            let id = lease.id;
            state.in_flight += 1;
            return Step::Granted(Hold::new(Arc::clone(self), id, want.amount));
        }
        let spent = state.exhausted.as_ref();
        if spent.is_some_and(|spent| spent.holds_for(want, moment)) {
            return Step::Exhausted;
        }
        if let Some(progress) = &state.refill {
            return Step::Wait(progress.clone());
        }
        let past = state.lease.take_if(|lease| lease.window != moment.window);
        let lease = state.lease.get_or_insert_with(|| Lease {
            id: LeaseId::generate(shared.clock.now(), &*shared.entropy),
            window: moment.window,
            limit: want.limit,
            used: u64::MAX,
            unspent: 0,
        });
        let unspent = std::mem::take(&mut lease.unspent);
        let current = *lease;
        let most = state.next_most(moment.monotonic);
        let (report, progress) = watch::channel(Progress::UnderWay);
        state.refill = Some(progress.clone());
        let refill = Refill {
            entry: Arc::clone(self),
            want: *want,
            lease: current.id,
            window: current.window,
            most,
            unspent,
            past,
            report,
        };
        Step::Refill(refill, progress)
    }

    /// A block has come. `monotonic`: when.
    pub(super) fn granted(&self, refill: &Refill, grant: LeaseGrant, monotonic: Duration) {
        let mut state = self.state();
        state.refill = None;
        state.last = Some((refill.most, monotonic));
        let want = &refill.want;
        if grant.granted == 0 {
            state.exhausted = Some(Exhaustion {
                window: refill.window,
                limit: want.limit,
                amount: want.amount,
                until: monotonic + BELIEVED,
            });
        } else {
            // That there was not enough for a larger call stays believed.
            state.exhausted.take_if(|spent| spent.amount <= want.amount);
        }
        if let Some(lease) = &mut state.lease
            && lease.id == refill.lease
        {
            lease.unspent += grant.granted;
            lease.used = grant.used;
            lease.limit = want.limit;
        }
    }

    /// No block has come. It may still be that the database has counted one; then it stays spent.
    pub(super) fn refused(&self) {
        self.state().refill = None;
    }

    pub(super) fn finish(&self, id: LeaseId, amount: u32, outcome: Outcome) {
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        // A refund to a lease that was closed, as when its window has passed, is void.
        if outcome == Outcome::Refunded
            && let Some(lease) = state.lease.as_mut().filter(|lease| lease.id == id)
        {
            lease.unspent += amount;
            // Together with what is free elsewhere it may suffice for a larger call.
            state.exhausted = None;
        }
    }

    pub(super) fn retire_if_idle(&self, now: Duration, idle: Duration) -> bool {
        let mut state = self.state();
        let quiet = now.saturating_sub(state.touched) >= idle;
        if quiet && state.in_flight == 0 && state.refill.is_none() {
            state.retired = true;
        }
        state.retired
    }

    pub(super) fn retire(&self) -> Option<Lease> {
        let mut state = self.state();
        state.retired = true;
        state.lease.take()
    }

    pub(super) fn take(&self) -> Option<Lease> {
        self.state().lease.take()
    }

    pub(super) fn take_past(&self, current: Window) -> Option<Lease> {
        let mut state = self.state();
        if state.refill.is_some() {
            return None;
        }
        state.lease.take_if(|lease| lease.window != current)
    }
}
