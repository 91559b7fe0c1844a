//! Checked credentials, remembered for two seconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;

use super::Principal;
use crate::crypto::TokenDigest;

/// Most credentials remembered.
const MAX_ENTRIES: usize = 50_000;
/// From this age on, one caller at a time asks the store again.
const MAX_AGE: Duration = Duration::from_secs(2);
/// After this long without a word from the store nothing remembered counts.
pub(super) const SILENCE_MS: i64 = 5_000;

/// Does what is remembered count at all?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The store was heard from lately.
    Fresh,
    /// It was not.
    None,
}

/// What a look-up found.
pub(super) enum Lookup {
    /// Remembered: a caller, or that there is none.
    Known(Option<Principal>),
    /// The store must be asked.
    Ask,
}

#[derive(Clone)]
struct Entry {
    principal: Option<Principal>,
    /// Nanoseconds of the monotonic clock. Set ahead by the one caller who asks again.
    asked_at: Arc<AtomicU64>,
    learned_at: Duration,
}

pub(super) struct Remembered {
    entries: Cache<TokenDigest, Entry>,
    /// Rises when everything is forgotten, so that an answer that was read before is not kept.
    generation: AtomicU64,
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Remembered {
    pub(super) fn new() -> Self {
        Self {
            entries: Cache::new(MAX_ENTRIES),
            generation: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, digest: &TokenDigest, now: Duration, trust: Trust) -> Lookup {
        if trust == Trust::None {
            return Lookup::Ask;
        }
        let Some(entry) = self.entries.get(digest) else {
            return Lookup::Ask;
        };
        if now.saturating_sub(entry.learned_at) > MAX_AGE * 2 {
            return Lookup::Ask;
        }
        let asked_at = entry.asked_at.load(Ordering::Relaxed);
        let due = nanos(now) > asked_at.saturating_add(nanos(MAX_AGE));
        let mine = due
            && entry
                .asked_at
                .compare_exchange(asked_at, nanos(now), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if mine {
            Lookup::Ask
        } else {
            Lookup::Known(entry.principal)
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps what the store said, unless everything was forgotten since `generation`.
    pub(super) fn put(
        &self,
        digest: &TokenDigest,
        principal: Option<Principal>,
        now: Duration,
        generation: u64,
    ) {
        let asked_at = Arc::new(AtomicU64::new(nanos(now)));
        self.entries.insert(
            *digest,
            Entry {
                principal,
                asked_at,
                learned_at: now,
            },
        );
        if self.generation() != generation {
            self.entries.remove(digest);
        }
    }

    pub(super) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }
}
