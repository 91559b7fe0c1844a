//! Limits over all processes: one script, one question per call, on the server's clock.
//!
//! While Redis is away each process lets its share pass, or nothing, as the configuration says.

pub mod line;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use data_encoding::BASE64URL_NOPAD;
use redis::Script;

pub use self::line::{GivenBack, Line, LineFault, LineParts, Unanswered};
use super::{
    claim::{Bucket, Claim, Decided, LimitError, Place, Standing},
    local::{LocalLimiter, PLACE_SOON},
    replicas::Replicas,
    shares::Shares,
    told::Told,
};
use crate::{
    clock::SharedClock,
    config::WhenAway,
    crypto::LimitKey,
    entropy::Entropy,
    names::UpstreamName,
    quota::{Exhausted, Rate, Tier, WindowLevel},
    telemetry::metrics::Metrics,
};

/// Takes from windows; see its own head for the form of question and answer.
const WINDOWS: &str = include_str!("redis/windows.lua");

/// What the limiter is made of.
pub struct RedisLimiterParts {
    /// To Redis.
    pub line: Arc<Line>,
    /// Makes keys that say nothing of whom they belong to.
    pub key: LimitKey,
    /// Ages what is remembered, and counts while Redis is away.
    pub clock: SharedClock,
    /// What to do while Redis is away.
    pub when_away: WhenAway,
    /// How many processes share the limits.
    pub replicas: Replicas,
    /// Counts what was decided without Redis.
    pub metrics: Arc<Metrics>,
}

/// Windows that all processes share.
pub struct RedisLimiter {
    parts: RedisLimiterParts,
    script: Script,
    local: LocalLimiter,
    told: Told,
    /// Names places: a random half of this process, and a count.
    process: u64,
    count: AtomicU64,
}

impl RedisLimiter {
    /// Windows as Redis has them.
    pub fn new(parts: RedisLimiterParts, entropy: &dyn Entropy) -> Self {
        let mut process = [0; 8];
        entropy.fill(&mut process);
        Self {
            script: Script::new(WINDOWS),
            local: LocalLimiter::new(Arc::clone(&parts.clock)),
            told: Told::new(),
            process: u64::from_be_bytes(process),
            count: AtomicU64::new(0),
            parts,
        }
    }

    /// To Redis.
    pub const fn line(&self) -> &Arc<Line> {
        &self.parts.line
    }

    /// The windows of this process alone.
    pub(super) const fn here(&self) -> &LocalLimiter {
        &self.local
    }

    /// What one more gate of this upstream asks for.
    pub fn shares_of(&self, upstream: &UpstreamName) -> Shares {
        let digest = self.digest(upstream.as_str().as_bytes());
        let name = self.count.fetch_add(1, Ordering::Relaxed);
        Shares::new(
            Arc::clone(&self.parts.line),
            self.parts.replicas.clone(),
            self.parts.metrics.upstream_shares_alone.clone(),
            format!("wg:{{up:{digest}}}"),
            format!("{:016x}{name:x}", self.process),
        )
    }

    /// Takes what is claimed: one question.
    pub async fn take(self: Arc<Self>, claim: Claim) -> Result<Standing, LimitError> {
        if let Some(exhausted) = self.told(&claim.first) {
            return Err(LimitError::Exhausted(exhausted));
        }
        match self.ask(&claim).await {
            Ok(result) => result.map_err(LimitError::Exhausted),
            Err(Unanswered::Away) => self.alone(claim),
            // It may have been counted, so nobody else decides it: more than the limit never passes.
            Err(Unanswered::Late) => Err(LimitError::Unavailable),
        }
    }

    /// What this process may let pass while nobody knows what the others do.
    fn alone(&self, claim: Claim) -> Result<Standing, LimitError> {
        self.parts.metrics.limits_decided_alone.inc();
        match self.parts.when_away {
            WhenAway::Refuse => Err(LimitError::Unavailable),
            WhenAway::Local => {
                let share = claim.divided(self.parts.replicas.known());
                let taken = self.local.take(&share).map_err(LimitError::Exhausted)?;
                Ok(Standing {
                    decided: Decided::Alone,
                    ..taken
                })
            }
        }
    }

