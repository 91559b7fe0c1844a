//! Tier one: one credential, per minute.

use std::sync::Arc;

use super::{Call, CallError, policy::Policy};
use crate::{
    limit::Limiter,
    quota::{Rate, Tier},
};

/// So many calls of one session.
#[derive(Clone)]
pub struct SessionLimit {
    /// Where the windows are.
    pub limiter: Arc<Limiter>,
    /// How many.
    pub rate: Rate,
}

impl Policy for SessionLimit {
    fn admit(&self, call: &mut Call) -> Result<(), CallError> {
        let key = call.principal.session().to_bytes();
        self.limiter
            .take(Tier::Session, self.rate, &key)
            .map_err(CallError::Limited)
    }
}
