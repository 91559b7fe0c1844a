//! Short-window limits: so many in a minute, by key. What must be exact over days is in the ledger.

pub mod claim;
pub mod local;
pub mod redis;
pub mod replicas;
pub mod shares;
mod told;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{names::UpstreamName, quota::Exhausted};

pub use self::{
    claim::{AtOnce, Bucket, BucketKey, Claim, Decided, LimitError, Place, Standing},
    local::LocalLimiter,
    redis::RedisLimiter,
    replicas::Replicas,
    shares::Shares,
};

/// Where the windows are kept. A closed set, so an enum: the compiler names every place that a
/// further one concerns.
pub enum Limiter {
    /// In this process.
    Local(LocalLimiter),
    /// In Redis, for all processes.
    Redis(Arc<RedisLimiter>),
}

/// What became of a claim.
pub enum Taking {
    /// It was decided in this process.
    Done(Result<Standing, LimitError>),
    /// Somebody else decides.
    Asking(BoxFuture<'static, Result<Standing, LimitError>>),
}

impl Taking {
    /// The decision.
    pub async fn decided(self) -> Result<Standing, LimitError> {
        match self {
            Self::Done(result) => result,
            Self::Asking(asking) => asking.await,
        }
    }
}

impl Limiter {
    /// Takes what is claimed, or says when it will be there. In this process nothing is awaited;
    /// else it is one question, however many buckets the claim has.
    pub fn take(&self, claim: Claim) -> Taking {
        match self {
            Self::Local(local) => Taking::Done(local.take(&claim).map_err(LimitError::Exhausted)),
            Self::Redis(shared) => {
                let shared = Arc::clone(shared);
                Taking::Asking(Box::pin(async move { shared.take(claim).await }))
            }
        }
    }

    /// What one more gate of this upstream shares with other processes; none: nothing.
    pub fn shares_of(&self, upstream: &UpstreamName) -> Option<Shares> {
        match self {
            Self::Local(_) => None,
            Self::Redis(shared) => Some(shared.shares_of(upstream)),
        }
    }

    /// Is this bucket known to be empty? Costs a look in memory, and asks nobody.
    pub fn told(&self, bucket: &Bucket) -> Option<Exhausted> {
        match self {
            Self::Local(local) => local.told(bucket),
            Self::Redis(shared) => shared.told(bucket),
        }
    }

    /// The windows of this process alone, for what protects the process itself.
    pub fn here(&self) -> &LocalLimiter {
        match self {
            Self::Local(local) => local,
            Self::Redis(shared) => shared.here(),
        }
    }

    /// Forgets buckets that are full again. Call it by a timer.
    pub fn sweep(&self) {
        self.here().sweep();
    }
}
