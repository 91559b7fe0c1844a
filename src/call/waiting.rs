//! A call whose caller went to connect an account: it waits in front of everything that is paid
//! for, until the account is there or its time is over. Holds no slot and no reservation meanwhile.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    auth::{AuthError, Authenticator, Change, Principal},
    connect::{Connections, ObtainError},
    names::Label,
    telemetry::metrics::Metrics,
    upstream::{BoundTool, OpenedCredential},
};

/// How a call waits.
pub struct Waiting {
    /// Not longer.
    pub until: Instant,
    /// Tells that something was stored.
    pub changes: watch::Receiver<Change>,
    /// Is the caller still good, after all that time?
    pub authenticator: Arc<Authenticator>,
    /// Counts those that wait.
    pub metrics: Arc<Metrics>,
}

/// One more waits, as long as this lives.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.calls_waiting.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.calls_waiting.dec();
    }
}

impl Waiting {
    /// The credential as soon as there is one; else why there was none in the end.
    pub(super) async fn obtain(
        mut self,
        connections: &Connections,
        caller: &Principal,
        tool: &BoundTool,
        account: Option<&Label>,
    ) -> Result<Option<Arc<OpenedCredential>>, ObtainError> {
        let mut counted = None;
        loop {
            // Before looking: what changes while we look wakes us afterwards.
            self.changes.mark_unchanged();
            let obtained = connections.obtain(caller, tool, account).await;
            if !matches!(obtained, Err(ObtainError::Connect(_))) {
                return obtained;
            }
            counted.get_or_insert_with(|| Counted::new(&self.metrics));
            let Ok(Ok(())) = timeout_at(self.until, self.changes.changed()).await else {
                return obtained;
            };
            match self.authenticator.recheck(caller).await {
                Ok(_) | Err(AuthError::Unavailable) => {}
                // Its next request is told what is wrong with the caller.
                Err(AuthError::Refused | AuthError::Over | AuthError::InsufficientScope) => {
                    return obtained;
                }
            }
        }
    }
}
