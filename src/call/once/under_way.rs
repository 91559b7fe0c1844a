//! Which of these calls this process sends now, so that whoever waits for one here need not ask the
//! store again and again.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::{sync::watch, time::sleep};

use crate::crypto::TokenDigest;

/// The calls that this process sends now: no more than there are calls in flight.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<DashMap<TokenDigest, watch::Receiver<()>>>);

/// One of them, as long as this lives.
#[derive(Debug)]
pub(super) struct Running {
    all: UnderWay,
    row: TokenDigest,
    /// Dropped, it wakes whoever waits.
    _ending: watch::Sender<()>,
}

impl UnderWay {
    pub(super) fn enter(&self, row: TokenDigest) -> Running {
        let (ending, ended) = watch::channel(());
        self.0.insert(row, ended);
        Running {
            all: self.clone(),
            row,
            _ending: ending,
        }
    }

    /// Waits so long, or until the call is over if this process sends it.
    pub(super) async fn wait(&self, row: &TokenDigest, most: Duration) {
        let ended = self.0.get(row).map(|entry| entry.value().clone());
        match ended {
            // Either way the store is asked next.
            Some(mut ended) => drop(tokio::time::timeout(most, ended.changed()).await),
            None => sleep(most).await,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.0.remove(&self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_call_wakes_who_waits_for_it() {
        let (all, row) = (UnderWay::default(), TokenDigest::from_bytes([1; 32]));
        let running = all.enter(row);
        let other = all.clone();
        let waiting = async move { other.wait(&row, Duration::from_hours(1)).await };
        let ending = async {
            tokio::task::yield_now().await;
            drop(running);
        };
        // It ends: nobody waits for an hour.
        tokio::join!(waiting, ending);
        assert!(all.0.is_empty());
        // Nobody sends it here: only time passes.
        all.wait(&row, Duration::from_millis(1)).await;
    }
}
