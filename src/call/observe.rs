//! Outermost: notes how the call ended, whoever ended it.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult, policy::CallLayer};
use crate::{telemetry::record::Ending, upstream::Answer};

/// Writes the outcome into the record. A call that is dropped unfinished leaves the record at
/// `cancelled`.
#[derive(Clone)]
pub struct Observe;

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner }
    }
}

/// A service whose calls are noted.
#[derive(Clone)]
pub struct Observed<S> {
    inner: S,
}

impl<S: CallLayer> Service<Call> for Observed<S> {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let record = call.record.clone();
        let answer = self.inner.call(call);
        Box::pin(async move {
            let result = answer.await;
            match &result {
                Ok(_) => record.ended(Ending::Ok, None),
                Err(error) => {
                    record.ended(ending(error), Some(error.word()));
                    record.fields().tier = tier(error);
                }
            }
            result
        })
    }
}

const fn ending(error: &CallError) -> Ending {
    match error {
        CallError::Limited(_) | CallError::NoSlot(_) => Ending::Limited,
        CallError::UnknownTool | CallError::InvalidArguments(_) | CallError::UnsafeArgument(_) => {
            Ending::Refused
        }
        CallError::Upstream(_) | CallError::Deadline | CallError::CredentialMissing => {
            Ending::ToolError
        }
        CallError::Cancelled => Ending::Cancelled,
        CallError::StoreUnavailable | CallError::Internal => Ending::Failed,
    }
}

fn tier(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::Limited(exhausted) => Some(exhausted.tier.as_str()),
        CallError::NoSlot(refusal) => Some(refusal.exhausted().tier.as_str()),
        CallError::UnknownTool
        | CallError::InvalidArguments(_)
        | CallError::UnsafeArgument(_)
        | CallError::Upstream(_)
        | CallError::Deadline
        | CallError::CredentialMissing
        | CallError::Cancelled
        | CallError::StoreUnavailable
        | CallError::Internal => None,
    }
}
