//! The MCP server role: one message in, one reply out. Knows no HTTP but the headers that mirror
//! the body.

mod asking;
pub mod listen;
mod messages;
pub mod running;
pub mod serving;
pub mod tools;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::HeaderMap;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::serving::{Answers, Serving};
use self::{listen::Subscriptions, running::Running};
use crate::{
    auth::{Authenticator, Principal, Used, Watcher},
    call::CallError,
    connect::{ConnectionNeeded, Connections},
    crypto::CursorKey,
    limit::Limiter,
    mcp::{
        Era, Id, Incoming, ProtocolFault, Revision, Spoken,
        era::Unspoken,
        json::Excess,
        jsonrpc::{Params, Unreadable},
        lifecycle,
        tools::plain_result,
    },
    quota::Exhausted,
    telemetry::{
        metrics::Metrics,
        record::{Ending, Record},
    },
};

/// What the server is made of.
pub struct ServerParts {
    /// What is being served, swapped as a whole by a reload.
    pub serving: Arc<ArcSwap<Serving>>,
    /// Checks listeners again when something changed.
    pub authenticator: Arc<Authenticator>,
    /// Tells of changes.
    pub watcher: Arc<Watcher>,
    /// Limits lists and subscriptions.
    pub limiter: Arc<Limiter>,
    /// Seals what a client carries while a call waits for an account.
    pub connections: Arc<Connections>,
    /// Seals cursors.
    pub cursor_key: CursorKey,
    /// Ends subscriptions at shutdown.
    pub stopping: CancellationToken,
    /// Holds calls whose clients went away.
    pub detached: TaskTracker,
    /// Counts subscriptions.
    pub metrics: Arc<Metrics>,
}

/// The MCP server.
pub struct McpServer {
    parts: ServerParts,
    running: Arc<Running>,
    subscriptions: Arc<Subscriptions>,
}

/// One message with all that came with it.
pub struct Exchange<'a> {
    /// Who sent it.
    pub principal: Principal,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// Why the body is not the whole of what was sent.
    pub excess: Option<Excess>,
    /// Where what happens is noted.
    pub record: Record,
}

/// What is to be answered.
pub enum Reply {
    /// A JSON-RPC answer as text, HTTP 200.
    Json(String),
    /// Nothing, HTTP 202.
    Accepted,
    /// Server-sent events.
    Events(BoxStream<'static, Bytes>),
    /// A refusal.
    Refused(Refused),
}

/// A refusal and how it is to be worded.
#[derive(Debug)]
pub struct Refused {
    /// To be echoed, when it could be read.
    pub id: Option<Id>,
    /// Decides statuses and shapes.
    pub revision: Revision,
    /// What is wrong.
    pub refusal: Refusal,
    /// How session and license limits answer.
    pub answers: Answers,
}

/// What a message can be refused for.
#[derive(Debug)]
pub enum Refusal {
    /// The protocol's own rules.
    Protocol(ProtocolFault),
    /// The budget for lists and subscriptions, or that for other messages that are no calls.
    List(Exhausted),
    /// The license holds as many subscriptions open as it may.
    Subscriptions {
        /// How many that is.
        most: u32,
    },
    /// All licenses together hold as many subscriptions open as there may be.
    Streams,
    /// A person must connect an account first, and the client can send them there.
    Connect {
        /// Which account, and where.
        needed: Box<ConnectionNeeded>,
        /// What the request to the person is called.
        key: String,
        /// What the client brings back.
        state: String,
    },
    /// A policy, the upstream, or we ourselves; the tool when it is known.
    Call(CallError, Option<crate::names::ToolName>),
}

impl McpServer {
    /// A server that serves what `parts.serving` holds at each moment.
    pub fn new(parts: ServerParts) -> Self {
        Self {
            parts,
            running: Arc::default(),
            subscriptions: Arc::default(),
        }
    }

    /// What is being served now.
    pub fn serving(&self) -> Arc<Serving> {
        self.parts.serving.load_full()
    }

