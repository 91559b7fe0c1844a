//! What is being served at one moment; a reload makes a new one and swaps it in whole.

use std::{sync::Arc, time::Duration};

use crate::{
    call::CallService, catalog::Catalog, config::limits::LimitAnswer, mcp::Era, quota::Rate,
};

/// How session and license limits answer, by era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// 2026-07-28.
    pub modern: LimitAnswer,
    /// 2025.
    pub legacy: LimitAnswer,
}

impl Answers {
    /// The one for an era.
    pub const fn of(self, era: Era) -> LimitAnswer {
        match era {
            Era::Modern => self.modern,
            Era::Legacy => self.legacy,
        }
    }
}

/// A snapshot of everything that a reload can change.
pub struct Serving {
    /// The tools.
    pub catalog: Arc<Catalog>,
    /// The policies and, behind them, the upstreams.
    pub calls: CallService,
    /// Longest time for a call.
    pub call_timeout: Duration,
    /// How limits answer.
    pub answers: Answers,
    /// How often a session may list.
    pub lists: Rate,
    /// Most open subscriptions of one license.
    pub subscriptions_per_license: u32,
    /// Most open subscriptions of all licenses together.
    pub max_streams: u32,
    /// Largest request body.
    pub max_request_bytes: usize,
}
