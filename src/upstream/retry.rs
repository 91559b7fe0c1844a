//! When a call is tried again: only if that is harmless, soon, and not for everybody at once.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{
    config::rest::{ReadOnly, Repeat},
    entropy::Entropy,
};

/// First pause before another attempt; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause, also when the upstream names one: a longer one is the caller's to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What one more attempt costs, in calls.
const PRICE: u32 = 10;

/// Most that is saved up, in calls.
const MOST_SAVED: u32 = 100;

/// May a failed attempt be followed by another?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would not help, or the answer had begun.
    Never,
    /// After the usual pause.
    Soon,
    /// After at least this long, as the upstream said.
    After(Duration),
}

/// How many attempts may follow the first one.
pub const fn most_retries(read_only: ReadOnly, repeat: Repeat, configured: u32) -> u32 {
    match (read_only, repeat) {
        (ReadOnly::Yes, _) | (_, Repeat::Idempotent) => configured,
        (ReadOnly::No, Repeat::Unsafe) => 0,
    }
}

/// How long to wait before attempt `done + 1`; none: do not try.
pub fn pause(again: Again, done: u32, entropy: &dyn Entropy) -> Option<Duration> {
    let least = match again {
        Again::Never => return None,
        Again::Soon => Duration::ZERO,
        Again::After(span) if span > LONGEST_PAUSE => return None,
        Again::After(span) => span,
    };
    let doubled = FIRST_PAUSE.saturating_mul(1 << done.saturating_sub(1).min(16));
    let most = doubled.min(LONGEST_PAUSE);
    let mut random = [0; 1];
    entropy.fill(&mut random);
    // Between half of it and the whole.
    let jittered = most / 2 + most.saturating_mul(u32::from(random[0])) / 512;
    Some(least + jittered)
}

/// Bounds the further attempts at one upstream to a tenth of its calls, after ten to begin with.
#[derive(Debug)]
pub struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST_SAVED))
    }
}

impl RetryBudget {
    /// A call has begun.
    pub fn save(&self) {
        if self.0.load(Ordering::Relaxed) < MOST_SAVED {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pays for one more attempt, if there is enough.
    pub fn spend(&self) -> bool {
        let paid = |saved: u32| saved.checked_sub(PRICE);
        let spent = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
        spent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn only_harmless_calls_are_tried_again() {
        assert_eq!(most_retries(ReadOnly::No, Repeat::Unsafe, 3), 0);
        assert_eq!(most_retries(ReadOnly::No, Repeat::Idempotent, 3), 3);
        assert_eq!(most_retries(ReadOnly::Yes, Repeat::Unsafe, 3), 3);
    }

    #[test]
    fn pauses_grow_vary_and_stay_short() {
        let entropy = SeededEntropy::new(1);
        let span = |again, done| pause(again, done, &entropy);
        for _ in 0..50 {
            let first = span(Again::Soon, 1).unwrap().as_millis();
            assert!((50..=100).contains(&first), "{first}");
            let late = span(Again::Soon, 30).unwrap();
            assert!(late <= LONGEST_PAUSE);
        }
        assert_eq!(span(Again::Never, 1), None);
        assert!(span(Again::After(Duration::from_secs(1)), 1).unwrap() > Duration::from_secs(1));
        assert_eq!(span(Again::After(Duration::from_secs(3)), 1), None);
    }

    #[test]
    fn further_attempts_are_a_tenth_of_the_calls() {
        let budget = RetryBudget::default();
        while budget.spend() {}
        let mut attempts = 0;
        for _ in 0..1_000 {
            budget.save();
            attempts += u32::from(budget.spend());
        }
        assert_eq!(attempts, 100);
    }
}
