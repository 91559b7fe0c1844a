//! Reads a request body: up to a cap, within a budget over all requests, and not for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::refusal::EdgeRefusal;
use crate::telemetry::pressure::{Level, Pressure};

/// How long a body may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Longest silence within it.
    pub idle: Duration,
    /// For all of it: a client that sends a byte now and then is never silent.
    pub whole: Duration,
    /// How soon a silent one is given up while memory is short, so that it makes room.
    pub short: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(15),
            whole: Duration::from_mins(1),
            short: Duration::from_secs(1),
        }
    }
}

/// Bytes of bodies that may be held at once.
#[derive(Debug)]
pub struct Budget {
    held: AtomicUsize,
    most: usize,
    pressure: Pressure,
}

/// A part of the budget, until dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Nothing held. While memory is short no body grows, and none is waited for, also when it was
    /// begun before.
    pub fn new(most: usize, pressure: Pressure) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicUsize::new(0),
            most,
            pressure,
        })
    }

    fn nothing(self: &Arc<Self>) -> Held {
        Held {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Held {
    /// Takes so much more. What a client only announces costs it, and others, nothing.
    fn grow(&mut self, bytes: usize) -> Result<(), EdgeRefusal> {
        if self.bytes > 0 && self.budget.pressure.level() >= Level::Short {
            return Err(EdgeRefusal::MemoryShort);
        }
        let before = self.budget.held.fetch_add(bytes, Ordering::AcqRel);
        self.bytes += bytes;
        if before.saturating_add(bytes) > self.budget.most {
            Err(EdgeRefusal::Overloaded)
        } else {
            Ok(())
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The whole body, and its part of the budget.
pub async fn read(
    mut body: Body,
    cap: usize,
    budget: &Arc<Budget>,
    waits: Waits,
) -> Result<(Bytes, Held), EdgeRefusal> {
    let end = Instant::now() + waits.whole;
    let wait = || (end.min(Instant::now() + waits.idle), waits.short);
    let hint = body.size_hint();
    let announced = hint.exact().and_then(|bytes| usize::try_from(bytes).ok());
    if hint.lower() > cap as u64 {
        return Err(EdgeRefusal::BodyTooLarge);
    }
    let mut held = budget.nothing();
    let Some(first) = next(&mut body, wait(), &budget.pressure).await? else {
        return Ok((Bytes::new(), held));
    };
    if first.len() > cap {
        return Err(EdgeRefusal::BodyTooLarge);
    }
    held.grow(first.len())?;
    if body.is_end_stream() || announced == Some(first.len()) {
        return Ok((first, held));
    }
    let mut whole = BytesMut::with_capacity(first.len() * 2);
    whole.extend_from_slice(&first);
    while let Some(more) = next(&mut body, wait(), &budget.pressure).await? {
        if whole.len() + more.len() > cap {
            return Err(EdgeRefusal::BodyTooLarge);
        }
        held.grow(more.len())?;
        whole.extend_from_slice(&more);
    }
    Ok((whole.freeze(), held))
}

/// The next piece of data; trailers are dropped.
async fn next(
    body: &mut Body,
    (until, short): (Instant, Duration),
    pressure: &Pressure,
) -> Result<Option<Bytes>, EdgeRefusal> {
    loop {
        let look = until.min(Instant::now() + short);
        match tokio::time::timeout_at(look, body.frame()).await {
            Err(_) if pressure.level() >= Level::Short => return Err(EdgeRefusal::MemoryShort),
            Err(_) if look >= until => return Err(EdgeRefusal::BodyTimeout),
            Err(_) => {}
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(EdgeRefusal::BodyBroken),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
