//! Tier three: a slot at the upstream, by its rate, concurrency, pause and circuit breaker.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    policy::{Around, CallLayer},
};
use crate::upstream::{Comer, Observed};

/// Waits a little for a slot; tells the gate how the call went.
#[derive(Clone)]
pub struct UpstreamSlot;

impl Around for UpstreamSlot {
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult> {
        let mut inner = inner.clone();
        Box::pin(async move {
            let site = Arc::clone(&call.tool()?.bound.site);
            let comer = Comer {
                license: call.principal.license_id(),
                holder: call.credential.as_ref().map(|known| known.holder),
            };
            let permit = site
                .gate
                .enter(comer, call.deadline)
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
            | CallError::InsufficientScope
            | CallError::InvalidArguments(_)
            | CallError::UnsafeArgument(_)
            | CallError::NoSlot(_)
            | CallError::Repeated(_)
            | CallError::CredentialMissing
            | CallError::ConnectionNeeded(_)
            | CallError::ConnectionDeclined
            | CallError::AccountAmbiguous(_)
            | CallError::AccountUnknown(_)
            | CallError::ScopeWithheld
            | CallError::CredentialUnavailable
            | CallError::Sealed
            | CallError::Cancelled
            | CallError::StoreUnavailable
            | CallError::LimitsUnavailable
            | CallError::Internal,
        ) => Observed::Cancelled,
    }
}
