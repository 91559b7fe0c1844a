//! An upstream's rate and concurrency over all processes: each is lent a little of both for a while,
//! so that a call asks nobody.
//!
//! Decides nothing by itself: the state is Redis's, changed by one script on the server's clock. A
//! process that loses Redis uses limit / known replicas. Does it alone lose it, that is beside what the
//! others go on sharing: all together may then have up to that much more than the limit.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use redis::Script;

use super::{
    Replicas,
    redis::{Line, Unanswered, interval, micros},
};
use crate::quota::Rate;

/// See its own head for the form of question and answer.
const SHARES: &str = include_str!("redis/shares.lua");

/// For how long slots are lent: whoever crashed has given them back by then.
pub const LENT: Duration = Duration::from_secs(3);

/// What one gate of this process asks Redis for.
pub struct Shares {
    line: Arc<Line>,
    replicas: Replicas,
    alone: Counter,
    script: Script,
    key: String,
    name: String,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The upstream's rate, of all processes.
    pub rate: Rate,
    /// Calls of it that are wanted.
    pub calls: u32,
    /// Calls that were granted and not made in time.
    pub unspent: u32,
    /// Most calls at once, of all processes.
    pub most: u32,
    /// Slots that are wanted in all.
    pub slots: u32,
    /// Slots in use.
    pub running: u32,
    /// Does anybody here wait for a slot?
    pub hungry: bool,
    /// For how long the upstream sent all away, if it did just now.
    pub pause: Duration,
    /// Is the breaker of this process open?
    pub open: bool,
}

/// An answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Calls that may start.
    pub calls: u32,
    /// How long until another may.
    pub another: Duration,
    /// Slots that are lent for [`LENT`].
    pub slots: u32,
    /// For how long nobody may call.
    pub pause: Duration,
    /// How many share the upstream at the moment.
    pub sharing: u32,
    /// How many others wait for slots.
    pub hungry: u32,
    /// How many others have an open breaker.
    pub open: u32,
}

impl Shares {
    /// `key` is the upstream's state, `name` that of the gate that asks: no two have one. What is
    /// decided without Redis counts in `alone`.
    pub(super) fn new(
        line: Arc<Line>,
        replicas: Replicas,
        alone: Counter,
        key: String,
        name: String,
    ) -> Self {
        Self {
            line,
            replicas,
            alone,
            script: Script::new(SHARES),
            key,
            name,
        }
    }

    /// How many processes there are, as last heard by other means.
    pub fn replicas(&self) -> u32 {
        self.replicas.known().get()
    }

    /// Counts what the gate decides without an answer.
    pub const fn alone(&self) -> &Counter {
        &self.alone
    }

    /// One question.
    pub async fn ask(&self, ask: &Ask) -> Result<Grant, Unanswered> {
        let mut call = self.script.prepare_invoke();
        call.key(&self.key)
            .arg(&self.name)
            .arg(interval(ask.rate))
            .arg(ask.rate.count.get())
            .arg(ask.calls)
            .arg(ask.unspent)
            .arg(ask.most)
            .arg(ask.slots)
            .arg(ask.running)
            .arg(u8::from(ask.hungry))
            .arg(micros(ask.pause))
            .arg(u8::from(ask.open))
            .arg(micros(LENT));
        let answer: Vec<u64> = self.line.run(&call).await?;
        let &[calls, another, slots, pause, sharing, hungry, open] = answer.as_slice() else {
            return Err(Unanswered::Away);
        };
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Grant {
            calls: count(calls),
            another: Duration::from_micros(another),
            slots: count(slots),
            pause: Duration::from_micros(pause),
            sharing: count(sharing),
            hungry: count(hungry),
            open: count(open),
        })
    }
}
