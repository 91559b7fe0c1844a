//! What was read from strangers' addresses, while it counts: few readings at once, one for all who
//! ask for the same, and never a failure remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use quick_cache::sync::Cache;
use tokio::sync::oneshot;

use super::{
    slots::{Before, Slots},
    web::ReadFault,
};
use crate::clock::SharedClock;

/// Most documents kept.
const KEPT: usize = 1_000;

/// What was read, ready for use, and for how long it counts.
pub(super) type Found<T> = Result<(T, Duration), ReadFault>;
type Answer<T> = Shared<oneshot::Receiver<Result<T, ReadFault>>>;

/// A memory of one sort of document, by address.
pub(super) struct Recall<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    clock: SharedClock,
    kept: Cache<String, Kept<T>>,
    /// Readings under way or waiting; the slots bound them.
    pending: Mutex<HashMap<String, Answer<T>>>,
    slots: Arc<Slots>,
}

#[derive(Clone)]
struct Kept<T> {
    value: T,
    read: Duration,
    fresh_until: Duration,
}

impl<T: Clone + Send + Sync + 'static> Recall<T> {
    /// Empty. `slots` bound the readings of all memories that share them.
    pub(super) fn new(clock: SharedClock, slots: Arc<Slots>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                kept: Cache::new(KEPT),
                pending: Mutex::default(),
                slots,
            }),
        }
    }

    /// What is at `address`: remembered, or read by `read`, once for all who ask meanwhile.
    pub(super) async fn get(
        &self,
        address: &str,
        read: impl FnOnce() -> BoxFuture<'static, Found<T>>,
    ) -> Result<T, ReadFault> {
        let now = self.inner.clock.monotonic();
        match self.inner.kept.get(address) {
            Some(kept) if now < kept.fresh_until => Ok(kept.value),
            _ => self.again(address, read).await,
        }
    }

    /// The same, but reads anew what was read longer than `age` ago.
    pub(super) async fn newer(
        &self,
        address: &str,
        age: Duration,
        read: impl FnOnce() -> BoxFuture<'static, Found<T>>,
    ) -> Result<T, ReadFault> {
        let now = self.inner.clock.monotonic();
        match self.inner.kept.get(address) {
            Some(kept) if now < kept.read + age => Ok(kept.value),
            _ => self.again(address, read).await,
        }
    }

    /// A copy that no longer counts since `span` at most.
    pub(super) fn stale(&self, address: &str, span: Duration) -> Option<T> {
        let kept = self.inner.kept.get(address)?;
        let now = self.inner.clock.monotonic();
        (now < kept.fresh_until + span).then_some(kept.value)
    }

    /// A copy, however old.
    pub(super) fn last(&self, address: &str) -> Option<T> {
        Some(self.inner.kept.get(address)?.value)
    }

    /// Is nothing being read?
    #[cfg(test)]
    pub(super) fn inner_is_idle(&self) -> bool {
        self.inner.pending.lock().unwrap().is_empty()
    }

    async fn again(
        &self,
        address: &str,
        read: impl FnOnce() -> BoxFuture<'static, Found<T>>,
    ) -> Result<T, ReadFault> {
        let answer = self.inner.join(address, read)?;
        answer.await.unwrap_or(Err(ReadFault::Silent))
    }
}

impl<T: Clone + Send + Sync + 'static> Inner<T> {
    fn join(
        self: &Arc<Self>,
        address: &str,
        read: impl FnOnce() -> BoxFuture<'static, Found<T>>,
    ) -> Result<Answer<T>, ReadFault> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = pending.get(address) {
            return Ok(answer.clone());
        }
        let before = match self.kept.get(address) {
            Some(_) => Before::Read,
            None => Before::Never,
        };
        let turn = self.slots.enter(address, before)?;
        let (tell, told) = oneshot::channel();
        let answer = told.shared();
        pending.insert(address.to_owned(), answer.clone());
        drop(pending);
        let done = Done {
            inner: Arc::clone(self),
            address: address.to_owned(),
        };
        let reading = read();
        // A task of its own: who asked first may go away, the others still wait for it.
        tokio::spawn(async move {
            let found = match turn.place().await {
                Ok(place) => {
                    let found = reading.await;
                    found.inspect(|_| place.read_well())
                }
                Err(fault) => Err(fault),
            };
            let found = found.map(|(value, fresh)| done.keep(value, fresh));
            drop(done);
            // Nobody may be waiting any more.
            let _ = tell.send(found);
        });
        Ok(answer)
    }
}

/// Ends a reading, also one that panicked.
struct Done<T> {
    inner: Arc<Inner<T>>,
    address: String,
}

impl<T: Clone> Done<T> {
    fn keep(&self, value: T, fresh: Duration) -> T {
        let read = self.inner.clock.monotonic();
        let kept = Kept {
            value: value.clone(),
            read,
            fresh_until: read + fresh,
        };
        self.inner.kept.insert(self.address.clone(), kept);
        value
    }
}

impl<T> Drop for Done<T> {
    fn drop(&mut self) {
        let pending = self.inner.pending.lock();
        let mut pending = pending.unwrap_or_else(PoisonError::into_inner);
        pending.remove(&self.address);
    }
}
