//! What each license did with each tool since it was last written: added up in memory, written every
//! few seconds and at the end. Feeds invoices; decides nothing. What a process that is killed had not
//! written is lost; the charged windows are not: see [`super::Ledger`].

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    clock::{Clock, Day},
    entropy::Entropy,
    ids::{LicenseId, UsageBatchId},
    names::ToolName,
    store::{Store, ToolUsage, UsageBatch},
};

/// Most rows that are added up or wait to be written; of further ones only the number is known.
const MOST: usize = 100_000;
/// So many rows are written at once, without waiting for the next turn.
const LARGE: usize = 5_000;
/// Most rows in one transaction: each is a statement, and all of them have one deadline.
const BATCH: usize = 50;

/// How a call of a license ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It was answered.
    Answered,
    /// It has no answer, but may have reached the upstream.
    Failed,
    /// A limit refused it; it cost nothing.
    Refused,
}

/// Adds up what licenses did.
#[derive(Default)]
pub struct UsageLog {
    state: Mutex<State>,
    large: Notify,
}

#[derive(Default)]
struct State {
    sums: HashMap<(LicenseId, Day), HashMap<ToolName, Sum>>,
    /// How many sums there are.
    rows: usize,
    /// Batches that the store has not taken yet.
    waiting: Vec<UsageBatch>,
    /// Calls that found no room.
    lost: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    answered: u64,
    failed: u64,
    refused: u64,
    cost: u64,
}

impl Sum {
    fn add(&mut self, happened: Happened, cost: u32) {
        let (count, cost) = match happened {
            Happened::Answered => (&mut self.answered, cost),
            Happened::Failed => (&mut self.failed, cost),
            Happened::Refused => (&mut self.refused, 0),
        };
        *count += 1;
        self.cost += u64::from(cost);
    }
}

/// Batches that are being written. Those that are left when it is dropped wait again.
struct Writing<'a> {
    log: &'a UsageLog,
    batches: Vec<UsageBatch>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.batches.is_empty() {
            self.log.state().waiting.append(&mut self.batches);
        }
    }
}

impl UsageLog {
    /// Notes a call. Once a tool is known for the day, nothing is copied or allocated.
    pub fn note(
        &self,
        license: LicenseId,
        day: Day,
        tool: &ToolName,
        happened: Happened,
        cost: u32,
    ) {
        let mut state = self.state();
        if let Some(sum) = state
            .sums
            .get_mut(&(license, day))
            .and_then(|tools| tools.get_mut(tool))
        {
            sum.add(happened, cost);
            return;
        }
        if state.rows + state.waiting.len() * BATCH >= MOST {
            state.lost += 1;
            return;
        }
        let tools = state.sums.entry((license, day)).or_default();
        tools.entry(tool.clone()).or_default().add(happened, cost);
        state.rows += 1;
        if state.rows == LARGE {
            self.large.notify_one();
        }
    }

    /// Waits until there is so much that it should be written now.
    pub async fn is_large(&self) {
        self.large.notified().await;
    }

    /// Writes what was noted, whose batches are then known by their ids. What the store does not take
    /// is kept and sent again as it was, so that it counts once whatever became of the first try.
    pub async fn write(&self, store: &Store, clock: &dyn Clock, entropy: &dyn Entropy) {
        let now = clock.now();
        let mut writing = Writing {
            log: self,
            batches: self.take(|| UsageBatchId::generate(now, entropy)),
        };
        while let Some(batch) = writing.batches.last() {
            if let Err(error) = store.add_usage(batch, now).await {
                tracing::warn!(%error, batches = writing.batches.len(), "usage.not_written");
                return;
            }
            writing.batches.pop();
        }
    }

    fn take(&self, id: impl Fn() -> UsageBatchId) -> Vec<UsageBatch> {
        let mut state = self.state();
        let (sums, lost) = (mem::take(&mut state.sums), mem::take(&mut state.lost));
        let mut batches = mem::take(&mut state.waiting);
        state.rows = 0;
        drop(state);
        if lost > 0 {
            tracing::error!(calls = lost, "usage.lost: no room to add up");
        }
        let mut rows: Vec<_> = sums.into_iter().flat_map(rows_of).collect();
        // In one order everywhere, so that two replicas never wait for each other's rows.
        rows.sort_unstable_by(|a, b| (a.day, a.license, &a.tool).cmp(&(b.day, b.license, &b.tool)));
        batches.extend(rows.chunks(BATCH).map(|rows| UsageBatch {
            id: id(),
            rows: rows.to_vec(),
        }));
        batches
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rows_of(
    ((license, day), tools): ((LicenseId, Day), HashMap<ToolName, Sum>),
) -> impl Iterator<Item = ToolUsage> {
    tools.into_iter().map(move |(tool, sum)| ToolUsage {
        day,
        license,
        tool,
        answered: sum.answered,
        failed: sum.failed,
        refused: sum.refused,
        cost: sum.cost,
    })
}

#[cfg(test)]
mod tests;
