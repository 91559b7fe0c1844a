//! Tier two, long window: a call of the license's day, reserved before and settled after.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    error::Charge,
    policy::{Around, CallLayer},
};
use crate::{
    ledger::{Ledger, LedgerError},
    names::PlanName,
};

/// Reserves a call before it goes on. It stays charged unless it provably never left.
#[derive(Clone)]
pub struct ReserveDay {
    /// Where the days are counted.
    pub ledger: Arc<Ledger>,
    /// Calls a day; a plan without an entry is not counted.
    pub limits: Arc<HashMap<PlanName, u32>>,
}

impl Around for ReserveDay {
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult> {
        let license = call.principal.license();
        let Some(limit) = self.limits.get(&license.plan).copied() else {
            return inner.call(call);
        };
        let (id, ledger) = (license.id, Arc::clone(&self.ledger));
        let mut inner = inner.clone();
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
