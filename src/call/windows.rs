//! Tiers one and two, short window: one session and one license, per minute and at once.
//!
//! A call that names no tool of the license's, or whose arguments do not fit, costs its session and
//! nothing else. So what can be seen without leaving this process is looked at here, by [`Resolve`]
//! and [`Validate`]; then one question decides. Where this process had to decide for its share alone,
//! a tool that costs more than others is refused: a limit that is passed would be dear there.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    policy::{Around, CallLayer, Policy},
    resolve::Resolve,
    validate::Validate,
};
use crate::{
    license::{Allowance, Plans},
    limit::{AtOnce, Bucket, Claim, Decided, LimitError, Limiter, Standing, Taking},
    quota::{Rate, Tier},
};

/// A place is held no longer than this beyond the longest call, should its process die.
const BEYOND: Duration = Duration::from_secs(10);
/// A tool that costs more than this is not called by a limit that holds for one process only.
const USUAL_COST: u32 = 1;

/// So many calls of one session, and of one license by plan.
#[derive(Clone)]
pub struct Windows {
    /// Where the windows are.
    pub limiter: Arc<Limiter>,
    /// How much licenses have.
    pub plans: Arc<Plans>,
    /// Longest time of a call.
    pub call_timeout: Duration,
    /// Which tool is meant.
    pub resolve: Resolve,
}

impl Windows {
    fn look(&self, call: &mut Call) -> Result<(), CallError> {
        // A schema that the license may not see is not probed through its errors.
        self.resolve.admit(call)?;
        Validate.admit(call)
    }

    fn of_session(call: &Call, allowance: &Allowance) -> Claim {
        let mut claim = Claim::one(
            Tier::Session,
            allowance.session,
            call.principal.session().to_bytes(),
        );
        claim.owner = *call.principal.license().id.as_bytes();
        claim
    }

    fn of_license(&self, call: &Call, allowance: &Allowance) -> (Option<Bucket>, Option<AtOnce>) {
        let minute = allowance.per_minute.map(|count| Bucket {
            tier: Tier::LicenseMinute,
            rate: Rate::per_minute(count),
            key: *call.principal.license().id.as_bytes(),
        });
        let at_once = allowance.concurrent.map(|most| AtOnce {
            most,
            lifetime: self.call_timeout + BEYOND,
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
        let allowance = self.plans.of(call.principal.license());
        let mut claim = Self::of_session(&call, &allowance);
        // The cheapest refusal first: a session that does not wait costs us nothing more than this.
        if let Some(exhausted) = self.limiter.told(&claim.first) {
            let told = Err(LimitError::Exhausted(exhausted));
            let refused = admitted(&mut call, &claim, told, Ok(()));
            return Box::pin(std::future::ready(refused.and(Err(CallError::Internal))));
        }
        let fit = self.look(&mut call);
        if fit.is_ok() {
            (claim.second, claim.at_once) = self.of_license(&call, &allowance);
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
            call.record.fields().windows = standing.windows;
            fit?;
            let dear = call.tool.as_ref();
            let dear = dear.is_some_and(|tool| tool.bound.definition.cost > USUAL_COST);
            if dear && standing.decided == Decided::Alone {
                return Err(CallError::LimitsUnavailable);
            }
            call.place = standing.place;
            Ok(())
        }
        Err(LimitError::Exhausted(exhausted)) => {
            call.record.fields().windows[0] = claim.emptied(&exhausted);
            Err(CallError::Limited(exhausted))
        }
        Err(LimitError::Unavailable) => Err(CallError::LimitsUnavailable),
    }
}
