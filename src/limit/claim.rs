//! What is asked of a limiter, and what it says.

use std::{fmt, num::NonZeroU32, time::Duration};

use crate::quota::{Exhausted, Rate, Tier, WindowLevel};

/// What a bucket counts by: a digest or an id.
pub type BucketKey = [u8; 16];

/// One window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Which limit it is.
    pub tier: Tier,
    /// How many in what span.
    pub rate: Rate,
    /// What it counts by.
    pub key: BucketKey,
}

/// At most so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtOnce {
    /// How many.
    pub most: NonZeroU32,
    /// A place that nobody gave back, because its process died, is free again after this.
    pub lifetime: Duration,
}

/// One from each of up to two buckets, in their order, and then perhaps a place among those that
/// run at once. The first that refuses ends it; what was taken before stays taken.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Whose buckets these are; those of one owner are kept together.
    pub owner: BucketKey,
    /// Asked first.
    pub first: Bucket,
    /// Asked second.
    pub second: Option<Bucket>,
    /// Asked last, counted by owner.
    pub at_once: Option<AtOnce>,
}

impl Claim {
    /// One from one bucket.
    pub const fn one(tier: Tier, rate: Rate, key: BucketKey) -> Self {
        Self {
            owner: key,
            first: Bucket { tier, rate, key },
            second: None,
            at_once: None,
        }
    }

    /// The window that refused, as it stands; none when it was no window.
    pub fn emptied(&self, exhausted: &Exhausted) -> Option<WindowLevel> {
        let bucket = self
            .buckets()
            .find(|bucket| bucket.tier == exhausted.tier)?;
        Some(WindowLevel {
            tier: bucket.tier,
            rate: bucket.rate,
            remaining: 0,
            reset: exhausted.retry_after,
        })
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        std::iter::once(self.first).chain(self.second)
    }

    /// What each of so many processes may let pass alone. Never nothing.
    pub(super) fn divided(mut self, by: NonZeroU32) -> Self {
        let share =
            |count: NonZeroU32| NonZeroU32::new(count.get() / by.get()).unwrap_or(NonZeroU32::MIN);
        let divide = |bucket: &mut Bucket| bucket.rate.count = share(bucket.rate.count);
        divide(&mut self.first);
        self.second.iter_mut().for_each(divide);
        if let Some(at_once) = &mut self.at_once {
            at_once.most = share(at_once.most);
        }
        self
    }
}

/// Who granted it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// Whoever counts for all processes; with one process that is the process.
    #[default]
    ForAll,
    /// This process for its share, since nobody knows what the others do.
    Alone,
}

/// What was granted.
#[derive(Default)]
pub struct Standing {
    /// Who granted it.
    pub decided: Decided,
    /// In the order of the claim.
    pub windows: [Option<WindowLevel>; 2],
    /// A place among those that run at once, until dropped.
    pub place: Option<Place>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing")
            .field("decided", &self.decided)
            .field("windows", &self.windows)
            .field("place", &self.place.is_some())
            .finish()
    }
}

/// A place among those that run at once. Dropped, it is free.
#[must_use = "dropping it frees the place"]
pub struct Place(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Place {
    pub(super) fn new(free: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(free)))
    }
}

impl Place {
    /// There was none: nothing is to be given back.
    pub(super) fn was_not_given(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(free) = self.0.take() {
            free();
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// Why nothing was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A limit said no.
    #[error("limited by {}", .0.tier.as_str())]
    Exhausted(Exhausted),
    /// Nobody can say, and the configuration wants calls refused then.
    #[error("the shared limits are away")]
    Unavailable,
}
