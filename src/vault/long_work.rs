//! What long work on keys says while it runs, and what it found that does not open.

use serde::Serialize;

/// A step of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Tenants get new data keys.
    NewKeys,
    /// Rows come under the new data keys.
    Reseal,
    /// Data keys and root secrets come under the active master key.
    Rewrap,
    /// Everything sealed is opened.
    Verify,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// How many rows of it are done.
    pub done: u64,
}

/// Hears how far long work is.
pub type Watch<'a> = &'a (dyn Fn(Progress) + Sync);

/// Most faults that are told one by one.
const TOLD: usize = 100;

/// One sealed row that does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub id: String,
    /// Why, without a secret.
    pub reason: String,
}

/// The rows that do not open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first of them.
    pub first: Vec<Fault>,
    /// How many there are.
    pub count: u64,
}

impl Faults {
    /// Does everything open?
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn add(&mut self, table: &'static str, id: String, reason: &impl ToString) {
        self.count += 1;
        if self.first.len() < TOLD {
            let reason = reason.to_string();
            self.first.push(Fault { table, id, reason });
        }
    }
}

/// Counts one step aloud.
pub(super) struct Counter<'a> {
    watch: Watch<'a>,
    step: Step,
    pub(super) done: u64,
}

impl<'a> Counter<'a> {
    pub(super) const fn new(watch: Watch<'a>, step: Step) -> Self {
        Self {
            watch,
            step,
            done: 0,
        }
    }

    pub(super) fn add(&mut self, more: u64) {
        self.done += more;
        (self.watch)(Progress {
            step: self.step,
            done: self.done,
        });
    }
}
