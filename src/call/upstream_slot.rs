//! Tier three: a slot at the upstream, by its rate, concurrency, pause and circuit breaker.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult, policy::CallLayer};
use crate::upstream::{Answer, Observed};

/// Waits a little for a slot; tells the gate how the call went.
#[derive(Clone)]
pub struct UpstreamSlot;

impl<S> Layer<S> for UpstreamSlot {
    type Service = Slotted<S>;

    fn layer(&self, inner: S) -> Slotted<S> {
        Slotted { inner }
    }
}

/// A service whose calls hold a slot.
#[derive(Clone)]
pub struct Slotted<S> {
    inner: S,
}

impl<S: CallLayer> Service<Call> for Slotted<S> {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let site = Arc::clone(&call.tool()?.bound.site);
            let permit = site
                .gate
                .enter(call.deadline)
                .await
                .map_err(CallError::NoSlot)?;
            let result = inner.call(call).await;
            permit.finish(observed(&result));
            result
        })
    }
}

/// What the upstream's health can be read from.
fn observed(result: &CallResult) -> Observed {
    match result {
        Ok(_) => Observed::Answered,
        Err(CallError::Upstream(error)) => Observed::of(&Err(*error)),
        Err(CallError::Deadline) => Observed::Failed,
        Err(
            CallError::Limited(_)
            | CallError::UnknownTool
            | CallError::InvalidArguments(_)
            | CallError::UnsafeArgument(_)
            | CallError::NoSlot(_)
            | CallError::CredentialMissing
            | CallError::Cancelled
            | CallError::StoreUnavailable
            | CallError::Internal,
        ) => Observed::Cancelled,
    }
}
