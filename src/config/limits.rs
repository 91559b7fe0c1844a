//! `limits:` — what holds for every license.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, Span};
use crate::quota::Rate;

/// Limits that hold for every license.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Calls of one session: one credential presented to us.
    pub session: Rate,

    /// Failed authentications of one client address before it is answered 429.
    pub unauthenticated: Rate,

    /// How a session or license limit answers a client of 2026-07-28.
    pub modern_answer: LimitAnswer,

    /// How a session or license limit answers a client of the 2025 revisions.
    pub legacy_answer: LimitAnswer,

    /// Largest request body.
    pub max_request_bytes: ByteSize,

    /// Bytes of request bodies held at once, over all connections.
    pub max_in_flight_bytes: ByteSize,

    /// Most requests being answered at once. Further ones are told to come back, before they are
    /// looked at. An eighth of it is kept for what is not the connector: signing in, discovery.
    pub max_in_flight: NonZeroU32,

    /// Most open `subscriptions/listen` streams of all licenses together.
    pub max_streams: NonZeroU32,

    /// Memory of the process. From 90 % on new calls are refused, from 95 % on new connections
    /// wait. Without it, and with it where that is less, the cgroup's limit counts.
    pub max_memory: Option<ByteSize>,

    /// Longest time from an accepted call to its answer.
    pub call_timeout: Span,

    /// How long a stop at SIGTERM goes on answering, already unready, so that load balancers turn away
    /// first. Longer than they take to notice; Ctrl-C does not wait.
    pub drain_delay: Span,

    /// Longest time that a stop waits for running calls after that.
    pub drain_timeout: Span,

    /// Most tools in one page of `tools/list`.
    pub page_size: NonZeroU32,

    /// Most open `subscriptions/listen` streams of one license.
    pub subscriptions_per_license: NonZeroU32,
}

/// The form a session or license limit takes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitAnswer {
    /// HTTP 429, `Retry-After` and a JSON-RPC error.
    Status,
    /// HTTP 200 and a tool result with `isError`, which models read.
    ToolError,
}

const fn number(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            session: Rate::per_minute(number(60)),
            unauthenticated: Rate::per_minute(number(30)),
            modern_answer: LimitAnswer::Status,
            legacy_answer: LimitAnswer::Status,
            max_request_bytes: ByteSize::kib(256),
            max_in_flight_bytes: ByteSize::kib(64 * 1024),
            // What two cores answer in a second (3,000) from an API that takes two thirds of one.
            max_in_flight: number(2_048),
            max_streams: number(4_096),
            max_memory: None,
            call_timeout: Span::seconds(55),
            drain_delay: Span::seconds(5),
            drain_timeout: Span::seconds(60),
            page_size: number(1_000),
            subscriptions_per_license: number(8),
        }
    }
}
