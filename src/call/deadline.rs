//! The time that is left, around credential and upstream.

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    policy::{Around, CallLayer},
};

/// Ends a call when its caller has stopped waiting.
#[derive(Clone)]
pub struct Deadline;

impl Around for Deadline {
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult> {
        let deadline = call.deadline;
        let answer = inner.call(call);
        Box::pin(async move {
            tokio::time::timeout_at(deadline, answer)
                .await
                .unwrap_or(Err(CallError::Deadline))
        })
    }
}
