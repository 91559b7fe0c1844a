//! `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).

use http::header::RETRY_AFTER;

use super::{Heard, Hint, field, span};

/// Of 400 it would not mean a limit: the request is wrong, now and later.
pub(super) fn read(heard: &Heard<'_>) -> Option<Hint> {
    let text = field(heard.headers, RETRY_AFTER.as_str())?;
    let span = span::seconds(text).or_else(|| span::date(text, heard.now))?;
    (heard.status.as_u16() != 400).then_some(Hint {
        concerns: None,
        span: Some(span),
    })
}
