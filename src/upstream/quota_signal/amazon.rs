//! Amazon: `QuotaExceeded` of the Selling Partner API, whose limits are of an application and a
//! seller together and which says its rate and no time; and AWS's own throttling.

use std::time::Duration;

use serde_json::Value;

use super::{Concern, Heard, Hint, field};
use crate::upstream::answer::LONGEST_PAUSE;

pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    let is_limit = match heard.status.as_u16() {
        429 => is_quota(heard.body?) || is_throttled(heard),
        400 | 503 => is_throttled(heard),
        _ => false,
    };
    is_limit.then(|| Hint {
        concerns: Some(Concern::Credential),
        span: field(heard.headers, "x-amzn-ratelimit-limit").and_then(between),
    })
}

/// `{"errors":[{"code":"QuotaExceeded",…}]}`
fn is_quota(body: &Value) -> bool {
    let code = body.pointer("/errors/0/code").and_then(Value::as_str);
    code == Some("QuotaExceeded")
}

/// The type of an error, in a header field or in the body, with or without a prefix.
fn is_throttled(heard: &Heard<'_>) -> bool {
    let of_body = || heard.body?.get("__type")?.as_str();
    let Some(named) = field(heard.headers, "x-amzn-errortype").or_else(of_body) else {
        return false;
    };
    let named = named.split(':').next().unwrap_or_default();
    matches!(
        named.rsplit('#').next().unwrap_or_default(),
        "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "ProvisionedThroughputExceededException"
    )
}

/// `0.0167` calls in a second: one a minute.
fn between(rate: &str) -> Option<Duration> {
    let rate: f64 = rate.parse().ok()?;
    let is_rate = rate.is_finite() && rate > 0.0;
    let longest = LONGEST_PAUSE.as_secs_f64();
    is_rate.then(|| Duration::from_secs_f64((1.0 / rate).min(longest)))
}
