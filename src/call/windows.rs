//! Tiers one and two, short window: one session and one license, per minute and at once.
//!
//! A call that names no tool of the license's, or whose arguments do not fit, costs its session and
//! nothing else. So what can be seen without leaving this process is looked at here, by [`Resolve`]
//! and [`Validate`]; then one question decides.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    Call, CallError, CallResult,
    policy::{Around, CallLayer, Policy},
    resolve::Resolve,
    validate::Validate,
};
use crate::{
    limit::{AtOnce, Bucket, Claim, LimitError, Limiter, Standing, Taking},
    names::PlanName,
    quota::{Rate, Tier},
};

/// A place is held no longer than this beyond the call's deadline, should its process die.
const BEYOND: Duration = Duration::from_secs(10);

/// So many calls of one session, and of one license by plan.
#[derive(Clone)]
pub struct Windows {
    /// Where the windows are.
    pub limiter: Arc<Limiter>,
    /// Of one session.
    pub session: Rate,
    /// Of one license in a minute; a plan without an entry has no such limit.
    pub per_minute: Arc<HashMap<PlanName, Rate>>,
    /// Of one license at once; a plan without an entry has no such limit.
    pub at_once: Arc<HashMap<PlanName, std::num::NonZeroU32>>,
    /// Which tool is meant.
    pub resolve: Resolve,
}

impl Windows {
    fn look(&self, call: &mut Call) -> Result<(), CallError> {
        // A schema that the license may not see is not probed through its errors.
        self.resolve.admit(call)?;
        Validate.admit(call)
    }

    fn of_session(&self, call: &Call) -> Claim {
        let mut claim = Claim::one(
            Tier::Session,
            self.session,
            call.principal.session().to_bytes(),
        );
        claim.owner = *call.principal.license().id.as_bytes();
        claim
    }

    fn of_license(&self, call: &Call) -> (Option<Bucket>, Option<AtOnce>) {
        let license = call.principal.license();
        let minute = self.per_minute.get(&license.plan).map(|rate| Bucket {
            tier: Tier::LicenseMinute,
            rate: *rate,
            key: *license.id.as_bytes(),
        });
        let at_once = self.at_once.get(&license.plan).map(|most| AtOnce {
            most: *most,
            lifetime: call.deadline.saturating_duration_since(Instant::now()) + BEYOND,
        });
        (minute, at_once)
    }
}

impl Around for Windows {
    fn around<S: CallLayer>(
        &self,
        inner: &mut S,
        mut call: Call,
    ) -> BoxFuture<'static, CallResult> {
        let fit = self.look(&mut call);
        let mut claim = self.of_session(&call);
        if fit.is_ok() {
            (claim.second, claim.at_once) = self.of_license(&call);
        }
        match self.limiter.take(claim) {
            Taking::Done(taken) => match admitted(&mut call, &claim, taken, fit) {
                Ok(()) => inner.call(call),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            },
            Taking::Asking(asking) => {
                let mut inner = inner.clone();
                Box::pin(async move {
                    admitted(&mut call, &claim, asking.await, fit)?;
                    inner.call(call).await
                })
            }
        }
    }
}

fn admitted(
    call: &mut Call,
    claim: &Claim,
    taken: Result<Standing, LimitError>,
    fit: Result<(), CallError>,
) -> Result<(), CallError> {
    match taken {
        Ok(standing) => {
            call.place = standing.place;
            call.record.fields().windows = standing.windows;
            fit
        }
        Err(LimitError::Exhausted(exhausted)) => {
            call.record.fields().windows[0] = claim.emptied(&exhausted);
            Err(CallError::Limited(exhausted))
        }
        Err(LimitError::Unavailable) => Err(CallError::LimitsUnavailable),
    }
}