    /// Answers one message.
    pub async fn handle(
        &self,
        exchange: Exchange<'_>,
        message: Result<Incoming, Unreadable>,
    ) -> Reply {
        let serving = self.serving();
        let refuse = |id, revision, refusal| {
            Reply::Refused(Refused {
                id,
                revision,
                refusal,
                answers: serving.answers,
            })
        };
        match message {
            Err(Unreadable { id, fault }) => {
                let refusal = self.faulty(&exchange, fault);
                refuse(id, Revision::V2026_07_28, refusal)
            }
            Ok(Incoming::Response) => {
                let fault = ProtocolFault::InvalidRequest("the gateway asked nothing");
                let refusal = self.faulty(&exchange, fault);
                refuse(None, Revision::V2026_07_28, refusal)
            }
            Ok(Incoming::Notification { method, params }) => {
                if let Err(refusal) = self.spend_message(&exchange) {
                    return refuse(None, Revision::V2026_07_28, refusal);
                }
                self.notified(&exchange, &method, &params);
                exchange.record.ended(Ending::Ok, None);
                Reply::Accepted
            }
            Ok(Incoming::Request { id, method, params }) => {
                exchange.record.fields().rpc_method = Some(method_word(&method));
                let used = match method.as_str() {
                    "tools/call" => Used::Call,
                    _ => Used::Otherwise,
                };
                self.parts.authenticator.used(&exchange.principal, used);
                let spoken = crate::mcp::speak(exchange.headers, &method, &params);
                let outcome = match spoken {
                    Ok(spoken) => {
                        exchange.record.fields().revision = Some(spoken.revision);
                        self.requested(&serving, &exchange, spoken, &id, &method, params)
                            .await
                    }
                    Err(Unspoken { era, fault }) => Err((newest_of(era), Refusal::Protocol(fault))),
                };
                match outcome {
                    Ok(reply) => reply,
                    Err((revision, Refusal::Protocol(fault))) => {
                        refuse(Some(id), revision, self.faulty(&exchange, fault))
                    }
                    Err((revision, refusal)) => refuse(Some(id), revision, refusal),
                }
            }
        }
    }

    async fn requested(
        &self,
        serving: &Arc<Serving>,
        exchange: &Exchange<'_>,
        spoken: Spoken,
        id: &Id,
        method: &str,
        params: Params,
    ) -> Result<Reply, (Revision, Refusal)> {
        let revision = spoken.revision;
        let protocol = |fault| (revision, Refusal::Protocol(fault));
        let done = |text| {
            exchange.record.ended(Ending::Ok, None);
            Ok(Reply::Json(text))
        };
        match (method, spoken.era()) {
            ("tools/call", _) => {
                self.call_tool(serving, exchange, revision, id, params)
                    .await
            }
            ("tools/list", _) => {
                let text = self
                    .list_tools(serving, exchange, revision, id, &params)
                    .await?;
                done(text)
            }
            ("server/discover", Era::Modern) => done(plain_result(id, &lifecycle::discover())),
            ("subscriptions/listen", Era::Modern) => self.listen(exchange, id, &params).await,
            ("initialize", Era::Legacy) => {
                let negotiated = lifecycle::negotiate(&params);
                exchange.record.fields().revision = Some(negotiated);
                done(plain_result(id, &lifecycle::initialize(negotiated)))
            }
            ("ping", Era::Legacy) => {
                let spent = self.spend_message(exchange);
                spent.map_err(|refusal| (revision, refusal))?;
                done(plain_result(id, &json!({})))
            }
            _ => Err(protocol(ProtocolFault::MethodNotFound)),
        }
    }

    /// Only a cancellation that is surely legacy means something; everything else, also what names
    /// its revision wrongly, is acknowledged and dropped.
    fn notified(&self, exchange: &Exchange<'_>, method: &str, params: &Params) {
        exchange.record.fields().rpc_method = Some(method_word(method));
        if method != "notifications/cancelled" {
            return;
        }
        let legacy = crate::mcp::speak(exchange.headers, method, params)
            .is_ok_and(|spoken| spoken.era() == Era::Legacy);
        if legacy {
            self.running
                .cancel(exchange.principal.session(), params.get("requestId"));
        }
    }
}

const fn newest_of(era: Era) -> Revision {
    match era {
        Era::Modern => Revision::V2026_07_28,
        Era::Legacy => Revision::NEWEST_LEGACY,
    }
}

/// The method as a word of ours, for the log.
fn method_word(method: &str) -> &'static str {
    const KNOWN: [&str; 12] = [
        "tools/call",
        "tools/list",
        "server/discover",
        "subscriptions/listen",
        "initialize",
        "ping",
        "notifications/initialized",
        "notifications/cancelled",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "logging/setLevel",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
