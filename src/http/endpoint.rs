//! The connector: a POST's body to messages, messages to the MCP server, replies to HTTP.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::future::{BoxFuture, join_all};
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT, request::Parts};
use serde_json::Value;
use tower::Service;

use super::{
    body::{self, Budget},
    media::{Media, media},
    observe::Edge,
    rate_limit,
    refusal::EdgeRefusal,
    reply,
};
use crate::{
    auth::Principal,
    mcp::{
        Incoming, ProtocolFault, Revision,
        era::META_VERSION,
        headers,
        json::{self, JsonFault, Parsed},
    },
    server::{Exchange, McpServer, Refusal, Refused, Reply},
    telemetry::record::Ending,
};

/// Most messages in one batch.
const MAX_BATCH: usize = 20;

/// What the endpoint is made of.
pub struct Endpoint {
    /// Answers messages.
    pub server: Arc<McpServer>,
    /// Bounds what all bodies hold.
    pub budget: Arc<Budget>,
    /// What a session that may only read is told when it wants more.
    pub more_scope: HeaderValue,
}

/// `/mcp`, any method, as a service.
#[derive(Clone)]
pub struct Connector(pub Arc<Endpoint>);

impl Service<Request> for Connector {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        Box::pin(async move { Ok(mcp(endpoint, request).await) })
    }
}

async fn mcp(endpoint: Arc<Endpoint>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (Some(edge), Some(principal)) = (
        parts.extensions.get::<Edge>(),
        parts.extensions.get::<Principal>(),
    ) else {
        // No layer above let this through: fail closed.
        return reply::edge_response(&EdgeRefusal::Internal);
    };
    let answered = match head(&parts) {
        Ok(()) => {
            let waits = parts.extensions.get::<body::Waits>().copied();
            endpoint
                .answer(
                    edge,
                    principal,
                    &parts.headers,
                    body,
                    waits.unwrap_or_default(),
                )
                .await
        }
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            let refusal = endpoint.counted(principal, refusal);
            reply::note(edge, &refusal);
            reply::edge_response(&refusal)
        }
    }
}

impl Endpoint {
    /// What the client is at fault for costs its session a message; too many are another refusal.
    fn counted(&self, principal: &Principal, refusal: EdgeRefusal) -> EdgeRefusal {
        let counts = !matches!(
            refusal,
            EdgeRefusal::Overloaded | EdgeRefusal::MemoryShort | EdgeRefusal::TooManyMessages(_)
        );
        if !counts {
            return refusal;
        }
        self.count(principal).err().unwrap_or(refusal)
    }

    fn count(&self, principal: &Principal) -> Result<(), EdgeRefusal> {
        let taken = self.server.take_message(principal);
        taken.map_err(EdgeRefusal::TooManyMessages)
    }

    async fn answer(
        &self,
        edge: &Edge,
        principal: &Principal,
        headers: &HeaderMap,
        body: Body,
        waits: body::Waits,
    ) -> Result<Response<Body>, EdgeRefusal> {
        let cap = self.server.serving().max_request_bytes;
        let (bytes, held) = body::read(body, cap, &self.budget, waits).await?;
        edge.record.fields().request_bytes = bytes.len() as u64;
        let parsed = match json::parse(&bytes) {
            Ok(parsed) => parsed,
            Err(fault) => {
                self.count(principal)?;
                return Ok(self.unreadable(edge, fault_of(fault)));
            }
        };
        drop(bytes);
        let response = match parsed {
            Parsed {
                value: Value::Array(entries),
                excess,
            } => {
                let batch = Parsed {
                    value: Value::Array(Vec::new()),
                    excess,
                };
                self.batch(edge, principal, headers, entries, batch.excess)
                    .await?
            }
            Parsed { value, excess } => {
                let exchange = Exchange {
                    principal: principal.clone(),
                    headers,
                    excess,
                    record: edge.record.clone(),
                };
                let reply = self.server.handle(exchange, Incoming::read(value)).await;
                let mut response = self.http(reply, edge);
                rate_limit::show(&mut response, edge);
                response
            }
        };
        drop(held);
        Ok(response)
    }

