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
        if Instant::now() + PAUSE >= self.until {
            return Again::No;
        }
        tokio::time::sleep(PAUSE).await;
        Again::Yes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_absent_store_is_waited_for_but_not_for_ever() {
        let asked = AtomicU32::new(0);
        let away = || async { Err::<(), _>(StoreError::Unavailable("away".into())) };
        let began = Instant::now();
        assert!(Patience::new().ask(away).await.is_err());
        assert!(began.elapsed() <= WHOLE && began.elapsed() > WHOLE / 2);

        let back = || async {
            match asked.fetch_add(1, Ordering::SeqCst) {
                0..=2 => Err(StoreError::Unavailable("away".into())),
                count => Ok(count),
            }
        };
        assert_eq!(Patience::new().ask(back).await, Ok(3));
        let damaged = || async { Err::<(), _>(StoreError::Corrupt("x")) };
        let began = Instant::now();
        assert!(Patience::new().ask(damaged).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
