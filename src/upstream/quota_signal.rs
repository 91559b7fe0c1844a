//! What an upstream says about its limits: whom they concern, and for how long they are used up.
//!
//! A style is one file and one line of [`STYLES`]. All that is read is a stranger's: bounded, never
//! kept, never passed on; what cannot be understood says nothing.

mod amazon;
mod google;
mod ietf;
mod meta;
mod retry_after;
mod span;
mod x_rate_limit;

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::answer::LONGEST_PAUSE;
use crate::clock::Timestamp;

/// A longer body of a failure is not looked at.
pub const LONGEST_BODY: usize = 16 * 1024;

/// A longer header field is not looked at.
const LONGEST_FIELD: usize = 2 * 1024;

/// The shortest pause that is said.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// All styles. For whom and for how long, the first that knows is believed.
const STYLES: [fn(&Heard<'_>) -> Option<Hint>; 6] = [
    retry_after::read,
    google::read,
    meta::read,
    amazon::read,
    ietf::read,
    x_rate_limit::read,
];

/// Who is to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// All of us.
    Upstream,
    /// Whoever calls with this credential.
    Credential,
}

/// What an upstream said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Who is to stay away.
    pub concerns: Concern,
    /// For how long, from a second to an hour; none: it did not say.
    pub retry_after: Option<Duration>,
}

/// An answer as a style sees it.
struct Heard<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    /// The body of a failure, when it is JSON.
    body: Option<&'a Value>,
    now: Timestamp,
}

/// What one style makes of an answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Hint {
    concerns: Option<Concern>,
    span: Option<Duration>,
}

/// May the body of such an answer say that a quota is used up?
pub const fn may_be_in_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 429 | 503)
}

/// What a failure says; none: it is no matter of limits.
pub fn of_failure(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Option<Signal> {
    if !may_be_in_body(status) {
        return None;
    }
    let body = match body {
        body if body.len() > LONGEST_BODY => None,
        body => serde_json::from_slice::<Value>(body).ok(),
    };
    // A stream of answers that failed is an array of one error.
    let body = body.as_ref().map(|body| body.get(0).unwrap_or(body));
    let heard = Heard {
        status,
        headers,
        body,
        now,
    };
    let hints: Vec<_> = STYLES.iter().filter_map(|read| read(&heard)).collect();
    if hints.is_empty() && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let usual = match status {
        // "The server is currently unable": RFC 9110 section 15.6.4.
        StatusCode::SERVICE_UNAVAILABLE => Concern::Upstream,
        // "The user has sent too many requests": RFC 6585 section 4.
        _ => Concern::Credential,
    };
    let span = hints.iter().find_map(|hint| hint.span);
    Some(Signal {
        concerns: hints.iter().find_map(|hint| hint.concerns).unwrap_or(usual),
        retry_after: span.map(|span| span.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)),
    })
}

/// What a good answer says: that it was the last one for a time.
pub fn of_answer(headers: &HeaderMap, now: Timestamp) -> Option<Signal> {
    let span = ietf::used_up(headers, now).or_else(|| x_rate_limit::used_up(headers, now))?;
    (!span.is_zero()).then(|| Signal {
        concerns: Concern::Credential,
        retry_after: Some(span.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)),
    })
}

/// The text of a header field that is there once and not too long.
fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= LONGEST_FIELD).then(|| text.trim())
}

#[cfg(test)]
mod tests;
