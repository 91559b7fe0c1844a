//! Tier two, long windows: a call of the license's day and month and what it costs, reserved before
//! and settled after.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    error::Charge,
    policy::{Around, CallLayer},
};
use crate::{
    catalog::CatalogTool,
    clock::SharedClock,
    ids::LicenseId,
    ledger::{Happened, Ledger, LedgerError, Reservation, UsageLog},
    license::Plans,
};

/// Reserves a call before it goes on. It stays charged unless it provably never left.
#[derive(Clone)]
pub struct ReserveDay {
    /// Where the windows are counted.
    pub ledger: Arc<Ledger>,
    /// Where what happened is added up.
    pub usage: Arc<UsageLog>,
    /// How much licenses have.
    pub plans: Arc<Plans>,
    /// Which day it is.
    pub clock: SharedClock,
}

impl Around for ReserveDay {
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult> {
        let license = call.principal.license();
        let allowance = self.plans.of(license);
        let (id, here) = (license.id, self.clone());
        let mut inner = inner.clone();
        Box::pin(async move {
            let tool = Arc::clone(call.tool()?);
            let cost = tool.bound.definition.cost;
            let reserved = here.ledger.reserve(id, &allowance, cost).await;
            let reservation = reserved.map_err(|error| match error {
                LedgerError::Exhausted(exhausted) => CallError::Limited(exhausted),
                LedgerError::Unavailable => CallError::StoreUnavailable,
            })?;
            let charged = Charged {
                usage: here.usage,
                clock: here.clock,
                license: id,
                tool,
                happened: Some(Happened::Failed),
            };
            let result = inner.call(call).await;
            charged.end(&result, reservation);
            result
        })
    }
}

/// A call that is charged. Dropped without a word it stays so, as its reservation does: a caller who
/// went away, a panic and a timeout all may have reached the upstream.
struct Charged {
    usage: Arc<UsageLog>,
    clock: SharedClock,
    license: LicenseId,
    tool: Arc<CatalogTool>,
    happened: Option<Happened>,
}

impl Charged {
    fn end(mut self, result: &CallResult, reservation: Reservation) {
        match result.as_ref().map_err(CallError::charge) {
            Ok(_) => self.happened = Some(Happened::Answered),
            Err(Charge::Keep) => {}
            Err(Charge::Refund) => {
                self.happened = None;
                return reservation.refund();
            }
        }
        reservation.settle();
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        if let Some(happened) = self.happened {
            let definition = &self.tool.bound.definition;
            let (day, cost) = (self.clock.now().day(), definition.cost);
            self.usage
                .note(self.license, day, &definition.name, happened, cost);
        }
    }
}
