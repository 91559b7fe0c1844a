//! Fetches a block, in a task of its own: a caller that goes away takes nothing with it.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    Shared,
    entry::{Entry, Lease, Want},
};
use crate::{ids::LeaseId, quota::Window, store::LeaseRequest};

/// The largest block of a license that calls at a human pace, in calls like the one that waits.
pub(super) const USUAL: u32 = 50;
/// The largest block at all. A license that spends blocks by the second gets larger ones, so that
/// it does not ask the database by the millisecond; they stay within one per cent of its rest.
pub(super) const LARGEST: u32 = 1_000;

/// How far a refill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    UnderWay,
    Done,
    Failed,
}

/// A wish for a block. One per license and meter at a time.
pub(super) struct Refill {
    pub(super) entry: Arc<Entry>,
    pub(super) want: Want,
    pub(super) lease: LeaseId,
    pub(super) window: Window,
    /// The largest block wanted, in calls.
    pub(super) most: u32,
    /// Unspent units that are given back with the wish.
    pub(super) unspent: u32,
    /// The lease of a window that is over.
    pub(super) past: Option<Lease>,
    pub(super) report: watch::Sender<Progress>,
}

/// One per cent of what is left, but at most `most` calls of `amount` units each; or what is waited
/// for, at most fifty units beside the first call.
fn block(left: u32, waiting: usize, most: u32, amount: u32) -> u32 {
    let waiting = u32::try_from(waiting).unwrap_or(USUAL).min(USUAL);
    (left / 100)
        .min(most.saturating_mul(amount))
        .max(waiting.saturating_mul(amount).min(USUAL))
        .max(amount)
}

impl Refill {
    pub(super) async fn run(self, shared: Arc<Shared>) {
        let refill = Ending(self);
        let want = refill.0.want;
        let wish = LeaseRequest {
            lease: refill.0.lease,
            license: want.key.license,
            meter: want.key.meter,
            window: refill.0.window,
            limit: want.limit,
            need: want.amount,
            unspent: refill.0.unspent,
            replica: shared.replica,
            now: shared.clock.now(),
        };
        // One receiver is the entry's own.
        let waiting = || refill.0.report.receiver_count().saturating_sub(1);
        let grant = shared
            .store
            .lease_calls(&wish, |left| {
                block(left, waiting(), refill.0.most, want.amount)
            })
            .await;
        match grant {
            Ok(grant) => {
                let now = shared.clock.monotonic();
                refill.0.entry.granted(&refill.0, grant, now);
                refill.0.report.send_replace(Progress::Done);
            }
            Err(error) => {
                tracing::warn!(%error, "no block of calls from the database");
                refill.0.entry.refused();
                refill.0.report.send_replace(Progress::Failed);
            }
        }
        if let Some(past) = refill.0.past {
            shared.give_back(vec![past]).await;
        }
    }
}

/// Whatever ends the task, also a panic: the next caller can try again.
struct Ending(Refill);

impl Drop for Ending {
    fn drop(&mut self) {
        if *self.0.report.borrow() == Progress::UnderWay {
            self.0.entry.refused();
            self.0.report.send_replace(Progress::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, USUAL, block};

    #[test]
    fn a_block_is_one_per_cent_or_what_is_waited_for() {
        assert_eq!(block(100_000, 1, USUAL, 1), 50);
        assert_eq!(block(2_000, 1, USUAL, 1), 20);
        assert_eq!(block(150, 1, USUAL, 1), 1);
        assert_eq!(block(0, 0, USUAL, 1), 1);
        assert_eq!(block(150, 30, USUAL, 1), 30);
        assert_eq!(block(150, 5_000, USUAL, 1), 50);
        assert_eq!(block(10_000_000, 1, LARGEST, 1), 1_000);
        assert_eq!(block(2_000, 1, LARGEST, 1), 20);
        assert_eq!(block(150, 5_000, LARGEST, 1), 50);
    }

    #[test]
    fn a_block_of_costly_calls_holds_as_many_of_them() {
        assert_eq!(block(100_000, 1, USUAL, 7), 350);
        assert_eq!(block(1_000, 1, USUAL, 7), 10);
        assert_eq!(block(100, 1, USUAL, 7), 7);
        assert_eq!(block(100, 30, USUAL, 7), 50);
        assert_eq!(block(100, 30, USUAL, 90), 90);
        assert_eq!(block(u32::MAX, 1, LARGEST, u32::MAX), u32::MAX);
    }
}
