//! What one call took: a unit or more from each meter that its license is limited by.

use std::sync::Arc;

use super::entry::Entry;
use crate::{ids::LeaseId, quota::Meter};

/// What became of what was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Spent,
    Refunded,
}

/// Units that were taken from one lease.
pub(super) struct Hold {
    entry: Arc<Entry>,
    lease: LeaseId,
    amount: u32,
}

impl Hold {
    pub(super) const fn new(entry: Arc<Entry>, lease: LeaseId, amount: u32) -> Self {
        Self {
            entry,
            lease,
            amount,
        }
    }
}

/// A call that is being put together. Dropped, everything goes back.
pub(super) struct Collecting(Reservation);

impl Collecting {
    pub(super) const fn nothing() -> Self {
        Self(Reservation {
            holds: [const { None }; Meter::ALL.len()],
            outcome: Outcome::Refunded,
        })
    }

    pub(super) fn add(&mut self, meter: Meter, hold: Hold) {
        self.0.holds[meter as usize] = Some(hold);
    }

    /// All of it is there.
    pub(super) fn complete(mut self) -> Reservation {
        self.0.outcome = Outcome::Spent;
        self.0
    }
}

/// One call that is taken from the license's windows. Dropped, it is spent.
#[must_use = "dropped, the call is spent"]
pub struct Reservation {
    holds: [Option<Hold>; Meter::ALL.len()],
    outcome: Outcome,
}

impl Reservation {
    /// The call was made, or may have been.
    pub fn settle(self) {
        drop(self);
    }

    /// The call provably never left us: the license has all of it again, unless the window is over.
    pub fn refund(mut self) {
        self.outcome = Outcome::Refunded;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for hold in self.holds.iter_mut().filter_map(Option::take) {
            hold.entry.finish(hold.lease, hold.amount, self.outcome);
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let leases = self.holds.iter().flatten().map(|hold| hold.lease);
        f.debug_list().entries(leases).finish()
    }
}
