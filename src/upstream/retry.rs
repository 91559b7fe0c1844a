//! When a call is tried again: only if that is harmless, soon, and not for everybody at once.

use std::{
    sync::{Mutex, PoisonError},
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

/// The calls of so many seconds are what further attempts are a share of.
const WINDOW: usize = 10;

/// One further attempt to so many calls.
const SHARE: u32 = 10;

/// In each window so many are allowed besides, for an upstream that is seldom called.
const BESIDES: u32 = 10;

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

/// Bounds the further attempts at one upstream in any ten seconds to a tenth of its calls in them, and
/// ten besides.
#[derive(Debug, Default)]
pub struct RetryBudget(Mutex<[Second; WINDOW]>);

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    number: u64,
    calls: u32,
    retries: u32,
}

impl RetryBudget {
    /// A call has begun; `now` is monotonic.
    pub fn save(&self, now: Duration) {
        self.with(now, |seconds, at| {
            seconds[at].calls = seconds[at].calls.saturating_add(1);
        });
    }

    /// Pays for one more attempt, if there is enough.
    pub fn spend(&self, now: Duration) -> bool {
        self.with(now, |seconds, at| {
            let oldest = (now.as_secs() + 1).saturating_sub(WINDOW as u64);
            let recent = seconds.iter().filter(|second| second.number >= oldest);
            let (calls, retries) = recent.fold((0_u32, 0_u32), |(calls, retries), second| {
                (
                    calls.saturating_add(second.calls),
                    retries.saturating_add(second.retries),
                )
            });
            let is_enough = retries < calls / SHARE + BESIDES;
            seconds[at].retries += u32::from(is_enough);
            is_enough
        })
    }

    fn with<T>(&self, now: Duration, act: impl FnOnce(&mut [Second; WINDOW], usize) -> T) -> T {
        let number = now.as_secs();
        let at = usize::try_from(number % WINDOW as u64).unwrap_or(0);
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seconds[at].number != number {
            seconds[at] = Second {
                number,
                ..Second::default()
            };
        }
        act(&mut seconds, at)
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
    fn further_attempts_are_a_tenth_of_the_calls_of_ten_seconds_and_ten() {
        let budget = RetryBudget::default();
        let mut retries = Vec::new();
        // An upstream that fails always: a hundred calls in each second, each wants another attempt.
        for second in 0..60 {
            let mut granted = 0;
            for _ in 0..100 {
                budget.save(Duration::from_secs(second));
                granted += u32::from(budget.spend(Duration::from_secs(second)));
            }
            retries.push(granted);
            let window = &retries[retries.len().saturating_sub(WINDOW)..];
            let calls = 100 * u32::try_from(window.len()).unwrap();
            assert!(window.iter().sum::<u32>() <= calls / SHARE + BESIDES);
        }
        let all: u32 = retries.iter().sum();
        println!("60 s at 100 calls/s, all failing: 6000 calls, {all} further attempts");
        assert!((540..=660).contains(&all), "{all}");
    }

    #[test]
    fn what_was_not_used_is_not_saved_up_and_a_seldom_upstream_has_some() {
        let budget = RetryBudget::default();
        for _ in 0..10_000 {
            budget.save(Duration::ZERO);
        }
        let later = Duration::from_secs(10);
        budget.save(later);
        let granted = (0..100).filter(|_| budget.spend(later)).count();
        assert_eq!(granted, 10);
    }
}
