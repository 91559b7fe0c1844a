//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): the list of the current
//! draft (`"default";r=0;t=30`), the dictionary of draft 07 (`remaining=0, reset=30`), and the three
//! fields before it (`RateLimit-Remaining`, `RateLimit-Reset`).

use std::time::Duration;

use http::HeaderMap;

use super::{Heard, Hint, field, span};
use crate::clock::Timestamp;

/// More policies than this are not looked at.
const MOST_POLICIES: usize = 16;

pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    // Of other failures it says nothing: every answer carries these fields.
    let span = used_up(heard.headers, heard.now).or_else(|| windows(heard.headers));
    (heard.status.as_u16() == 429).then_some(Hint {
        concerns: None,
        span: Some(span?),
    })
}

/// How long there is nothing left, when that is so.
pub(super) fn used_up(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if let Some(text) = field(headers, "ratelimit") {
        let members = || text.split(',').take(MOST_POLICIES);
        let of_list = members()
            .filter(|member| parameter(member, "r").is_some_and(is_zero))
            .filter_map(|member| span::seconds(parameter(member, "t")?));
        if let Some(longest) = of_list.max() {
            return Some(longest);
        }
        let named = |name: &str| {
            members().find_map(|member| {
                let (key, value) = member.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        if named("remaining").is_some_and(is_zero) {
            return span::reset(named("reset")?, now);
        }
        return None;
    }
    field(headers, "ratelimit-remaining").filter(|left| is_zero(left))?;
    span::reset(field(headers, "ratelimit-reset")?, now)
}

/// The window of a policy that has nothing left and does not say until when: no limit lasts longer.
fn windows(headers: &HeaderMap) -> Option<Duration> {
    let used_up = field(headers, "ratelimit")?
        .split(',')
        .take(MOST_POLICIES)
        .find(|member| parameter(member, "r").is_some_and(is_zero))?;
    let policies = field(headers, "ratelimit-policy")?;
    let policy = policies
        .split(',')
        .take(MOST_POLICIES)
        .find(|policy| name(policy) == name(used_up))?;
    span::seconds(parameter(policy, "w")?)
}

fn name(member: &str) -> &str {
    member.split(';').next().unwrap_or_default().trim()
}

/// A parameter of a member: `"default";r=0;t=30`.
fn parameter<'a>(member: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = member.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn is_zero(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b'0')
}
