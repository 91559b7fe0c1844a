//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4):
//! how the windows that a call took from stand, so that a client can slow down before it must.

use std::{fmt::Write as _, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue};

use super::observe::Edge;
use crate::quota::WindowLevel;

/// The limits: `"session";q=60;w=60`.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of them: `"session";r=59;t=1`.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Whole seconds, rounded up.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Structured fields (RFC 9651): lists of strings with parameters. The names are our own words.
fn values(windows: impl Iterator<Item = WindowLevel>) -> (String, String) {
    let (mut policy, mut limit) = (String::new(), String::new());
    for window in windows {
        if !policy.is_empty() {
            policy.push_str(", ");
            limit.push_str(", ");
        }
        let (name, rate) = (window.tier.as_str(), window.rate);
        let (count, span) = (rate.count, rate.per.as_secs());
        let (left, full) = (window.remaining, seconds(window.reset));
        // Writing to memory does not fail.
        let _ = write!(policy, "\"{name}\";q={count};w={span}");
        let _ = write!(limit, "\"{name}\";r={left};t={full}");
    }
    (policy, limit)
}

/// Tells the caller how its limits stand, when it took from any.
pub(super) fn show(response: &mut Response<Body>, edge: &Edge) {
    let windows = edge.record.fields().windows;
    if windows.iter().all(Option::is_none) {
        return;
    }
    let (policy, limit) = values(windows.into_iter().flatten());
    for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Tier;

    #[test]
    fn windows_are_told_as_structured_fields() {
        let window = |tier, rate: &str, remaining, reset| WindowLevel {
            tier,
            rate: rate.parse().unwrap(),
            remaining,
            reset: Duration::from_millis(reset),
        };
        let windows = [
            window(Tier::Session, "60/min", 59, 1_000),
            window(Tier::LicenseMinute, "100/10s", 0, 9_901),
        ];
        assert_eq!(
            values(windows.into_iter()),
            (
                "\"session\";q=60;w=60, \"license_minute\";q=100;w=10".to_owned(),
                "\"session\";r=59;t=1, \"license_minute\";r=0;t=10".to_owned()
            )
        );
    }
}
