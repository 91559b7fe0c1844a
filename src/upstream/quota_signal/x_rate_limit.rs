//! `X-RateLimit-Remaining`, `-Reset` and `-Resource`, as GitHub and many others send them: of the
//! credential that was sent. The reset is a point in time or a span.

use std::time::Duration;

use http::HeaderMap;

use super::{Concern, Heard, Hint, field, span};
use crate::clock::Timestamp;

/// The resource that GitHub counts most calls to.
const USUAL_RESOURCE: &str = "core";

/// GitHub refuses with 403 too: then there is nothing left.
pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    let span =
        matches!(heard.status.as_u16(), 403 | 429).then(|| left(heard.headers, heard.now))?;
    Some(Hint {
        concerns: Some(Concern::Credential),
        span: Some(span?),
    })
}

/// How long there is nothing left, when that is so. Of a resource apart it is not heeded: the next
/// call may go elsewhere.
pub(super) fn used_up(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let resource = field(headers, "x-ratelimit-resource").unwrap_or(USUAL_RESOURCE);
    (resource == USUAL_RESOURCE).then(|| left(headers, now))?
}

fn left(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let left = field(headers, "x-ratelimit-remaining")?;
    let nothing = !left.is_empty() && left.bytes().all(|b| matches!(b, b'0' | b'.'));
    nothing.then(|| span::reset(field(headers, "x-ratelimit-reset")?, now))?
}
