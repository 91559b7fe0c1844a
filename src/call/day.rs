//! Tier two, long window: a call of the license's day, reserved before and settled after.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult, error::Charge, policy::CallLayer};
use crate::{
    ledger::{Ledger, LedgerError},
    names::PlanName,
    upstream::Answer,
};

/// Reserves a call before it goes on. It stays charged unless it provably never left.
#[derive(Clone)]
pub struct ReserveDay {
    /// Where the days are counted.
    pub ledger: Arc<Ledger>,
    /// Calls a day; a plan without an entry is not counted.
    pub limits: Arc<HashMap<PlanName, u32>>,
}

impl<S> Layer<S> for ReserveDay {
    type Service = Reserving<S>;

    fn layer(&self, inner: S) -> Reserving<S> {
        Reserving {
            policy: self.clone(),
            inner,
        }
    }
}

/// A service whose calls are counted.
#[derive(Clone)]
pub struct Reserving<S> {
    policy: ReserveDay,
    inner: S,
}

impl<S: CallLayer> Service<Call> for Reserving<S> {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let license = call.principal.license();
        let Some(limit) = self.policy.limits.get(&license.plan).copied() else {
            return self.inner.call(call);
        };
        let (id, ledger) = (license.id, Arc::clone(&self.policy.ledger));
        let mut inner = self.inner.clone();
        Box::pin(async move {
            // Dropped without a word, the reservation stays charged: a caller who went away, a
            // panic and a timeout all may have reached the upstream.
            let reservation = ledger
                .reserve(id, limit)
                .await
                .map_err(|error| match error {
                    LedgerError::Exhausted(exhausted) => CallError::Limited(exhausted),
                    LedgerError::Unavailable => CallError::StoreUnavailable,
                })?;
            let result = inner.call(call).await;
            match result
                .as_ref()
                .map_or_else(CallError::charge, |_| Charge::Keep)
            {
                Charge::Keep => reservation.settle(),
                Charge::Refund => reservation.refund(),
            }
            result
        })
    }
}
