//! `subscriptions/listen` (2026-07-28): an open stream that says when the caller's tools change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Exchange, McpServer, Refusal, Reply, Serving};
use crate::{
    auth::{AuthError, Authenticator, Change, Principal},
    catalog::Visible,
    ids::LicenseId,
    mcp::{Id, ProtocolFault, Revision, jsonrpc::Params, lifecycle::META_JSON, sse},
    telemetry::{
        metrics::Metrics,
        record::{Ending, Record},
    },
};

/// How soon a stream's caller is looked up again when the store did not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A comment this often keeps proxies from closing a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How many streams are open, and how many of each license.
#[derive(Default)]
pub struct Subscriptions {
    all: AtomicU32,
    by_license: DashMap<LicenseId, u32>,
}

/// Why there is no place for a stream.
enum Full {
    /// All licenses together hold as many as there may be.
    All,
    /// The license does.
    License,
}

/// How many streams there may be.
#[derive(Clone, Copy)]
struct Most {
    all: u32,
    of_license: u32,
}

/// One stream's place, until dropped.
struct Place {
    metrics: Arc<Metrics>,
    table: Arc<Subscriptions>,
    license: LicenseId,
}

impl Subscriptions {
    fn enter(
        self: &Arc<Self>,
        license: LicenseId,
        most: Most,
        metrics: &Arc<Metrics>,
    ) -> Result<Place, Full> {
        let one_more = |all: u32| (all < most.all).then(|| all + 1);
        let mut held = self.by_license.entry(license).or_insert(0);
        if *held >= most.of_license {
            return Err(Full::License);
        }
        let free = (self.all).fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        if free.is_err() {
            return Err(Full::All);
        }
        *held += 1;
        metrics.subscriptions.inc();
        Ok(Place {
            metrics: Arc::clone(metrics),
            table: Arc::clone(self),
            license,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.subscriptions.dec();
        let Subscriptions { all, by_license } = &*self.table;
        all.fetch_sub(1, Ordering::AcqRel);
        if let Some(mut held) = by_license.get_mut(&self.license) {
            *held = held.saturating_sub(1);
        }
        by_license.remove_if(&self.license, |_, held| *held == 0);
    }
}

/// Does this stream tell of changed tools? Other kinds are never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tools {
    Told,
    NotAsked,
}

impl McpServer {
    pub(super) async fn listen(
        &self,
        exchange: &Exchange<'_>,
        id: &Id,
        params: &Params,
    ) -> Result<Reply, (Revision, Refusal)> {
        let revision = Revision::V2026_07_28;
        let Some(filter) = params.get("notifications").and_then(Value::as_object) else {
            let fault = ProtocolFault::InvalidParams("`notifications` must be an object");
            return Err((revision, Refusal::Protocol(fault)));
        };
        let tools = match filter.get("toolsListChanged") {
            Some(Value::Bool(true)) => Tools::Told,
            _ => Tools::NotAsked,
        };
        let serving = self.serving();
        self.take_list(&serving, exchange)
            .await
            .map_err(|refusal| (revision, refusal))?;
        let most = Most {
            all: serving.max_streams,
            of_license: serving.subscriptions_per_license,
        };
        let license = exchange.principal.license_id();
        let entered = self.subscriptions.enter(license, most, &self.parts.metrics);
        let place = entered.map_err(|full| {
            let (ending, word, refusal) = match full {
                Full::All => (Ending::Failed, "streams", Refusal::Streams),
                Full::License => {
                    let most = most.of_license;
                    let refusal = Refusal::Subscriptions { most };
                    (Ending::Limited, "subscriptions", refusal)
                }
            };
            exchange.record.ended(ending, Some(word));
            (revision, refusal)
        })?;
        let listener = Listener {
            id: id.clone(),
            tools,
            seen: serving.catalog.visible(exchange.principal.license()),
            principal: exchange.principal.clone(),
            serving: Arc::clone(&self.parts.serving),
            authenticator: Arc::clone(&self.parts.authenticator),
            changes: self.parts.watcher.subscribe(),
            stopping: self.parts.stopping.clone(),
            record: exchange.record.clone(),
            state: State::Opening,
            silent_since: Instant::now(),
            known: Known::Sure,
            _place: place,
        };
        exchange.record.ended(Ending::Ok, None);
        Ok(Reply::Events(Box::pin(stream::unfold(
            listener,
            Listener::next,
        ))))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Ended,
}

struct Listener {
    id: Id,
    tools: Tools,
    seen: Option<Arc<Visible>>,
    principal: Principal,
    serving: Arc<arc_swap::ArcSwap<Serving>>,
    authenticator: Arc<Authenticator>,
    changes: watch::Receiver<Change>,
    stopping: CancellationToken,
    record: Record,
    state: State,
    /// Since when nothing was sent.
    silent_since: Instant,
    known: Known,
    _place: Place,
}

/// Is the caller's license as the store last told it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is.
    Sure,
    /// The store did not answer when something had changed.
    Owed,
}

enum Woken {
    Stop,
    Change,
    Silence,
}

impl Listener {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        match self.state {
            State::Ended => return None,
            State::Opening => {
                self.state = State::Open;
                return Some((self.acknowledgement(), self));
            }
            State::Open => {}
        }
        loop {
            let until = match self.known {
                Known::Sure => self.silent_since + KEEP_ALIVE,
                Known::Owed => Instant::now() + LOOK_AGAIN,
            };
            let woken = tokio::select! {
                () = self.stopping.cancelled() => Woken::Stop,
                changed = self.changes.changed() => {
                    if changed.is_ok() { Woken::Change } else { Woken::Stop }
                }
                () = tokio::time::sleep_until(until) => Woken::Silence,
            };
            if matches!(woken, Woken::Stop) {
                return Some(self.end());
            }
            // Also after a silence: a license expires without anything changing.
            match self.authenticator.recheck(&self.principal).await {
                // A store that is away for a moment is no reason to hang up; what changed
                // meanwhile is still to be found out.
                Err(AuthError::Unavailable) => self.known = Known::Owed,
                Err(AuthError::Refused | AuthError::Over | AuthError::InsufficientScope) => {
                    return Some(self.end());
                }
                Ok(principal) => {
                    self.known = Known::Sure;
                    self.principal = principal;
                    if self.sees_a_change() && self.tools == Tools::Told {
                        return Some((self.changed(), self));
                    }
                }
            }
            if self.silent_since.elapsed() >= KEEP_ALIVE {
                self.silent_since = Instant::now();
                return Some((sse::keep_alive(), self));
            }
        }
    }

