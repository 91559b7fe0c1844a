//! Asks for what a gate may use of limits that other processes share: in a task of its own, one
//! question at a time, ahead of need. No call waits for it unless nothing is left.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{Gate, Inner, pool::Pool};
use crate::limit::shares::{Ask, Grant, Shares};

impl Gate {
    /// Shares its limits with all processes from now on. Needs a runtime; ends with the gate.
    #[must_use]
    pub fn shared(self, shares: Shares) -> Self {
        let pool = Pool::new(self.limits, shares.replicas(), shares.alone().clone());
        let bell = Arc::clone(&pool.bell);
        self.inner.state().pool = Some(pool);
        tokio::spawn(run(Arc::downgrade(&self.inner), shares, bell));
        self
    }
}

async fn run(gate: Weak<Inner>, shares: Shares, bell: Arc<Notify>) {
    let mut last = None;
    // Held for no longer than needed: the task is not what keeps a gate.
    while let Some(ask) = gate.upgrade().map(|gate| gate.ask()) {
        if let Some(ask) = ask {
            last = Some(ask);
            let grant = shares.ask(&ask).await.ok();
            let Some(gate) = gate.upgrade() else { break };
            gate.answered(&ask, grant, shares.replicas());
        }
        let Some(next) = gate.upgrade().map(|gate| gate.next_ask()) else {
            break;
        };
        // Whether it rang or not: look.
        let _ = timeout(next, bell.notified()).await;
    }
    // What the gate held is free at once. Whether Redis hears it matters little: it ends by itself.
    if let Some(last) = last {
        let _ = shares.ask(&nothing(&last)).await;
    }
}

impl Inner {
    fn ask(&self) -> Option<Ask> {
        let mut state = self.state();
        let now = self.clock.monotonic();
        let load = state.load(now);
        state.pool.as_mut()?.ask(now, load)
    }

    fn answered(&self, ask: &Ask, grant: Option<Grant>, replicas: u32) {
        let mut state = self.state();
        let now = self.clock.monotonic();
        if let Some(grant) = grant
            && !grant.pause.is_zero()
        {
            state.pauses.everybody(now + grant.pause);
        }
        let doubt = state.pool.as_mut().is_some_and(|pool| {
            pool.answered(ask, grant, now, replicas);
            pool.most_others_open()
        });
        if doubt {
            state.breaker.doubt(now);
        }
        let bell = state.line.front().map(Arc::clone);
        drop(state);
        if let Some(bell) = bell {
            bell.notify_one();
        }
    }

    fn next_ask(&self) -> Duration {
        let state = self.state();
        let now = self.clock.monotonic();
        let load = state.load(now);
        let pool = state.pool.as_ref();
        pool.map_or(Duration::from_secs(1), |pool| pool.next(now, load))
    }
}

/// The question of one who wants nothing any more.
const fn nothing(last: &Ask) -> Ask {
    Ask {
        rate: last.rate,
        calls: 0,
        unspent: 0,
        most: last.most,
        slots: 0,
        running: 0,
        hungry: false,
        pause: Duration::ZERO,
        open: false,
    }
}
