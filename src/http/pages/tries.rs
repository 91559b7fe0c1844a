//! How often somebody may try a license key: five times for one request to sign in, with growing
//! waits between. Kept in this process, for a bounded number of requests.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::SharedClock;

/// The wait after the first try, the second, and so on; the last is for all further ones too.
const WAITS: [u64; 5] = [0, 2, 4, 8, 900];
/// Most requests that are remembered. Addresses are limited besides.
const MOST: usize = 10_000;

/// Counts tries.
pub(super) struct Tries {
    clock: SharedClock,
    open: Mutex<HashMap<[u8; 16], Tried>>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    times: usize,
    /// When the next try may come, by the monotonic clock.
    next: Duration,
}

impl Tries {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            open: Mutex::default(),
        }
    }

    /// Counts a try, or says how long to wait. Counted before the key is looked at, so that many
    /// at once are not one.
    pub(super) fn take(&self, which: [u8; 16]) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = Duration::from_secs(WAITS[WAITS.len() - 1]);
        let tried = open.get(&which).copied();
        let tried = tried.filter(|tried| tried.next + forgotten > now);
        let times = match tried {
            Some(tried) if now < tried.next => return Err(tried.next.saturating_sub(now)),
            // After the longest wait it begins anew.
            Some(tried) if tried.times < WAITS.len() => tried.times,
            Some(_) | None => 0,
        };
        if open.len() >= MOST && !open.contains_key(&which) {
            open.retain(|_, tried| tried.next > now);
            let soonest = open.iter().min_by_key(|(_, tried)| tried.next);
            if open.len() >= MOST
                && let Some(soonest) = soonest.map(|(which, _)| *which)
            {
                open.remove(&soonest);
            }
        }
        let wait = Duration::from_secs(WAITS[times]);
        let next = Tried {
            times: times + 1,
            next: now + wait,
        };
        open.insert(which, next);
        Ok(())
    }

    /// The key was good.
    pub(super) fn forget(&self, which: [u8; 16]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&which);
    }

    /// How long until the next try.
    pub(super) fn wait(&self, which: [u8; 16]) -> Duration {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let next = open.get(&which).map_or(Duration::ZERO, |tried| tried.next);
        next.saturating_sub(self.clock.monotonic())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    #[test]
    fn five_tries_with_growing_waits_then_a_long_one() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        clock.advance(Duration::from_hours(1));
        let tries = Tries::new(Arc::<ManualClock>::clone(&clock));
        for wait in WAITS {
            assert_eq!(tries.take([1; 16]), Ok(()));
            let wait = Duration::from_secs(wait);
            assert_eq!(tries.wait([1; 16]), wait);
            if !wait.is_zero() {
                assert_eq!(tries.take([1; 16]), Err(wait));
            }
            assert_eq!(tries.take([2; 16]), Ok(()), "another is another");
            tries.forget([2; 16]);
            clock.advance(wait);
        }
        assert_eq!(tries.take([1; 16]), Ok(()), "it begins anew");
        assert_eq!(tries.wait([1; 16]), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tries = Tries::new(Arc::new(ManualClock::new(Timestamp::from_millis(0))));
        for number in 0..11_000_u32 {
            let mut which = [0; 16];
            which[..4].copy_from_slice(&number.to_be_bytes());
            for _ in 0..2 {
                assert_eq!(tries.take(which), Ok(()));
            }
        }
        assert_eq!(tries.open.lock().unwrap().len(), MOST);
    }
}
