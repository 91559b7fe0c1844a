//! What stands behind a tool: the seam every kind of upstream fills.
//!
//! A kind turns its configuration into [`BoundTool`]s. A call is first *prepared* (arguments become
//! a request, nothing is sent, no credential is touched), later *sent* with a credential. Only a
//! prepared call can be sent.

pub mod answer;
pub mod breaker;
pub mod credential;
pub mod gate;
pub mod kinds;
pub mod quota_signal;
pub mod request;
pub mod rest;
pub mod retry;
pub mod source;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::HeaderValue;
use serde_json::Value;

pub use self::{
    answer::{Answer, AnswerContent, JsonKind},
    credential::{CredentialUse, Holder, OpenedCredential},
    gate::{Comer, Gate, GateRefusal, Observed},
    source::{Account, Minted, Source},
};
use crate::{
    config::rest::{ReadOnly, Repeat},
    names::{ScopeName, ToolName, UpstreamName},
};

/// What clients are told about a tool.
#[derive(Debug, Clone)]
pub struct ToolDefinition {
    /// What clients call.
    pub name: ToolName,
    /// A name for people.
    pub title: Option<String>,
    /// What the model is told.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments; its root is an object.
    pub input: Value,
    /// JSON Schema 2020-12 of the answer.
    pub output: Option<Value>,
    /// Does it change anything upstream?
    pub read_only: ReadOnly,
    /// What calling it twice does.
    pub repeat: Repeat,
    /// May clients name calls that must not run twice?
    pub once: Once,
    /// Cost units that a call takes.
    pub cost: u32,
    /// Longest time for a call, when shorter than the gateway's.
    pub timeout: Option<Duration>,
}

/// May clients name calls that must not run twice?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// They may, by the argument [`ONCE_ARGUMENT`].
    ///
    /// [`ONCE_ARGUMENT`]: crate::config::rest::ONCE_ARGUMENT
    Offered,
    /// They may not.
    NotOffered,
}

/// One upstream as its tools share it.
pub struct Site {
    /// The operator's name for it.
    pub name: UpstreamName,
    /// Its rate, concurrency, queue, pause and circuit breaker.
    pub gate: Gate,
    /// A name for people.
    pub title: String,
    /// How it wants its credential; none: it wants none.
    pub credential: Option<CredentialUse>,
    /// Where the credential comes from.
    pub source: Source,
}

/// A tool and what it becomes.
#[derive(Clone)]
pub struct BoundTool {
    /// What clients are told.
    pub definition: ToolDefinition,
    /// The upstream it belongs to.
    pub site: Arc<Site>,
    /// What a call needs to be allowed to do at the account's provider.
    pub scopes: Arc<[ScopeName]>,
    /// What a call becomes.
    pub target: Arc<dyn Target>,
}

/// Turns arguments into something that can be sent.
pub trait Target: Send + Sync {
    /// Builds the request. Sends nothing and knows no credential.
    ///
    /// `arguments` is an object that has passed the tool's input schema.
    fn prepare(&self, arguments: &Value) -> Result<Box<dyn Prepared>, RequestFault>;
}

/// A request that is complete but for its credential.
pub trait Prepared: Send {
    /// What would be sent, the credential masked.
    fn preview(&self) -> Preview;

    /// Tells the upstream by which key it knows this call again, where it wants to know.
    fn mark(&mut self, key: &HeaderValue);

    /// Sends it, retries included, and makes the answer safe. Gives up at `deadline`.
    ///
    /// Dropping the future drops the upstream request.
    fn send(
        self: Box<Self>,
        credential: Option<Arc<OpenedCredential>>,
        deadline: tokio::time::Instant,
    ) -> BoxFuture<'static, Result<Answer, UpstreamError>>;
}

/// What `tool call --dry-run` prints.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Preview {
    /// The HTTP method.
    pub method: String,
    /// The whole URL; a secret in the query is masked.
    pub url: String,
    /// Header names and values; secrets masked.
    pub headers: Vec<(String, String)>,
    /// The body, when there is one.
    pub body: Option<String>,
}

/// An argument that fits the schema but cannot be put into a request safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument {argument}: {rule}")]
pub struct RequestFault {
    /// The argument's name, from the configuration.
    pub argument: String,
    /// The rule it broke, in words that hold no value.
    pub rule: &'static str,
}

