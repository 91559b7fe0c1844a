//! One caller in the line of a gate.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{Comer, GateRefusal, Inner, Permit, SLOT_SOON, line::Place, state::Turn};

/// Holds a place until it is dropped or has had its turn.
pub(super) struct Waiter {
    inner: Arc<Inner>,
    comer: Comer,
    /// None: it has had its turn.
    place: Option<Place>,
    /// Rung when it is in front, and something may have changed.
    bell: Arc<Notify>,
}

enum Step {
    Go(Permit),
    Look(Option<Duration>),
}

impl Waiter {
    pub(super) const fn new(
        inner: Arc<Inner>,
        comer: Comer,
        place: Place,
        bell: Arc<Notify>,
    ) -> Self {
        Self {
            inner,
            comer,
            place: Some(place),
            bell,
        }
    }

    /// Until its turn, at most until `until`.
    pub(super) async fn wait(mut self, until: Instant) -> Result<Permit, GateRefusal> {
        loop {
            let next = match self.step()? {
                Step::Go(permit) => return Ok(permit),
                Step::Look(span) => span.map(|span| Instant::now() + span),
            };
            let look = next.map_or(until, |next| next.min(until));
            if timeout_at(look, self.bell.notified()).await.is_err() && look == until {
                return Err(self.too_late());
            }
        }
    }

    fn step(&mut self) -> Result<Step, GateRefusal> {
        let Some(place) = self.place else {
            return Ok(Step::Look(None));
        };
        let mut state = self.inner.state();
        if !state.line.is_front(&self.comer.license, place) {
            return Ok(Step::Look(None));
        }
        let now = self.inner.clock.monotonic();
        match state.turn(now, self.comer.holder)? {
            Turn::NoSlot => Ok(Step::Look(None)),
            Turn::In(span) => Ok(Step::Look(Some(span))),
            Turn::Now(ticket) => {
                state.line.serve();
                let next = state.line.front().map(Arc::clone);
                drop(state);
                self.place = None;
                if let Some(next) = next {
                    next.notify_one();
                }
                Ok(Step::Go(Permit::new(&self.inner, ticket, now)))
            }
        }
    }

    /// What to say to one whose turn did not come.
    fn too_late(&self) -> GateRefusal {
        let state = self.inner.state();
        let ahead = state.line.waiting().saturating_sub(1);
        match state.wait_for_rate(self.inner.clock.monotonic(), ahead) {
            Duration::ZERO => GateRefusal::Queue(state.wait_for_slot(ahead).max(SLOT_SOON)),
            span => GateRefusal::Rate(span),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(place) = self.place else {
            return;
        };
        let mut state = self.inner.state();
        let was_front = state.line.is_front(&self.comer.license, place);
        state.line.leave(&self.comer.license, place);
        let next = state.line.front().map(Arc::clone).filter(|_| was_front);
        drop(state);
        if let Some(next) = next {
            next.notify_one();
        }
    }
}
