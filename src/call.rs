//! One `tools/call` on its way through the policies.

pub mod day;
pub mod deadline;
pub mod detached;
pub mod dispatch;
pub mod error;
pub mod observe;
pub mod obtain;
pub mod once;
pub mod policy;
pub mod resolve;
pub mod stack;
pub mod upstream_slot;
pub mod validate;
pub mod waiting;
pub mod windows;

use std::sync::Arc;

use http::HeaderValue;
use serde_json::Value;
use tokio::time::Instant;

use self::once::ClientKey;
pub use self::{
    error::CallError,
    once::{OnceCalls, OnceParts, Repeated},
    stack::{CallService, StackParts, stack},
    waiting::Waiting,
};
use crate::{
    auth::Principal,
    catalog::CatalogTool,
    limit::Place,
    mcp::json::Excess,
    names::Label,
    telemetry::record::Record,
    upstream::{Answer, OpenedCredential, Prepared},
};

/// A call, filled in policy by policy.
pub struct Call {
    /// Who calls.
    pub principal: Principal,
    /// The name that was asked for. A stranger's text: compared, never printed.
    pub name: String,
    /// The arguments, an object.
    pub arguments: Value,
    /// Why the arguments are not the whole of what was sent.
    pub excess: Option<Excess>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Where what happens is noted.
    pub record: Record,
    /// The caller went to connect an account; none: it did not.
    pub waiting: Option<Waiting>,
    /// How the client names the call beside its arguments, as it came. A stranger's value: checked
    /// in [`validate`], never printed.
    pub named: Option<Value>,
    /// The tool; set by [`resolve`].
    tool: Option<Arc<CatalogTool>>,
    /// The request that the call becomes; set by [`validate`].
    prepared: Option<Box<dyn Prepared>>,
    /// Which of several accounts, by label; set by [`validate`].
    account: Option<Label>,
    /// How the client names it, where it must not run twice; set by [`validate`].
    once: Option<ClientKey>,
    /// By which key the upstream knows it again; set by [`once`].
    mark: Option<HeaderValue>,
    /// What it goes upstream with; set by [`obtain`].
    credential: Option<Arc<OpenedCredential>>,
    /// Its place among the license's calls at once, free when the call is over; set by [`windows`].
    place: Option<Place>,
}

impl Call {
    /// A call that no policy has seen.
    pub fn new(
        principal: Principal,
        name: String,
        arguments: Value,
        excess: Option<Excess>,
        deadline: Instant,
        record: Record,
    ) -> Self {
        Self {
            principal,
            name,
            arguments,
            excess,
            deadline,
            record,
            waiting: None,
            named: None,
            tool: None,
            prepared: None,
            account: None,
            once: None,
            mark: None,
            credential: None,
            place: None,
        }
    }

    /// The tool that was resolved.
    ///
    /// # Errors
    /// [`CallError::Internal`] when no policy has resolved it: a fault in the stack's order.
    fn tool(&self) -> Result<&Arc<CatalogTool>, CallError> {
        self.tool.as_ref().ok_or(CallError::Internal)
    }
}

/// What a call comes back with.
pub type CallResult = Result<Answer, CallError>;
