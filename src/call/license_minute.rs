//! Tier two, short window: one license, per minute.

use std::{collections::HashMap, sync::Arc};

use super::{Call, CallError, policy::Policy};
use crate::{
    limit::Limiter,
    names::PlanName,
    quota::{Rate, Tier},
};

/// So many calls of one license in a minute, by plan.
#[derive(Clone)]
pub struct LicenseMinute {
    /// Where the windows are.
    pub limiter: Arc<Limiter>,
    /// How many; a plan without an entry has no such limit.
    pub rates: Arc<HashMap<PlanName, Rate>>,
}

impl Policy for LicenseMinute {
    fn admit(&self, call: &mut Call) -> Result<(), CallError> {
        let license = call.principal.license();
        let Some(rate) = self.rates.get(&license.plan) else {
            return Ok(());
        };
        let key = license.id.as_bytes();
        self.limiter
            .take(Tier::LicenseMinute, *rate, key)
            .map_err(CallError::Limited)
    }
}
