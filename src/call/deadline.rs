//! The time that is left, around credential and upstream.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult, policy::CallLayer};
use crate::upstream::Answer;

/// Ends a call when its caller has stopped waiting.
#[derive(Clone)]
pub struct Deadline;

impl<S> Layer<S> for Deadline {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed { inner }
    }
}

/// A service that answers in time.
#[derive(Clone)]
pub struct Timed<S> {
    inner: S,
}

impl<S: CallLayer> Service<Call> for Timed<S> {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let deadline = call.deadline;
        let answer = self.inner.call(call);
        Box::pin(async move {
            tokio::time::timeout_at(deadline, answer)
                .await
                .unwrap_or(Err(CallError::Deadline))
        })
    }
}