    /// Is this bucket known to be empty?
    pub(super) fn told(&self, bucket: &Bucket) -> Option<Exhausted> {
        self.told.still(bucket, self.parts.clock.monotonic())
    }

    async fn ask(&self, claim: &Claim) -> Result<Result<Standing, Exhausted>, Unanswered> {
        let owner = self.digest(&claim.owner);
        let mut call = self.script.prepare_invoke();
        for bucket in claim.buckets() {
            call.key(self.bucket_key(&owner, &bucket));
            call.arg(interval(bucket.rate)).arg(bucket.rate.count.get());
        }
        let place = claim.at_once.map(|at_once| {
            let name = self.count.fetch_add(1, Ordering::Relaxed);
            let name = format!("{:016x}{name:x}", self.process);
            let key = format!("wg:{{{owner}}}:at_once");
            call.key(&key);
            call.arg(at_once.most.get())
                .arg(micros(at_once.lifetime))
                .arg(&name);
            let line = Arc::clone(&self.parts.line);
            // Made before it is asked for: a caller who goes away meanwhile leaves none behind.
            Place::new(move || line.give_back(GivenBack { key, name }))
        });
        let answer: Vec<u64> = self.parts.line.run(&call).await?;
        let &[_, refused, wait, ref windows @ ..] = answer.as_slice() else {
            return Err(Unanswered::Away);
        };
        if refused != 0 {
            if let Some(place) = place {
                place.was_not_given();
            }
            return Ok(Err(self.refused(
                claim,
                refused,
                Duration::from_micros(wait),
            )));
        }
        let mut standing = Standing::default();
        let given = windows.chunks_exact(2).zip(claim.buckets());
        for (slot, (window, bucket)) in standing.windows.iter_mut().zip(given) {
            *slot = Some(WindowLevel {
                tier: bucket.tier,
                rate: bucket.rate,
                remaining: u32::try_from(window[0]).unwrap_or(u32::MAX),
                reset: Duration::from_micros(window[1]),
            });
        }
        standing.place = place;
        Ok(Ok(standing))
    }

    fn refused(&self, claim: &Claim, which: u64, retry_after: Duration) -> Exhausted {
        let bucket = usize::try_from(which)
            .ok()
            .and_then(|which| claim.buckets().nth(which - 1));
        let Some(bucket) = bucket else {
            return Exhausted {
                tier: Tier::LicenseAtOnce,
                retry_after: PLACE_SOON,
            };
        };
        let now = self.parts.clock.monotonic();
        self.told.note(&bucket, retry_after, now);
        Exhausted {
            tier: bucket.tier,
            retry_after,
        }
    }

    /// Half a keyed digest: nothing can be found out from it.
    fn digest(&self, bytes: &[u8]) -> String {
        let digest = self.parts.key.digest(bytes);
        BASE64URL_NOPAD.encode(&digest[..16])
    }

    /// All keys of an owner lie in one slot of a Redis cluster: only what is in braces counts.
    fn bucket_key(&self, owner: &str, bucket: &Bucket) -> String {
        let (tier, rate) = (bucket.tier.as_str(), bucket.rate);
        let (count, span) = (rate.count, rate.per.as_secs());
        let key = self.digest(&bucket.key);
        format!("wg:{{{owner}}}:{tier}:{count}/{span}:{key}")
    }
}

impl std::fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisLimiter")
            .field("line", &self.parts.line)
            .finish_non_exhaustive()
    }
}

/// Microseconds between two at an even pace, rounded up: never more than the rate.
pub(super) fn interval(rate: Rate) -> u64 {
    micros(rate.per)
        .div_ceil(u64::from(rate.count.get()))
        .max(1)
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
