//! Every answer and every refusal to status, headers and body: the one place, without a wildcard.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{
    Extensions, HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

use super::{challenge::Challenge, observe::Edge, refusal::EdgeRefusal, wording};
use crate::{
    call::CallError,
    config::limits::LimitAnswer,
    ids::RequestId,
    mcp::{
        Era, Id, ProtocolFault, Revision, elicit,
        jsonrpc::{ErrorObject, error_text},
        tools::{Structured, ToolOutcome, call_result},
    },
    quota::Exhausted,
    server::{Refusal, Refused, Reply},
    telemetry::record::Ending,
    upstream::UpstreamError,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Where no [`Challenge`] is at hand.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
/// A client that was cancelled or cut off still gets a code of its own.
const CANCELLED: i64 = 49_900;
const LIMITED: i64 = 42_900;
const SCOPE: i64 = 40_301;
/// 2025-11-25: somebody has to open an address first.
const OPEN_AN_ADDRESS: i64 = -32_042;
/// When another stream of the license ends, nobody can know; the sentence says what helps.
const SUBSCRIPTION_SOON: std::time::Duration = std::time::Duration::from_secs(30);
const UNAVAILABLE: i64 = 50_300;

fn response(status: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The HTTP answer to one message. `more_scope` is what a client is told that may ask for more
/// (RFC 6750 section 3.1, `insufficient_scope`).
pub fn to_http(reply: Reply, request: RequestId, more_scope: &HeaderValue) -> Response<Body> {
    match reply {
        Reply::Json(text) => response(200, text),
        Reply::Accepted => {
            let mut accepted = Response::new(Body::empty());
            *accepted.status_mut() = StatusCode::ACCEPTED;
            accepted
        }
        Reply::Events(events) => {
            let frames = events.map(Ok::<Bytes, std::convert::Infallible>);
            let mut stream = response(200, Body::from_stream(frames));
            let headers = stream.headers_mut();
            headers.insert(CONTENT_TYPE, EVENTS);
            headers.insert(CACHE_CONTROL, NO_CACHE);
            headers.insert(BUFFERING, HeaderValue::from_static("no"));
            stream
        }
        Reply::Refused(refused) => {
            let wire = wire(&refused, request);
            let mut response = response(wire.status, wire.body);
            retry_after(&mut response, wire.wait.as_ref());
            if let Refusal::Call(CallError::InsufficientScope, _) = refused.refusal {
                let headers = response.headers_mut();
                headers.insert(WWW_AUTHENTICATE, more_scope.clone());
            }
            response
        }
    }
}

/// The JSON text of one message's answer inside a batch; none for what wants no answer.
pub fn to_batch_entry(reply: Reply, request: RequestId) -> Option<String> {
    match reply {
        Reply::Json(text) => Some(text),
        Reply::Accepted | Reply::Events(_) => None,
        Reply::Refused(refused) => Some(wire(&refused, request).body),
    }
}

fn retry_after(response: &mut Response<Body>, wait: Option<&Exhausted>) {
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(wait.retry_after_seconds());
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
}

/// A refusal as it goes out.
#[derive(Debug)]
struct Wire {
    status: u16,
    wait: Option<Exhausted>,
    body: String,
}

/// The table. Modern clients are told by status, legacy ones at 200, since one SDK tears its
/// transport down on any 4xx. Limits answer 429 in both unless `limits.legacy_answer` says otherwise.
#[expect(
    clippy::too_many_lines,
    reason = "one table: every refusal to its status, code and body"
)]
fn wire(refused: &Refused, request: RequestId) -> Wire {
    let Refused {
        id,
        revision,
        refusal,
        answers,
    } = refused;
    let era = revision.era();
    let error = |status, code, wait: Option<Exhausted>, message: String, data| {
        let object = ErrorObject {
            code,
            message,
            data,
        };
        Wire {
            status,
            wait,
            body: error_text(id.as_ref(), &object),
        }
    };
    let (call, tool) = match refusal {
        Refusal::Protocol(fault) => return protocol(id.as_ref(), era, fault),
        Refusal::List(exhausted) => {
            let data = Some(limit_data(exhausted));
            return error(
                429,
                LIMITED,
                Some(*exhausted),
                wording::limited(exhausted),
                data,
            );
        }
        Refusal::Subscriptions { most } => {
            let wait = soon(SUBSCRIPTION_SOON);
            let text = wording::subscriptions(*most);
            let data =
                json!({ "tier": "subscriptions", "retryAfterMs": SUBSCRIPTION_SOON.as_millis() });
            return error(429, LIMITED, Some(wait), text, Some(data));
        }
        Refusal::Streams => {
            let text = wording::STREAMS.to_owned();
            return error(503, UNAVAILABLE, Some(soon(SUBSCRIPTION_SOON)), text, None);
        }
        Refusal::Connect { needed, key, state } => {
            let message = wording::please_connect(needed);
            return Wire {
                status: 200,
                wait: None,
                body: match id {
                    Some(id) => elicit::input_required(id, key, &message, &needed.link, state),
                    None => String::new(),
                },
            };
        }
        Refusal::Call(call, tool) => (call, tool),
    };
    let text = wording::call_text(call, tool.as_ref(), request);
    let tool_error = |wait: Option<Exhausted>, text: &str| Wire {
        status: 200,
        wait,
        body: match id {
            Some(id) => call_result(id, *revision, text, Structured::None, ToolOutcome::Error),
            None => String::new(),
        },
    };
    match call {
        CallError::Limited(exhausted) => match answers.of(era) {
            LimitAnswer::Status => error(
                429,
                LIMITED,
                Some(*exhausted),
                text,
                Some(limit_data(exhausted)),
            ),
            LimitAnswer::ToolError => tool_error(Some(*exhausted), &text),
        },
        CallError::UnknownTool => {
            let status = ProtocolFault::InvalidParams("").status(era);
            error(status, -32_602, None, text, None)
        }
        // In both eras: a client's OAuth looks at the status.
        CallError::InsufficientScope => error(403, SCOPE, None, text, None),
        CallError::NoSlot(refusal) => tool_error(Some(refusal.exhausted()), &text),
        CallError::Upstream(UpstreamError::Limited {
            retry_after: Some(retry_after),
            ..
        }) => {
            let wait = Exhausted {
                tier: crate::quota::Tier::Upstream,
                retry_after: *retry_after,
            };
            tool_error(Some(wait), &text)
        }
        // No word of the client's capabilities comes with its calls: one that knows no addresses
        // still shows the text, which holds it.
        CallError::ConnectionNeeded(needed) if *revision == Revision::V2025_11_25 => {
            let message = wording::please_connect(needed);
            let asked = elicit::elicitations(&request.to_string(), &message, &needed.link);
            error(200, OPEN_AN_ADDRESS, None, text, Some(asked))
        }
        CallError::InvalidArguments(_)
        | CallError::UnsafeArgument(_)
        | CallError::Upstream(_)
        | CallError::Repeated(_)
        | CallError::Deadline
        | CallError::CredentialMissing
        | CallError::ConnectionNeeded(_)
        | CallError::ConnectionDeclined
        | CallError::AccountAmbiguous(_)
        | CallError::AccountUnknown(_)
        | CallError::ScopeWithheld
        | CallError::CredentialUnavailable => tool_error(None, &text),
        CallError::Cancelled => error(200, CANCELLED, None, text, None),
        CallError::StoreUnavailable | CallError::LimitsUnavailable | CallError::Sealed => {
            error(503, UNAVAILABLE, Some(shortly()), text, None)
        }
        CallError::Internal => error(500, -32_603, None, text, None),
    }
}

