//! Limits within one process: a GCRA per key by `governor`, on our own clock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use governor::{
    Quota, RateLimiter, clock::Clock as GovernorClock, middleware::StateInformationMiddleware,
    nanos::Nanos, state::keyed::DashMapStateStore,
};

use super::{
    claim::{AtOnce, Bucket, BucketKey, Claim, Place, Standing},
    told::Told,
};
use crate::{
    clock::SharedClock,
    quota::{Exhausted, Rate, Tier, WindowLevel},
};

type Buckets = RateLimiter<
    BucketKey,
    DashMapStateStore<BucketKey>,
    MonotonicClock,
    StateInformationMiddleware,
>;

/// What is said when nobody can know how long a place takes to come free.
pub(super) const PLACE_SOON: Duration = Duration::from_secs(1);

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
    /// How many of an owner run at once; none without any.
    running: Arc<DashMap<BucketKey, u32>>,
    told: Told,
}

impl LocalLimiter {
    /// All buckets full.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            by_rate: ArcSwap::default(),
            running: Arc::default(),
            told: Told::new(),
        }
    }

    /// Takes what is claimed; see [`Claim`].
    pub fn take(&self, claim: &Claim) -> Result<Standing, Exhausted> {
        let mut standing = Standing::default();
        for (bucket, window) in claim.buckets().zip(&mut standing.windows) {
            *window = Some(self.take_one(&bucket)?);
        }
        if let Some(at_once) = claim.at_once {
            standing.place = Some(self.place(claim.owner, at_once)?);
        }
        Ok(standing)
    }

    /// Is this bucket known to be empty?
    pub(super) fn told(&self, bucket: &Bucket) -> Option<Exhausted> {
        self.told.still(bucket, self.clock.monotonic())
    }

    fn take_one(&self, bucket: &Bucket) -> Result<WindowLevel, Exhausted> {
        let Bucket { tier, rate, key } = *bucket;
        let taken = self.buckets(tier, rate).check_key(&key);
        let snapshot = taken.map_err(|until| {
            let now = MonotonicClock(Arc::clone(&self.clock)).now();
            let retry_after = until.wait_time_from(now);
            self.told.note(bucket, retry_after, self.clock.monotonic());
            Exhausted { tier, retry_after }
        })?;
        let remaining = snapshot.remaining_burst_capacity();
        let spent = rate.count.get().saturating_sub(remaining);
        Ok(WindowLevel {
            tier,
            rate,
            remaining,
            reset: (rate.per / rate.count.get()).saturating_mul(spent),
        })
    }

    fn place(&self, owner: BucketKey, at_once: AtOnce) -> Result<Place, Exhausted> {
        let mut running = self.running.entry(owner).or_insert(0);
        if *running >= at_once.most.get() {
            return Err(Exhausted {
                tier: Tier::LicenseAtOnce,
                retry_after: PLACE_SOON,
            });
        }
        *running += 1;
        drop(running);
        let all = Arc::clone(&self.running);
        Ok(Place::new(move || {
            if let Some(mut running) = all.get_mut(&owner) {
                *running = running.saturating_sub(1);
            }
            all.remove_if(&owner, |_, running| *running == 0);
        }))
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
        let fresh = RateLimiter::dashmap_with_clock(quota, clock);
        let fresh = Arc::new(fresh.with_middleware::<StateInformationMiddleware>());
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
        let take = |key| limiter.take(&Claim::one(Tier::Session, rate, [key; 16]));
        for left in (0..60).rev() {
            let window = take(1).unwrap().windows[0].unwrap();
            assert_eq!(window.remaining, left);
            assert_eq!(window.reset, Duration::from_secs(60 - u64::from(left)));
        }
        let refused = take(1).unwrap_err();
        assert_eq!(
            (refused.tier, refused.retry_after_seconds()),
            (Tier::Session, 1)
        );
        assert!(take(2).is_ok(), "another key has its own bucket");
        clock.advance(refused.retry_after);
        assert!(take(1).is_ok());
        assert!(take(1).is_err());
    }

    #[test]
    fn q_03_a_wall_clock_that_jumps_changes_nothing() {
        let (clock, limiter) = limiter();
        let rate: Rate = "2/min".parse().unwrap();
        let take = || {
            let claim = Claim::one(Tier::Session, rate, [1; 16]);
            limiter.take(&claim).is_ok()
        };
        assert!(take() && take());
        for hours in [1, -1, 1_000, -1_000] {
            clock.set_wall(Timestamp::from_millis(hours * 3_600_000));
            assert!(!take());
        }
    }

    #[test]
    fn q_14_a_million_sessions_are_forgotten_when_full_and_not_before() {
        const KEYS: u32 = 1_000_000;
        let (clock, limiter) = limiter();
        let take = |rate: Rate, key: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&key.to_be_bytes());
            limiter
                .take(&Claim::one(Tier::Session, rate, bytes))
                .is_ok()
        };
        let (fast, slow): (Rate, Rate) = ("60/min".parse().unwrap(), "1/h".parse().unwrap());
        assert!(take(slow, 0) && !take(slow, 0));
        let mut most = 0;
        for key in 0..KEYS {
            assert!(take(fast, key));
            if key % 100_000 == 99_999 {
                // As the timer does. Two seconds later they are full, whoever they belong to.
                limiter.sweep();
                most = most.max(limiter.keys());
                assert!(!take(slow, 0), "a bucket in use is not refilled by a sweep");
                clock.advance(Duration::from_secs(2));
            }
        }
        println!("Q-14: {KEYS} sessions in ten rounds, at most {most} keys held");
        assert_eq!(most, 100_001);
        clock.advance(Duration::from_mins(2));
        limiter.sweep();
        assert_eq!(limiter.keys(), 1, "that of the hour");
        clock.advance(Duration::from_hours(3));
        limiter.sweep();
        assert_eq!(limiter.keys(), 0);
    }
}
