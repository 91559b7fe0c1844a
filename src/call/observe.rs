//! Outermost: notes how the call ended, whoever ended it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult, Repeated,
    policy::{Around, CallLayer},
};
use crate::{
    clock::SharedClock,
    ledger::{Happened, UsageLog},
    telemetry::record::Ending,
};

/// Writes the outcome into the record. A call that is dropped unfinished leaves the record at
/// `cancelled`. What a limit refused is added to what the license did.
#[derive(Clone)]
pub struct Observe {
    /// Where that is added up.
    pub usage: Arc<UsageLog>,
    /// Which day it is.
    pub clock: SharedClock,
}

impl Around for Observe {
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult> {
        let record = call.record.clone();
        let license = call.principal.license_id();
        let (usage, clock) = (Arc::clone(&self.usage), Arc::clone(&self.clock));
        let answer = inner.call(call);
        Box::pin(async move {
            let result = answer.await;
            match &result {
                Ok(_) => record.ended(Ending::Ok, None),
                Err(error) => {
                    let ending = ending(error);
                    record.ended(ending, Some(error.word()));
                    let tool = record.fields().tool.clone();
                    if let (Ending::Limited, Some(tool)) = (ending, tool) {
                        usage.note(license, clock.now().day(), &tool, Happened::Refused, 0);
                    }
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
        CallError::UnknownTool
        | CallError::InsufficientScope
        | CallError::InvalidArguments(_)
        | CallError::UnsafeArgument(_)
        | CallError::Repeated(Repeated::OtherArguments) => Ending::Refused,
        CallError::Upstream(_)
        | CallError::Repeated(Repeated::UnderWay | Repeated::Unknown | Repeated::NotKept)
        | CallError::Deadline
        | CallError::CredentialMissing
        | CallError::ConnectionNeeded(_)
        | CallError::ConnectionDeclined
        | CallError::AccountAmbiguous(_)
        | CallError::AccountUnknown(_)
        | CallError::ScopeWithheld
        | CallError::CredentialUnavailable => Ending::ToolError,
        CallError::Cancelled => Ending::Cancelled,
        CallError::StoreUnavailable
        | CallError::LimitsUnavailable
        | CallError::Sealed
        | CallError::Internal => Ending::Failed,
    }
}

fn tier(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::Limited(exhausted) => Some(exhausted.tier.as_str()),
        CallError::NoSlot(refusal) => Some(refusal.exhausted().tier.as_str()),
        CallError::UnknownTool
        | CallError::InsufficientScope
        | CallError::InvalidArguments(_)
        | CallError::UnsafeArgument(_)
        | CallError::Upstream(_)
        | CallError::Repeated(_)
        | CallError::Deadline
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
        | CallError::Internal => None,
    }
}
