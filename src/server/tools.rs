//! `tools/list` and `tools/call`.

use std::sync::Arc;

use futures_util::future::{Abortable, Aborted};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::{Exchange, McpServer, Refusal, Reply, Serving, asking::Came};
use crate::{
    call::{Call, CallError, CallResult, detached::Detached},
    catalog::cursor,
    limit::{Claim, LimitError},
    mcp::{
        Era, Id, ProtocolFault, Revision,
        elicit::{Retry, SendsPeople},
        jsonrpc::Params,
        tools::{META_IDEMPOTENCY_KEY, Structured, ToolOutcome, call_result, list_result},
    },
    quota::Tier,
    telemetry::record::{Ending, Record},
    upstream::{AnswerContent, JsonKind},
};

impl McpServer {
    pub(super) async fn list_tools(
        &self,
        serving: &Serving,
        exchange: &Exchange<'_>,
        revision: Revision,
        id: &Id,
        params: &Params,
    ) -> Result<String, (Revision, Refusal)> {
        let invalid = |text| {
            (
                revision,
                Refusal::Protocol(ProtocolFault::InvalidParams(text)),
            )
        };
        if matches!(params, Params::Malformed) {
            return Err(invalid("`params` must be an object"));
        }
        self.take_list(serving, exchange)
            .await
            .map_err(|error| (revision, error))?;
        let license = exchange.principal.license();
        let key = &self.parts.cursor_key;
        let start = match params.get("cursor") {
            None | Some(Value::Null) => 0,
            Some(Value::String(cursor)) => cursor::open(key, license.id, cursor)
                .ok_or_else(|| invalid("the cursor is not valid; list again without one"))?,
            Some(_) => return Err(invalid("`cursor` must be a string")),
        };
        let Some(visible) = serving.catalog.visible(license) else {
            return Ok(list_result(id, revision, "", None));
        };
        let page = visible
            .page(revision, start)
            .ok_or_else(|| invalid("the cursor is not valid; list again without one"))?;
        let next = page.next.map(|start| cursor::seal(key, license.id, start));
        Ok(list_result(id, revision, &page.tools, next.as_deref()))
    }

    /// Lists have a budget of their own, so that listing in a loop does not go on for free.
    pub(super) async fn take_list(
        &self,
        serving: &Serving,
        exchange: &Exchange<'_>,
    ) -> Result<(), Refusal> {
        let key = exchange.principal.session().to_bytes();
        let claim = Claim::one(Tier::List, serving.lists, key);
        match self.parts.limiter.take(claim).decided().await {
            Ok(_) => Ok(()),
            Err(LimitError::Exhausted(exhausted)) => {
                exchange.record.ended(Ending::Limited, Some("limited"));
                exchange.record.fields().tier = Some(exhausted.tier.as_str());
                Err(Refusal::List(exhausted))
            }
            Err(LimitError::Unavailable) => {
                let error = CallError::LimitsUnavailable;
                exchange.record.ended(Ending::Failed, Some(error.word()));
                Err(Refusal::Call(error, None))
            }
        }
    }

    pub(super) async fn call_tool(
        &self,
        serving: &Arc<Serving>,
        exchange: &Exchange<'_>,
        revision: Revision,
        id: &Id,
        params: Params,
    ) -> Result<Reply, (Revision, Refusal)> {
        let protocol = |fault| (revision, Refusal::Protocol(fault));
        let sends = SendsPeople::of(revision, &params);
        let named = params.meta();
        let named = named.and_then(|meta| meta.get(META_IDEMPOTENCY_KEY).cloned());
        let Asked {
            name,
            arguments,
            retry,
        } = read_call(revision.era(), params).map_err(protocol)?;
        let came = self.came(exchange, &name, &arguments, &retry);
        let came = came.map_err(protocol)?;
        let (record, now) = (exchange.record.clone(), Instant::now());
        let kept = Self::kept(serving, sends, &name, &arguments).map(|kept| (name.clone(), kept));
        let waiting = match came {
            Came::Fresh => None,
            Came::Accepted => Some(self.waits(now, serving.call_timeout)),
            Came::Declined => return Err((revision, Self::declined(serving, exchange, &name))),
        };
        let mut call = Call::new(
            exchange.principal.clone(),
            name,
            arguments,
            exchange.excess,
            now + serving.call_timeout,
            record.clone(),
        );
        (call.waiting, call.named) = (waiting, named);
        let answer = serving.calls.clone().oneshot(call);
        let result = match revision.era() {
            // Dropping the request's future drops the call, and with it the upstream request.
            Era::Modern => answer.await,
            Era::Legacy => {
                let (running, id) = (Arc::clone(&self.running), id.clone());
                let session = exchange.principal.session();
                let kept = record.clone();
                let future = Box::pin(async move {
                    let (_entry, cancellation) = running.enter(session, id);
                    Abortable::new(answer, cancellation)
                        .await
                        .unwrap_or_else(|Aborted| cancelled(&kept))
                });
                Detached::new(future, self.parts.detached.clone()).await
            }
        };
        match result {
            Ok(answer) => Ok(Reply::Json(answered(id, revision, &answer.content))),
            Err(error) => {
                let error = match (error, kept) {
                    (CallError::ConnectionNeeded(needed), Some((name, arguments))) => {
                        let refusal = self.ask(exchange, &name, &arguments, needed);
                        return Err((revision, refusal));
                    }
                    (error, _) => error,
                };
                let tool = record.fields().tool.clone();
                Err((revision, Refusal::Call(error, tool)))
            }
        }
    }
}

fn cancelled(record: &Record) -> CallResult {
    record.ended(Ending::Cancelled, Some(CallError::Cancelled.word()));
    Err(CallError::Cancelled)
}

struct Asked {
    name: String,
    arguments: Value,
    retry: Retry,
}

/// `params` of `tools/call`: absent `arguments` read as `{}`.
fn read_call(era: Era, params: Params) -> Result<Asked, ProtocolFault> {
    let Params::Object(mut params) = params else {
        return Err(ProtocolFault::InvalidParams("`params` must be an object"));
    };
    let Some(Value::String(name)) = params.remove("name") else {
        return Err(ProtocolFault::InvalidParams("`name` must be a string"));
    };
    let arguments = match params.remove("arguments") {
        None => Value::Object(Map::new()),
        Some(Value::Object(arguments)) => Value::Object(arguments),
        Some(_) => {
            return Err(ProtocolFault::InvalidParams(
                "`arguments` must be an object",
            ));
        }
    };
    let retry = match era {
        Era::Modern => Retry::take(&mut params)?,
        Era::Legacy => Retry::default(),
    };
    Ok(Asked {
        name,
        arguments,
        retry,
    })
}

fn answered(id: &Id, revision: Revision, content: &AnswerContent) -> String {
    let (text, structured) = match content {
        AnswerContent::Json {
            text,
            kind: JsonKind::Object,
        } => (text, Structured::Object(text)),
        AnswerContent::Json {
            text,
            kind: JsonKind::Other,
        } => (text, Structured::Other(text)),
        AnswerContent::Text(text) => (text, Structured::None),
    };
    call_result(id, revision, text, structured, ToolOutcome::Success)
}
