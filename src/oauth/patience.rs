//! Waits for a store that is away: clients take an error of ours for the end of their connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;

/// How long one request waits in all.
const WHOLE: Duration = Duration::from_secs(4);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What one request of a client has left to wait.
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
}

/// Is there time for another attempt?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Yes,
    No,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            until: Instant::now() + WHOLE,
            pause: PAUSE,
        }
    }

    /// Asks the store until it answers or the time is over. An attempt whose answer was lost may
    /// have been stored: what is asked must bear being asked twice.
    pub(super) async fn ask<T, F>(&self, ask: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Err(StoreError::Unavailable(why)) => {
                    if self.pause().await == Again::No {
                        return Err(StoreError::Unavailable(why));
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Waits before another attempt, if there is time for one.
    pub(super) async fn pause(&self) -> Again {
        if Instant::now() + self.pause >= self.until {
            return Again::No;
        }
        tokio::time::sleep(self.pause).await;
        Again::Yes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn of(whole: Duration) -> Patience {
        Patience {
            until: Instant::now() + whole,
            pause: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn an_absent_store_is_waited_for_but_not_for_ever() {
        let asked = AtomicU32::new(0);
        let away_till_the_fourth = || async {
            match asked.fetch_add(1, Ordering::SeqCst) {
                0..=2 => Err(StoreError::Unavailable("away".into())),
                count => Ok(count),
            }
        };
        assert_eq!(of(WHOLE).ask(away_till_the_fourth).await, Ok(3));
        asked.store(0, Ordering::SeqCst);
        let given_up = of(Duration::ZERO).ask(away_till_the_fourth).await;
        assert_eq!(given_up, Err(StoreError::Unavailable("away".into())));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // What will not be better in a moment is not asked again.
        asked.store(0, Ordering::SeqCst);
        let damaged = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(StoreError::Corrupt("x"))
        };
        let refused = of(WHOLE).ask(damaged).await;
        assert_eq!(refused, Err(StoreError::Corrupt("x")));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
