//! Short-window limits: so many in a minute, by key. What must be exact over days is in the ledger.

pub mod local;

use crate::quota::{Exhausted, Rate, Tier};

pub use local::LocalLimiter;

/// What a bucket counts by.
pub type BucketKey = [u8; 16];

/// Where the windows are kept. A closed set, so an enum: the compiler names every place that a
/// further one concerns.
pub enum Limiter {
    /// In this process.
    Local(LocalLimiter),
}

impl Limiter {
    /// Takes one from the bucket of `key` in `tier`, or says when one will be there.
    pub fn take(&self, tier: Tier, rate: Rate, key: &BucketKey) -> Result<(), Exhausted> {
        match self {
            Self::Local(local) => local.take(tier, rate, key),
        }
    }

    /// Forgets buckets that are full again. Call it by a timer.
    pub fn sweep(&self) {
        match self {
            Self::Local(local) => local.sweep(),
        }
    }
}
