//! One request's record: the closed set of fields that may be logged.
//!
//! The types hold numbers, our own constants, names from the configuration and keyed digests.
//! There is no field that could hold an argument, a result, a token or a client's own text.
//! `docs/request-log.md` lists the fields; a test compares.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{access::AccessLog, metrics::Metrics};
use crate::{
    clock::SharedClock,
    ids::{LogRef, RequestId},
    mcp::Revision,
    names::{PlanName, ToolName, UpstreamName},
    quota::WindowLevel,
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was answered as asked.
    Ok,
    /// A limit said no.
    Limited,
    /// We said no for another reason.
    Refused,
    /// The tool was called and answered with an error.
    ToolError,
    /// Our own fault.
    Failed,
    /// The client went away, or cancelled.
    Cancelled,
}

impl Ending {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::ToolError => "tool_error",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The fields of one line, in their order.
#[derive(Debug, Clone, Serialize)]
pub struct Fields {
    /// When the request's line was written, RFC 3339 in UTC.
    pub time: String,
    /// Always `request`.
    pub event: &'static str,
    /// Also in the `x-request-id` answer header.
    pub request_id: RequestId,
    /// The HTTP method, or `other`.
    pub http_method: &'static str,
    /// The route's pattern, never the path.
    pub route: &'static str,
    /// The HTTP status; 499 when the client went away before one was sent.
    pub status: u16,
    /// How it ended.
    pub outcome: Ending,
    /// Why, as a word; see the table in `docs/request-log.md`.
    pub error: Option<&'static str>,
    /// Which limit refused.
    pub tier: Option<&'static str>,
    /// How the windows stand that the call took from; told to the caller, not logged.
    #[serde(skip)]
    pub windows: [Option<WindowLevel>; 2],
    /// The protocol revision.
    pub revision: Option<Revision>,
    /// The MCP method, or `other`.
    pub rpc_method: Option<&'static str>,
    /// The tool, when it exists and the caller may know it.
    pub tool: Option<ToolName>,
    /// The tool's upstream.
    pub upstream: Option<UpstreamName>,
    /// The license, as a keyed digest.
    pub license: Option<LogRef>,
    /// The session, as a keyed digest.
    pub session: Option<LogRef>,
    /// The license's plan.
    pub plan: Option<PlanName>,
    /// From the request's head to the end of the answer.
    pub duration_us: u64,
    /// Of that, spent on the upstream.
    pub upstream_us: Option<u64>,
    /// What the upstream answered.
    pub upstream_status: Option<u16>,
    /// How often it was asked.
    pub upstream_attempts: Option<u32>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body, when known beforehand.
    pub response_bytes: u64,
}

/// The record of one request. The line is written when the last holder lets go, so exactly once,
/// whatever happens to the request.
#[derive(Clone)]
pub struct Record(Arc<Inner>);

struct Inner {
    fields: Mutex<Fields>,
    started: Duration,
    emission: Mutex<Emission>,
    sinks: Sinks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Emission {
    Line,
    Silent,
}

/// Where finished records go.
#[derive(Clone)]
pub struct Sinks {
    /// The log.
    pub log: Arc<AccessLog>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// For the time of day and the duration.
    pub clock: SharedClock,
}

impl Record {
    /// A record that starts now.
    pub fn start(
        sinks: Sinks,
        request_id: RequestId,
        http_method: &'static str,
        route: &'static str,
    ) -> Self {
        let fields = Fields {
            time: String::new(),
            event: "request",
            request_id,
            http_method,
            route,
            status: 499,
            outcome: Ending::Cancelled,
            error: None,
            tier: None,
            windows: [None; 2],
            revision: None,
            rpc_method: None,
            tool: None,
            upstream: None,
            license: None,
            session: None,
            plan: None,
            duration_us: 0,
            upstream_us: None,
            upstream_status: None,
            upstream_attempts: None,
            request_bytes: 0,
            response_bytes: 0,
        };
        let started = sinks.clock.monotonic();
        Self(Arc::new(Inner {
            fields: Mutex::new(fields),
            started,
            emission: Mutex::new(Emission::Line),
            sinks,
        }))
    }

    /// A record for one message of a batch; the batch's own line is not written.
    #[must_use]
    pub fn for_batch_entry(&self) -> Self {
        *self
            .0
            .emission
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Emission::Silent;
        let mut fields = self.fields().clone();
        fields.outcome = Ending::Cancelled;
        Self(Arc::new(Inner {
            fields: Mutex::new(fields),
            started: self.0.started,
            emission: Mutex::new(Emission::Line),
            sinks: self.0.sinks.clone(),
        }))
    }

    /// The fields, to be filled in.
    pub fn fields(&self) -> MutexGuard<'_, Fields> {
        self.0.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how it ended and why.
    pub fn ended(&self, outcome: Ending, error: Option<&'static str>) {
        let mut fields = self.fields();
        fields.outcome = outcome;
        fields.error = error;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self
            .emission
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            == Emission::Silent
        {
            return;
        }
        let clock = &self.sinks.clock;
        let fields = self
            .fields
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let took = clock.monotonic().saturating_sub(self.started);
        fields.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        fields.time = clock.now().to_string();
        self.sinks.metrics.request(fields, took);
        self.sinks.log.write(fields);
    }
}
