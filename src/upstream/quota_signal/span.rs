//! Spans and points in time as upstreams write them.

use std::time::Duration;

use time::{PrimitiveDateTime, macros::format_description};

use crate::{clock::Timestamp, upstream::answer::LONGEST_PAUSE};

/// From here on a number of seconds is a point in time: in September 2001, and as a span it would
/// be thirty years.
const FIRST_EPOCH: u64 = 1_000_000_000;

/// From here on it is in milliseconds.
const FIRST_EPOCH_MILLIS: u64 = 1_000_000_000_000;

/// `12`, `12.5` or `12.5s` seconds; at most [`LONGEST_PAUSE`]. Less than nothing is nothing.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let text = text.strip_suffix('s').unwrap_or(text);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (Sign::Negative, rest),
        None => (Sign::Positive, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    if sign == Sign::Negative {
        return Some(Duration::ZERO);
    }
    let Ok(whole) = whole.parse() else {
        return Some(LONGEST_PAUSE);
    };
    let millis = format!("{fraction:0<3}");
    let millis = millis.get(..3).and_then(|millis| millis.parse().ok());
    let span = Duration::from_secs(whole).saturating_add(Duration::from_millis(millis?));
    Some(span.min(LONGEST_PAUSE))
}

/// Seconds from now, or a point in time as Unix seconds or milliseconds: told apart by their size.
pub(super) fn reset(text: &str, now: Timestamp) -> Option<Duration> {
    let whole = text.trim().split('.').next().unwrap_or_default();
    match whole.parse::<u64>() {
        Ok(seconds @ FIRST_EPOCH..FIRST_EPOCH_MILLIS) => Some(until(seconds * 1_000, now)),
        Ok(millis @ FIRST_EPOCH_MILLIS..) => Some(until(millis, now)),
        _ => seconds(text),
    }
}

/// An HTTP date in the form that senders must use (RFC 9110 section 5.6.7).
pub(super) fn date(text: &str, now: Timestamp) -> Option<Duration> {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = PrimitiveDateTime::parse(text, form).ok()?.assume_utc();
    let millis = u64::try_from(at.unix_timestamp())
        .ok()?
        .saturating_mul(1_000);
    Some(until(millis, now))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Positive,
    Negative,
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn until(millis: u64, now: Timestamp) -> Duration {
    let at = Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    at.since(now).min(LONGEST_PAUSE)
}