/// Did the request leave us?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Provably not: the call may be refunded.
    NeverLeft,
    /// It may have arrived: the call stays charged.
    MayHaveArrived,
}

/// Why an upstream gave no answer that can be passed on.
///
/// No variant holds a byte that the upstream sent. `Display` is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Name, address or TLS did not come about.
    #[error("connect failed")]
    Connect,
    /// The address is one we must not call.
    #[error("address refused by egress rules")]
    AddressRefused,
    /// Too late: connecting, waiting for the answer, or reading it.
    #[error("timed out: {0}")]
    TimedOut(Phase),
    /// The connection broke while the answer came.
    #[error("connection broke")]
    Broken,
    /// It answered with a status that is a failure.
    #[error("status {0}")]
    Status(u16),
    /// It answered 401 or 403: our credential is not accepted.
    #[error("credential refused with status {0}")]
    CredentialRefused(u16),
    /// It answered with a redirect, which is never followed.
    #[error("redirect {0}")]
    Redirect(u16),
    /// It answered 429, 503 with `Retry-After`, or in another way that a quota is used up.
    #[error("limited by the upstream itself with status {status}")]
    Limited {
        /// With what status.
        status: u16,
        /// How long it asked us to stay away, at most an hour.
        retry_after: Option<Duration>,
    },
    /// The answer is larger than the configured cap.
    #[error("answer too large")]
    TooLarge,
    /// The answer is not what the tool promises: media type, JSON, nesting, selection.
    #[error("unusable answer: {0}")]
    Unusable(&'static str),
    /// The answer does not fit the tool's `output` schema.
    #[error("answer does not fit the output schema")]
    OutputMismatch,
    /// The answer repeats the credential.
    #[error("answer repeated the credential")]
    CredentialEchoed,
    /// The secret cannot be put where the upstream wants it.
    #[error("stored credential is unusable")]
    CredentialUnusable,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before a connection stood.
    Connect,
    /// Before the first byte of the answer.
    FirstByte,
    /// Between bytes of the answer.
    Body,
    /// The call as a whole.
    Deadline,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the answer",
            Self::Body => "reading the answer",
            Self::Deadline => "deadline of the call",
        })
    }
}

impl UpstreamError {
    /// Did the request provably not leave us?
    pub const fn departure(self) -> Departure {
        match self {
            Self::Connect
            | Self::AddressRefused
            | Self::CredentialUnusable
            | Self::TimedOut(Phase::Connect) => Departure::NeverLeft,
            Self::TimedOut(Phase::FirstByte | Phase::Body | Phase::Deadline)
            | Self::Broken
            | Self::Status(_)
            | Self::CredentialRefused(_)
            | Self::Redirect(_)
            | Self::Limited { .. }
            | Self::TooLarge
            | Self::Unusable(_)
            | Self::OutputMismatch
            | Self::CredentialEchoed => Departure::MayHaveArrived,
        }
    }

    /// The HTTP status, when there was one.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status)
            | Self::CredentialRefused(status)
            | Self::Redirect(status)
            | Self::Limited { status, .. } => Some(status),
            Self::Connect
            | Self::AddressRefused
            | Self::TimedOut(_)
            | Self::Broken
            | Self::TooLarge
            | Self::Unusable(_)
            | Self::OutputMismatch
            | Self::CredentialEchoed
            | Self::CredentialUnusable => None,
        }
    }

    /// The word in logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connect => "upstream_connect",
            Self::AddressRefused => "upstream_address_refused",
            Self::TimedOut(_) => "upstream_timeout",
            Self::Broken => "upstream_broken",
            Self::Status(_) => "upstream_status",
            Self::CredentialRefused(_) => "upstream_credential_refused",
            Self::Redirect(_) => "upstream_redirect",
            Self::Limited { .. } => "upstream_limited",
            Self::TooLarge => "upstream_too_large",
            Self::Unusable(_) => "upstream_unusable",
            Self::OutputMismatch => "upstream_output_mismatch",
            Self::CredentialEchoed => "upstream_credential_echoed",
            Self::CredentialUnusable => "upstream_credential_unusable",
        }
    }
}
