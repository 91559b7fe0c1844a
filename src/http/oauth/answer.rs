//! Answers of the token endpoint's family (RFC 6749 sections 5.1 and 5.2). None is ever cached.

use axum::{body::Body, response::Response};
use http::{
    HeaderValue, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
    request::Parts,
};
use serde_json::{Value, json};

use crate::{
    http::{authenticate::AuthenticateParts, observe::Edge, refusal::EdgeRefusal, reply},
    oauth::{OAuthError, Tokens, clients::register::Registration, error::Cause},
    quota::whole_seconds,
    telemetry::record::Ending,
};

/// How long to stay away when we are at fault, in seconds.
const SHORTLY: u64 = 2;

/// Why there is nothing for the client.
#[derive(Debug)]
pub(super) enum Refused {
    /// In the words of RFC 6749.
    OAuth(OAuthError),
    /// The same, to a client that proved itself in the `Authorization` field.
    OAuthBasic(OAuthError),
    /// Before anything was read.
    Edge(EdgeRefusal),
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<EdgeRefusal> for Refused {
    fn from(refusal: EdgeRefusal) -> Self {
        Self::Edge(refusal)
    }
}

/// Tokens.
pub(super) fn done(head: &Parts, parts: &AuthenticateParts, tokens: &Tokens) -> Response<Body> {
    note_tokens(head, parts, tokens);
    let mut body = json!({
        "access_token": tokens.access.expose(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in.as_secs(),
        "scope": tokens.scope.as_str(),
    });
    if let Some(refresh) = &tokens.refresh {
        body["refresh_token"] = json!(refresh.expose());
    }
    response(200, &body)
}

/// A short session.
pub(super) fn exchanged(
    head: &Parts,
    parts: &AuthenticateParts,
    tokens: &Tokens,
) -> Response<Body> {
    note_tokens(head, parts, tokens);
    response(
        200,
        &json!({
            "access_token": tokens.access.expose(),
            "token_type": "Bearer",
            "expires_in": tokens.expires_in.as_secs(),
            "scope": tokens.scope.as_str(),
            "session_id": tokens.session,
        }),
    )
}

/// A registered client (RFC 7591 section 3.2.1).
pub(super) fn registered(head: &Parts, registration: &Registration) -> Response<Body> {
    let Ok(body) = serde_json::to_value(registration) else {
        return refused(head, OAuthError::Unavailable.into());
    };
    if let Some(edge) = head.extensions.get::<Edge>() {
        edge.record.ended(Ending::Ok, None);
    }
    response(201, &body)
}

/// RFC 7009 section 2.2: also when there was nothing to revoke.
pub(super) fn revoked(head: &Parts) -> Response<Body> {
    if let Some(edge) = head.extensions.get::<Edge>() {
        edge.record.ended(Ending::Ok, None);
    }
    response(200, &json!({}))
}

fn note_tokens(head: &Parts, parts: &AuthenticateParts, tokens: &Tokens) {
    if let Some(edge) = head.extensions.get::<Edge>() {
        edge.record.ended(Ending::Ok, None);
        let session = parts.authenticator.reference(tokens.session.as_bytes());
        edge.record.fields().session = Some(session);
    }
}

/// A refusal, noted.
pub(super) fn refused(head: &Parts, refused: Refused) -> Response<Body> {
    let edge = head.extensions.get::<Edge>();
    match refused {
        Refused::Edge(refusal) => {
            if let Some(edge) = edge {
                reply::note(edge, &refusal);
            }
            at_the_edge(&refusal)
        }
        Refused::OAuth(error) => {
            note(edge, error);
            oauth(error)
        }
        Refused::OAuthBasic(error) => {
            note(edge, error);
            let mut response = oauth(error);
            if error.status() == 401 {
                let basic = HeaderValue::from_static(r#"Basic realm="wicketgate""#);
                response.headers_mut().insert(WWW_AUTHENTICATE, basic);
            }
            response
        }
    }
}

fn note(edge: Option<&Edge>, error: OAuthError) {
    let ending = match error.cause() {
        Cause::Client => Ending::Refused,
        Cause::Pace => Ending::Limited,
        Cause::Gateway => Ending::Failed,
    };
    if let Some(edge) = edge {
        edge.record.ended(ending, Some(error.code()));
    }
}

fn oauth(error: OAuthError) -> Response<Body> {
    let mut response = failure(error.status(), error.code(), error.description());
    let wait = if let OAuthError::SlowDown(_, wait) = error {
        whole_seconds(wait)
    } else if error.cause() == Cause::Gateway {
        SHORTLY
    } else {
        return response;
    };
    response.headers_mut().insert(RETRY_AFTER, wait.into());
    response
}

fn at_the_edge(refusal: &EdgeRefusal) -> Response<Body> {
    let (status, _) = refusal.status_and_code();
    let (code, text) = match refusal {
        EdgeRefusal::CredentialMissing
        | EdgeRefusal::CredentialRefused
        | EdgeRefusal::ScopeInsufficient => ("invalid_grant", "the license key was not accepted"),
        EdgeRefusal::TooManyFailures(_) => ("slow_down", "too many refused license keys"),
        EdgeRefusal::TooManyMessages(_) => ("slow_down", "too many messages"),
        EdgeRefusal::StoreUnavailable
        | EdgeRefusal::Overloaded
        | EdgeRefusal::TooManyInFlight
        | EdgeRefusal::MemoryShort
        | EdgeRefusal::Sealed => ("temporarily_unavailable", "try again shortly"),
        EdgeRefusal::Internal => ("server_error", "internal error"),
        EdgeRefusal::MethodNotAllowed => ("invalid_request", "use POST"),
        EdgeRefusal::UnsupportedMediaType => (
            "invalid_request",
            "the body is of no type that is read here",
        ),
        EdgeRefusal::BodyTooLarge => ("invalid_request", "the body is too large"),
        EdgeRefusal::BodyTimeout => ("invalid_request", "the body came too slowly"),
        EdgeRefusal::BodyBroken => ("invalid_request", "the body ended too soon"),
        EdgeRefusal::OriginRefused
        | EdgeRefusal::AuthorityMalformed
        | EdgeRefusal::AuthorityUnknown
        | EdgeRefusal::SecretInUrl
        | EdgeRefusal::HeadTooLarge
        | EdgeRefusal::UriTooLong
        | EdgeRefusal::NotFound
        | EdgeRefusal::NotAcceptable => ("invalid_request", "the request cannot be served"),
    };
    let mut response = failure(status, code, text);
    let headers = response.headers_mut();
    match refusal {
        EdgeRefusal::CredentialMissing | EdgeRefusal::CredentialRefused => {
            let bearer = HeaderValue::from_static(r#"Bearer realm="wicketgate""#);
            headers.insert(WWW_AUTHENTICATE, bearer);
        }
        EdgeRefusal::MethodNotAllowed => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        EdgeRefusal::TooManyFailures(exhausted) | EdgeRefusal::TooManyMessages(exhausted) => {
            headers.insert(RETRY_AFTER, exhausted.retry_after_seconds().into());
        }
        EdgeRefusal::StoreUnavailable
        | EdgeRefusal::Overloaded
        | EdgeRefusal::TooManyInFlight
        | EdgeRefusal::MemoryShort
        | EdgeRefusal::Sealed => {
            headers.insert(RETRY_AFTER, SHORTLY.into());
        }
        EdgeRefusal::ScopeInsufficient
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
        | EdgeRefusal::Internal => {}
    }
    response
}

fn failure(status: u16, error: &str, text: &str) -> Response<Body> {
    response(
        status,
        &json!({ "error": error, "error_description": text }),
    )
}

fn response(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