    fn sees_a_change(&mut self) -> bool {
        let now = self
            .serving
            .load()
            .catalog
            .visible(self.principal.license());
        let same = match (&self.seen, &now) {
            (Some(before), Some(now)) => before.shows_the_same_as(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.seen = now;
        !same
    }

    fn acknowledgement(&self) -> Bytes {
        let honoured = match self.tools {
            Tools::Told => json!({ "toolsListChanged": true }),
            Tools::NotAsked => json!({}),
        };
        self.notification("notifications/subscriptions/acknowledged", Some(&honoured))
    }

    fn changed(&mut self) -> Bytes {
        self.silent_since = Instant::now();
        self.notification("notifications/tools/list_changed", None)
    }

    fn notification(&self, method: &str, honoured: Option<&Value>) -> Bytes {
        let mut params = json!({ "_meta": { META_SUBSCRIPTION: self.id } });
        if let Some(honoured) = honoured {
            params["notifications"] = honoured.clone();
        }
        sse::event(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string())
    }

    /// The listen request's own result is the last frame (SUB).
    fn end(mut self) -> (Bytes, Self) {
        self.state = State::Ended;
        self.record.ended(Ending::Ok, None);
        let mut meta: Value = serde_json::from_str(META_JSON).unwrap_or_default();
        meta[META_SUBSCRIPTION] = json!(self.id);
        let result = json!({ "resultType": "complete", "_meta": meta });
        let answer = json!({ "jsonrpc": "2.0", "id": self.id, "result": result });
        (sse::event(&answer.to_string()), self)
    }
}
