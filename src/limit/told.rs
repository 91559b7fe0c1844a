//! Remembers who was told to wait, so that a caller who does not is told again at the cost of a look.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use quick_cache::sync::Cache;

use super::claim::{Bucket, BucketKey};
use crate::quota::{Exhausted, Rate, Tier};

/// Most that are remembered.
const MOST: usize = 10_000;

/// Until when which bucket is empty.
pub(super) struct Told {
    until: Cache<(Tier, BucketKey), (Rate, Duration)>,
    /// Was anybody ever told? Mostly nobody was, and then there is nothing to look up.
    any: AtomicBool,
}

impl Told {
    pub(super) fn new() -> Self {
        Self {
            until: Cache::new(MOST),
            any: AtomicBool::new(false),
        }
    }

    /// Is it still empty? `now`: the monotonic clock.
    pub(super) fn still(&self, bucket: &Bucket, now: Duration) -> Option<Exhausted> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let known = (bucket.tier, bucket.key);
        let (rate, until) = self.until.get(&known)?;
        let retry_after = until.saturating_sub(now);
        // Under another rate it may have something.
        if retry_after.is_zero() || rate != bucket.rate {
            self.until.remove(&known);
            return None;
        }
        Some(Exhausted {
            tier: bucket.tier,
            retry_after,
        })
    }

    /// It is empty for so long.
    pub(super) fn note(&self, bucket: &Bucket, wait: Duration, now: Duration) {
        let until = (bucket.rate, now + wait);
        self.until.insert((bucket.tier, bucket.key), until);
        self.any.store(true, Ordering::Relaxed);
    }
}
