//! Google: `error.errors[].reason`, `error.status`, and the details `RetryInfo`, `ErrorInfo`,
//! `QuotaFailure` (google.rpc, AIP-193) and `QuotaErrorDetails` (Google Ads).

use std::time::Duration;

use serde_json::Value;

use super::{Concern, Heard, Hint, span};

/// A quota of a day is not asked for each second.
const DAY_USED_UP: Duration = Duration::from_mins(1);

/// More details than this are not looked at.
const MOST: usize = 16;

pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    if !matches!(heard.status.as_u16(), 403 | 429) {
        return None;
    }
    let error = heard.body?.get("error")?.as_object()?;
    let mut hint = Hint::default();
    let mut is_limit = error.get("status").and_then(Value::as_str) == Some("RESOURCE_EXHAUSTED");
    let mut tell = |found: Option<Concern>, span: Option<Duration>| {
        hint.concerns = narrower(hint.concerns, found);
        hint.span = hint.span.max(span);
    };
    for reason in listed(error.get("errors")).filter_map(|one| one.get("reason")?.as_str()) {
        let (concerns, span) = match reason {
            "userRateLimitExceeded" => (Concern::Credential, None),
            "rateLimitExceeded" | "RATE_LIMIT_EXCEEDED" => (Concern::Upstream, None),
            "quotaExceeded" | "dailyLimitExceeded" => (Concern::Upstream, Some(DAY_USED_UP)),
            _ => continue,
        };
        is_limit = true;
        tell(Some(concerns), span);
    }
    for detail in listed(error.get("details")) {
        let kind = detail.get("@type").and_then(Value::as_str);
        let kind = kind.and_then(|kind| kind.rsplit(['.', '/']).next());
        match kind.unwrap_or_default() {
            "RetryInfo" => tell(None, duration(detail.get("retryDelay"))),
            "ErrorInfo" => tell(by_user(detail.get("metadata")), None),
            "QuotaFailure" => {
                for violation in listed(detail.get("violations")) {
                    tell(by_user(Some(violation)), None);
                }
            }
            "GoogleAdsFailure" => {
                for failure in listed(detail.get("errors")) {
                    let Some(quota) = failure.pointer("/details/quotaErrorDetails") else {
                        continue;
                    };
                    let concerns = match quota.get("rateScope").and_then(Value::as_str) {
                        Some("ACCOUNT") => Some(Concern::Credential),
                        Some("DEVELOPER") => Some(Concern::Upstream),
                        _ => None,
                    };
                    tell(concerns, duration(quota.get("retryDelay")));
                }
            }
            _ => {}
        }
    }
    is_limit.then_some(Hint {
        concerns: Some(hint.concerns.unwrap_or(Concern::Upstream)),
        span: hint.span,
    })
}

/// A limit that is said to be a user's is one, whatever else is said.
const fn narrower(one: Option<Concern>, other: Option<Concern>) -> Option<Concern> {
    match (one, other) {
        (Some(Concern::Credential), _) | (_, Some(Concern::Credential)) => {
            Some(Concern::Credential)
        }
        (None, other) => other,
        (one, _) => one,
    }
}

/// Quotas of a user are named so: `…PerMinutePerUser`, `1/min/{project}/{user}`.
fn by_user(named: Option<&Value>) -> Option<Concern> {
    let named = named?;
    let of_user = [
        "quota_limit",
        "quota_unit",
        "quotaId",
        "quotaMetric",
        "subject",
    ]
    .iter()
    .filter_map(|name| named.get(name)?.as_str())
    .any(|text| text.contains("PerUser") || text.contains("{user}"));
    of_user.then_some(Concern::Credential)
}

/// A `google.protobuf.Duration` in JSON: `34.074824224s`.
fn duration(value: Option<&Value>) -> Option<Duration> {
    span::seconds(value?.as_str()?)
}

fn listed(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let all = value.and_then(Value::as_array);
    all.into_iter().flatten().take(MOST)
}
