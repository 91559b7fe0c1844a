//! Limits within one process: a GCRA per key by `governor`, on our own clock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use governor::{
    Quota, RateLimiter, clock::Clock as GovernorClock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};

use super::BucketKey;
use crate::{
    clock::SharedClock,
    quota::{Exhausted, Rate, Tier},
};

type Buckets =
    RateLimiter<BucketKey, DashMapStateStore<BucketKey>, MonotonicClock, NoOpMiddleware<Nanos>>;

/// `governor` reads the injected clock.
#[derive(Clone)]
struct MonotonicClock(SharedClock);

impl GovernorClock for MonotonicClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        // An hour ahead of zero: `governor` subtracts from the first instants.
        Nanos::from(self.0.monotonic() + Duration::from_hours(1))
    }
}

/// Buckets by tier and rate. A rate that a reload did not change keeps its buckets.
pub struct LocalLimiter {
    clock: SharedClock,
    by_rate: ArcSwap<HashMap<(Tier, Rate), Arc<Buckets>>>,
}

impl LocalLimiter {
    /// All buckets full.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            by_rate: ArcSwap::default(),
        }
    }

    /// Takes one.
    pub fn take(&self, tier: Tier, rate: Rate, key: &BucketKey) -> Result<(), Exhausted> {
        let buckets = self.buckets(tier, rate);
        buckets.check_key(key).map_err(|until| Exhausted {
            tier,
            retry_after: until.wait_time_from(MonotonicClock(Arc::clone(&self.clock)).now()),
        })
    }

    fn buckets(&self, tier: Tier, rate: Rate) -> Arc<Buckets> {
        let known = self.by_rate.load();
        if let Some(buckets) = known.get(&(tier, rate)) {
            return Arc::clone(buckets);
        }
        let period = rate.per / rate.count.get();
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
            .unwrap_or(Quota::per_second(rate.count))
            .allow_burst(rate.count);
        let clock = MonotonicClock(Arc::clone(&self.clock));
        let fresh = Arc::new(RateLimiter::dashmap_with_clock(quota, clock));
        let mut chosen = Arc::clone(&fresh);
        // Two callers may meet here first; both must end with the same buckets.
        self.by_rate.rcu(|known| {
            let mut next = HashMap::clone(known);
            chosen = Arc::clone(
                next.entry((tier, rate))
                    .or_insert_with(|| Arc::clone(&fresh)),
            );
            next
        });
        chosen
    }

    /// Forgets full buckets.
    pub fn sweep(&self) {
        for buckets in self.by_rate.load().values() {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }

    /// How many keys are held.
    pub fn keys(&self) -> usize {
        self.by_rate
            .load()
            .values()
            .map(|buckets| buckets.len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    fn limiter() -> (Arc<ManualClock>, LocalLimiter) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        (Arc::clone(&clock), LocalLimiter::new(clock))
    }

    #[test]
    fn the_burst_is_exact_and_the_wait_truthful() {
        let (clock, limiter) = limiter();
        let rate: Rate = "60/min".parse().unwrap();
        let take = |key| limiter.take(Tier::Session, rate, &[key; 16]);
        for _ in 0..60 {
            assert_eq!(take(1), Ok(()));
        }
        let refused = take(1).unwrap_err();
        assert_eq!(
            (refused.tier, refused.retry_after_seconds()),
            (Tier::Session, 1)
        );
        assert_eq!(take(2), Ok(()), "another key has its own bucket");
        clock.advance(refused.retry_after);
        assert_eq!(take(1), Ok(()));
        assert!(take(1).is_err());
    }

    #[test]
    fn q_03_a_wall_clock_that_jumps_changes_nothing() {
        let (clock, limiter) = limiter();
        let rate: Rate = "2/min".parse().unwrap();
        let take = || limiter.take(Tier::Session, rate, &[1; 16]).is_ok();
        assert!(take() && take());
        for hours in [1, -1, 1_000, -1_000] {
            clock.set_wall(Timestamp::from_millis(hours * 3_600_000));
            assert!(!take());
        }
    }

    #[test]
    fn q_14_full_buckets_are_forgotten_and_a_rate_keeps_its_own() {
        let (clock, limiter) = limiter();
        let rate: Rate = "60/min".parse().unwrap();
        for key in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&key.to_be_bytes());
            assert!(limiter.take(Tier::Session, rate, &bytes).is_ok());
        }
        assert_eq!(limiter.keys(), 10_000);
        limiter.sweep();
        assert_eq!(
            limiter.keys(),
            10_000,
            "a bucket in use is not refilled by forgetting it"
        );
        clock.advance(Duration::from_mins(2));
        limiter.sweep();
        assert_eq!(limiter.keys(), 0);
    }
}
