//! `POST /register`: a client's own registration (RFC 7591). Any program may, also in a page of any
//! origin: what it gets is worth nothing without a person who approves.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::json;

use super::{
    body::{self, Budget},
    observe::Edge,
    refusal::EdgeRefusal,
    reply,
};
use crate::{
    oauth::{Clients, OAuthError, clients::register::LARGEST},
    quota::Tier,
    telemetry::record::Ending,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Seconds after which another try may be worth it.
const LATER: HeaderValue = HeaderValue::from_static("30");
const SHORTLY: HeaderValue = HeaderValue::from_static("2");

/// What the endpoint is made of.
pub struct Registrar {
    /// Registers.
    pub clients: Arc<Clients>,
    /// Bounds what all bodies hold.
    pub budget: Arc<Budget>,
}

/// `/register`, any method.
pub async fn register(State(registrar): State<Arc<Registrar>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(edge) = parts.extensions.get::<Edge>() else {
        return reply::edge_response(&EdgeRefusal::Internal);
    };
    if let Err(refusal) = head(&parts.method, &parts.headers) {
        let mut refused = reply::at_the_edge(&parts.extensions, &refusal);
        if refusal == EdgeRefusal::MethodNotAllowed {
            let methods = HeaderValue::from_static("POST, OPTIONS");
            refused.headers_mut().insert(ALLOW, methods);
        }
        return refused;
    }
    let waits = parts.extensions.get::<body::Waits>().copied();
    let read = body::read(body, LARGEST, &registrar.budget, waits.unwrap_or_default()).await;
    let (bytes, held) = match read {
        Ok(read) => read,
        Err(EdgeRefusal::BodyTooLarge) => {
            let text = "the body is larger than 16 KiB";
            return refused(edge, OAuthError::InvalidClientMetadata(text));
        }
        Err(refusal) => return reply::at_the_edge(&parts.extensions, &refusal),
    };
    edge.record.fields().request_bytes = bytes.len() as u64;
    let registered = registrar.clients.register(&bytes).await;
    drop(held);
    match registered {
        Ok(registration) => match serde_json::to_string(&registration) {
            Ok(text) => {
                edge.record.ended(Ending::Ok, None);
                answer(StatusCode::CREATED, text)
            }
            Err(_) => refused(edge, OAuthError::Unavailable),
        },
        Err(error) => refused(edge, error),
    }
}

/// POST with JSON; a body that names no type is read as JSON too.
fn head(method: &Method, headers: &HeaderMap) -> Result<(), EdgeRefusal> {
    if method != Method::POST {
        return Err(EdgeRefusal::MethodNotAllowed);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (None, _) => true,
        (Some(media), None) => media.to_str().is_ok_and(|media| {
            let media = media.split(';').next().unwrap_or_default().trim();
            media.eq_ignore_ascii_case("application/json")
        }),
        (Some(_), Some(_)) => false,
    };
    if is_json && !headers.contains_key(CONTENT_ENCODING) {
        Ok(())
    } else {
        Err(EdgeRefusal::UnsupportedMediaType)
    }
}

/// A refusal in the words of RFC 7591 section 3.2.2.
fn refused(edge: &Edge, error: OAuthError) -> Response<Body> {
    let (ending, wait) = match error {
        OAuthError::Unavailable => (Ending::Failed, Some(SHORTLY)),
        OAuthError::SlowDown(_) => (Ending::Limited, Some(LATER)),
        OAuthError::InvalidRequest(_)
        | OAuthError::InvalidClient(_)
        | OAuthError::InvalidGrant(_)
        | OAuthError::UnauthorizedClient(_)
        | OAuthError::UnsupportedGrantType(_)
        | OAuthError::UnsupportedResponseType(_)
        | OAuthError::InvalidScope(_)
        | OAuthError::InvalidTarget(_)
        | OAuthError::AccessDenied(_)
        | OAuthError::InvalidRedirectUri(_)
        | OAuthError::InvalidClientMetadata(_) => (Ending::Refused, None),
    };
    edge.record.ended(ending, Some(error.code()));
    if matches!(error, OAuthError::SlowDown(_)) {
        edge.record.fields().tier = Some(Tier::Registration.as_str());
    }
    let text = json!({ "error": error.code(), "error_description": error.description() });
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = answer(status, text.to_string());
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}