    /// Batches exist in 2025-03-26 only (JSON-RPC 2.0 section 6).
    async fn batch(
        &self,
        edge: &Edge,
        principal: &Principal,
        headers: &HeaderMap,
        entries: Vec<Value>,
        excess: Option<json::Excess>,
    ) -> Result<Response<Body>, EdgeRefusal> {
        if let Err(text) = check_batch(headers, &entries) {
            self.count(principal)?;
            return Ok(self.unreadable(edge, ProtocolFault::InvalidRequest(text)));
        }
        let replies = entries.into_iter().map(|entry| {
            let exchange = Exchange {
                principal: principal.clone(),
                headers,
                excess,
                record: edge.record.for_batch_entry(),
            };
            async move {
                let record = exchange.record.clone();
                let reply = self.server.handle(exchange, Incoming::read(entry)).await;
                record.fields().status = 200;
                reply::to_batch_entry(reply, edge.request_id)
            }
        });
        let answers: Vec<String> = join_all(replies).await.into_iter().flatten().collect();
        if answers.is_empty() {
            return Ok(self.http(Reply::Accepted, edge));
        }
        let text = format!("[{}]", answers.join(","));
        Ok(self.http(Reply::Json(text), edge))
    }

    fn http(&self, reply: Reply, edge: &Edge) -> Response<Body> {
        reply::to_http(reply, edge.request_id, &self.more_scope)
    }

    /// A body that no message can be read from.
    fn unreadable(&self, edge: &Edge, fault: ProtocolFault) -> Response<Body> {
        edge.record.ended(Ending::Refused, Some(fault.word()));
        let refused = Refused {
            id: None,
            revision: Revision::V2026_07_28,
            refusal: Refusal::Protocol(fault),
            answers: self.server.serving().answers,
        };
        self.http(Reply::Refused(refused), edge)
    }
}

const fn fault_of(fault: JsonFault) -> ProtocolFault {
    match fault {
        JsonFault::Syntax => ProtocolFault::Parse,
        JsonFault::DuplicateKey => ProtocolFault::InvalidRequest("an object names a key twice"),
    }
}

fn check_batch(headers: &HeaderMap, entries: &[Value]) -> Result<(), &'static str> {
    let revision = match headers::single(headers, &headers::PROTOCOL_VERSION) {
        Ok(None) => Some(Revision::WITHOUT_HEADER),
        Ok(Some(named)) => Revision::parse(named),
        Err(_) => None,
    };
    if revision != Some(Revision::V2025_03_26) {
        return Err("batches exist in 2025-03-26 only");
    }
    if entries.is_empty() || entries.len() > MAX_BATCH {
        return Err("a batch holds 1 to 20 messages");
    }
    let modern = |entry: &Value| !entry["params"]["_meta"][META_VERSION].is_null();
    if entries.iter().any(modern) {
        return Err("batches exist in 2025-03-26 only");
    }
    if entries.iter().any(|entry| entry["method"] == "initialize") {
        return Err("`initialize` must not be in a batch");
    }
    Ok(())
}

/// What can be refused before the body is looked at.
fn head(parts: &Parts) -> Result<(), EdgeRefusal> {
    if parts.method != Method::POST {
        return Err(EdgeRefusal::MethodNotAllowed);
    }
    check_media(&parts.headers)
}

/// JSON in UTF-8 without coding in, JSON or events out.
fn check_media(headers: &HeaderMap) -> Result<(), EdgeRefusal> {
    if media(headers) != Some(Media::Json) {
        return Err(EdgeRefusal::UnsupportedMediaType);
    }
    let takes = |range: &str| {
        let media = range.split(';').next().unwrap_or_default().trim();
        [
            "*/*",
            "application/*",
            "application/json",
            "text/event-stream",
        ]
        .iter()
        .any(|known| media.eq_ignore_ascii_case(known))
    };
    let mut accepts = headers.get_all(ACCEPT).iter().peekable();
    if accepts.peek().is_some()
        && !accepts
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(takes)
    {
        return Err(EdgeRefusal::NotAcceptable);
    }
    Ok(())
}