fn protocol(id: Option<&Id>, era: Era, fault: &ProtocolFault) -> Wire {
    Wire {
        status: fault.status(era),
        wait: None,
        body: error_text(id, &fault.error()),
    }
}

fn limit_data(exhausted: &Exhausted) -> serde_json::Value {
    let millis = u64::try_from(exhausted.retry_after.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    json!({ "tier": exhausted.tier.as_str(), "retryAfterMs": millis })
}

/// How long to stay away when we are at fault.
const fn shortly() -> Exhausted {
    soon(std::time::Duration::from_secs(2))
}

/// A wait that no tier asked for.
const fn soon(retry_after: std::time::Duration) -> Exhausted {
    Exhausted {
        tier: crate::quota::Tier::Session,
        retry_after,
    }
}

/// Notes an edge refusal in the request's record and makes its answer.
pub fn at_the_edge(extensions: &Extensions, refusal: &EdgeRefusal) -> Response<Body> {
    if let Some(edge) = extensions.get::<Edge>() {
        note(edge, refusal);
    }
    edge_response(refusal)
}

/// The same, with the way in told to whom it helps.
pub fn challenged(
    extensions: &Extensions,
    refusal: &EdgeRefusal,
    challenge: &Challenge,
) -> Response<Body> {
    let Some((header, text)) = challenge.answers(refusal) else {
        return at_the_edge(extensions, refusal);
    };
    if let Some(edge) = extensions.get::<Edge>() {
        note(edge, refusal);
    }
    let mut response = worded(refusal, text);
    response.headers_mut().insert(WWW_AUTHENTICATE, header);
    response
}

/// Notes an edge refusal.
pub fn note(edge: &Edge, refusal: &EdgeRefusal) {
    let ending = match refusal {
        EdgeRefusal::TooManyFailures(_) | EdgeRefusal::TooManyMessages(_) => Ending::Limited,
        EdgeRefusal::StoreUnavailable
        | EdgeRefusal::Overloaded
        | EdgeRefusal::TooManyInFlight
        | EdgeRefusal::MemoryShort
        | EdgeRefusal::Sealed
        | EdgeRefusal::Internal => Ending::Failed,
        EdgeRefusal::BodyBroken => Ending::Cancelled,
        EdgeRefusal::CredentialMissing
        | EdgeRefusal::CredentialRefused
        | EdgeRefusal::ScopeInsufficient
        | EdgeRefusal::OriginRefused
        | EdgeRefusal::AuthorityMalformed
        | EdgeRefusal::AuthorityUnknown
        | EdgeRefusal::SecretInUrl
        | EdgeRefusal::HeadTooLarge
        | EdgeRefusal::UriTooLong
        | EdgeRefusal::NotFound
        | EdgeRefusal::MethodNotAllowed
        | EdgeRefusal::NotAcceptable
        | EdgeRefusal::UnsupportedMediaType
        | EdgeRefusal::BodyTooLarge
        | EdgeRefusal::BodyTimeout => Ending::Refused,
    };
    edge.record.ended(ending, Some(refusal.word()));
    if let EdgeRefusal::TooManyFailures(exhausted) | EdgeRefusal::TooManyMessages(exhausted) =
        refusal
    {
        edge.record.fields().tier = Some(exhausted.tier.as_str());
    }
}

/// The answer to an edge refusal: a JSON-RPC error without an id, since no message was read.
pub fn edge_response(refusal: &EdgeRefusal) -> Response<Body> {
    worded(refusal, refusal.text())
}

fn worded(refusal: &EdgeRefusal, text: &str) -> Response<Body> {
    let (status, code) = refusal.status_and_code();
    let (wait, data) = match refusal {
        EdgeRefusal::TooManyFailures(exhausted) | EdgeRefusal::TooManyMessages(exhausted) => {
            (Some(*exhausted), Some(limit_data(exhausted)))
        }
        EdgeRefusal::StoreUnavailable
        | EdgeRefusal::Overloaded
        | EdgeRefusal::TooManyInFlight
        | EdgeRefusal::MemoryShort
        | EdgeRefusal::Sealed => (Some(shortly()), None),
        EdgeRefusal::CredentialMissing
        | EdgeRefusal::CredentialRefused
        | EdgeRefusal::ScopeInsufficient
        | EdgeRefusal::OriginRefused
        | EdgeRefusal::AuthorityMalformed
        | EdgeRefusal::AuthorityUnknown
        | EdgeRefusal::SecretInUrl
        | EdgeRefusal::HeadTooLarge
        | EdgeRefusal::UriTooLong
        | EdgeRefusal::NotFound
        | EdgeRefusal::MethodNotAllowed
        | EdgeRefusal::NotAcceptable
        | EdgeRefusal::UnsupportedMediaType
        | EdgeRefusal::BodyTooLarge
        | EdgeRefusal::BodyTimeout
        | EdgeRefusal::BodyBroken
        | EdgeRefusal::Internal => (None, None),
    };
    let object = ErrorObject {
        code,
        message: text.to_owned(),
        data,
    };
    let mut response = response(status, error_text(None, &object));
    retry_after(&mut response, wait.as_ref());
    let headers = response.headers_mut();
    let (name, value) = match refusal {
        EdgeRefusal::CredentialMissing
        | EdgeRefusal::CredentialRefused
        | EdgeRefusal::ScopeInsufficient => (WWW_AUTHENTICATE, BEARER),
        EdgeRefusal::MethodNotAllowed => (ALLOW, HeaderValue::from_static("POST")),
        EdgeRefusal::TooManyFailures(_)
        | EdgeRefusal::StoreUnavailable
        | EdgeRefusal::OriginRefused
        | EdgeRefusal::AuthorityMalformed
        | EdgeRefusal::AuthorityUnknown
        | EdgeRefusal::SecretInUrl
        | EdgeRefusal::HeadTooLarge
        | EdgeRefusal::UriTooLong
        | EdgeRefusal::NotFound
        | EdgeRefusal::NotAcceptable
        | EdgeRefusal::UnsupportedMediaType
        | EdgeRefusal::BodyTooLarge
        | EdgeRefusal::BodyTimeout
        | EdgeRefusal::BodyBroken
        | EdgeRefusal::Overloaded
        | EdgeRefusal::TooManyInFlight
        | EdgeRefusal::MemoryShort
        | EdgeRefusal::TooManyMessages(_)
        | EdgeRefusal::Sealed
        | EdgeRefusal::Internal => return response,
    };
    headers.insert(name, value);
    response
}
