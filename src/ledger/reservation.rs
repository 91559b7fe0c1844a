//! One call that is taken from the day.

use std::sync::Arc;

use super::entry::Entry;
use crate::ids::LeaseId;

/// What became of a reserved call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Spent,
    Refunded,
}

/// One call that is taken from the day. Dropped, it is spent.
#[must_use = "dropped, the call is spent"]
pub struct Reservation {
    entry: Arc<Entry>,
    lease: LeaseId,
    outcome: Outcome,
}

impl Reservation {
    pub(super) const fn new(entry: Arc<Entry>, lease: LeaseId) -> Self {
        Self {
            entry,
            lease,
            outcome: Outcome::Spent,
        }
    }

    /// The call was made, or may have been.
    pub fn settle(self) {
        drop(self);
    }

    /// The call provably never left us: the license has it again, unless its day is over.
    pub fn refund(mut self) {
        self.outcome = Outcome::Refunded;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.entry.finish(self.lease, self.outcome);
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
