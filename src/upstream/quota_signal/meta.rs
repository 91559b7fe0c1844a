//! Meta: `error.code` of the Graph and Marketing APIs, and how long by `X-Business-Use-Case-Usage` and
//! `X-Ad-Account-Usage`. `X-App-Usage` names no time.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::{Concern, Heard, Hint, field};
use crate::upstream::answer::LONGEST_PAUSE;

/// Its limits are of a rolling hour, and calls that are refused count.
const UNSAID: Duration = Duration::from_mins(1);

/// More business objects than this are not looked at.
const MOST: usize = 32;

pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    let error = heard.body?.get("error")?;
    // Others have codes too.
    let is_metas = error.get("fbtrace_id").is_some_and(Value::is_string)
        || error.get("type").and_then(Value::as_str) == Some("OAuthException");
    if !is_metas {
        return None;
    }
    let concerns = match error.get("code")?.as_u64()? {
        4 => Concern::Upstream,
        // Of a user, a page, an ad account, or a business use case of it.
        17 | 32 | 613 | 80_000..=80_014 => Concern::Credential,
        _ => return None,
    };
    let said = business(heard.headers).max(ad_account(heard.headers));
    Some(Hint {
        concerns: Some(concerns),
        span: Some(said.filter(|said| !said.is_zero()).unwrap_or(UNSAID)),
    })
}

/// `{"<id>":[{"estimated_time_to_regain_access":7,…}]}`, in minutes.
fn business(headers: &HeaderMap) -> Option<Duration> {
    let usage = json(headers, "x-business-use-case-usage")?;
    let objects = usage.as_object()?.values().take(MOST);
    let minutes = objects
        .filter_map(Value::as_array)
        .flat_map(|uses| uses.iter().take(MOST))
        .filter_map(|one| one.get("estimated_time_to_regain_access")?.as_u64())
        .max()?;
    Some(bounded(minutes.saturating_mul(60)))
}

/// `{"acc_id_util_pct":100,"reset_time_duration":100,…}`, in seconds.
fn ad_account(headers: &HeaderMap) -> Option<Duration> {
    let usage = json(headers, "x-ad-account-usage")?;
    usage.get("reset_time_duration")?.as_u64().map(bounded)
}

fn json(headers: &HeaderMap, name: &str) -> Option<Value> {
    serde_json::from_str(field(headers, name)?).ok()
}

fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST_PAUSE)
}
