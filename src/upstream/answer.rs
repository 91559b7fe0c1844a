//! An upstream's response made safe to pass on.
//!
//! Only a 2xx answer of the promised kind gets through; of all others nothing is kept but the
//! status. JSON is checked and cut as text, so numbers keep every digit.

mod json;
mod text;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde_json::Value;

use self::json::{KeepTree, Pointer};
use super::{UpstreamError, quota_signal::Signal};
use crate::config::rest::{ResponseConfig, ResponseFormat};

/// The longest that an upstream can send us away for.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What an empty 2xx answer becomes.
const NO_CONTENT: &str = "No content.";

/// What a tool answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The content.
    pub content: AnswerContent,
    /// The upstream's HTTP status, for the log.
    pub status: u16,
    /// How often the request was sent.
    pub attempts: u32,
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerContent {
    /// One JSON value, checked: well-formed, bounded in nesting.
    Json {
        /// The value as text, ready to be written into a result.
        text: String,
        /// What the value is.
        kind: JsonKind,
    },
    /// Text that is no JSON.
    Text(String),
}

/// Objects may be structured content in every revision since 2025-06-18, other values only in
/// 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{…}`
    Object,
    /// Anything else.
    Other,
}

/// What the head of an answer says its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// JSON.
    Json,
    /// Something else, or nothing.
    Other,
}

/// Does a value fit the tool's `output` schema?
pub type OutputCheck = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// Why a `response:` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("response: {0}")]
pub struct AnswerFault(pub &'static str);

/// How the answers of one tool are read.
#[derive(Clone)]
pub struct AnswerRule {
    format: ResponseFormat,
    select: Option<Pointer>,
    keep: Option<KeepTree>,
    output: Option<OutputCheck>,
}

impl AnswerRule {
    /// Reads `response:`. Parts can be selected from JSON only.
    pub fn compile(
        config: &ResponseConfig,
        output: Option<OutputCheck>,
    ) -> Result<Self, AnswerFault> {
        let cuts = config.select.is_some() || config.keep.is_some() || output.is_some();
        if config.format == ResponseFormat::Text && cuts {
            return Err(AnswerFault("`select`, `keep` and `output` are for JSON"));
        }
        let select = config.select.as_deref().map(Pointer::parse).transpose();
        let keep = config.keep.as_deref().map(KeepTree::parse).transpose();
        Ok(Self {
            format: config.format,
            select: select?,
            keep: keep?,
            output,
        })
    }

    /// Checks the head of a 2xx answer before its body is read.
    pub fn check_head(headers: &HeaderMap) -> Result<Declared, UpstreamError> {
        let coded = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if coded {
            return Err(UpstreamError::Unusable("it is content-encoded"));
        }
        Ok(if is_json(headers) {
            Declared::Json
        } else {
            Declared::Other
        })
    }

    /// Makes the content of a 2xx answer from its whole body.
    pub fn read(&self, declared: Declared, body: Bytes) -> Result<AnswerContent, UpstreamError> {
        let unusable = |why| Err(UpstreamError::Unusable(why));
        if body.iter().all(u8::is_ascii_whitespace) {
            if self.select.is_some() || self.output.is_some() {
                return unusable("it is empty");
            }
            return Ok(AnswerContent::Text(NO_CONTENT.to_owned()));
        }
        if self.format == ResponseFormat::Json && declared != Declared::Json {
            return unusable("it is not declared as JSON");
        }
        let Ok(text) = String::from_utf8(Vec::from(body)) else {
            return unusable("it is not UTF-8");
        };
        match self.format {
            ResponseFormat::Text => Ok(AnswerContent::Text(text::stripped(text))),
            ResponseFormat::Json => self.read_json(text),
        }
    }

    fn read_json(&self, text: String) -> Result<AnswerContent, UpstreamError> {
        json::check(&text).map_err(UpstreamError::Unusable)?;
        let mut text = json::trimmed(text);
        if let Some(pointer) = &self.select {
            text = pointer.part_of(&text).map_err(UpstreamError::Unusable)?;
        }
        if let Some(keep) = &self.keep {
            text = keep.cut(&text).map_err(UpstreamError::Unusable)?;
        }
        if let Some(fits) = &self.output {
            let value = json::unambiguous(&text).map_err(UpstreamError::Unusable)?;
            if !fits(&value) {
                return Err(UpstreamError::OutputMismatch);
            }
        }
        let kind = if text.starts_with('{') {
            JsonKind::Object
        } else {
            JsonKind::Other
        };
        Ok(AnswerContent::Json { text, kind })
    }
}

/// What a status that is no 2xx means, with what was said of limits.
pub const fn failure(status: StatusCode, signal: Option<Signal>) -> UpstreamError {
    let status = status.as_u16();
    if let Some(Signal { retry_after, .. }) = signal {
        return UpstreamError::Limited {
            status,
            retry_after,
        };
    }
    match status {
        300..=399 => UpstreamError::Redirect(status),
        401 | 403 => UpstreamError::CredentialRefused(status),
        _ => UpstreamError::Status(status),
    }
}

/// `application/json` or a type with the suffix `+json` (RFC 6839 section 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(declared)) = headers.get(CONTENT_TYPE).map(http::HeaderValue::to_str) else {
        return false;
    };
    let media = declared.split(';').next().unwrap_or_default().trim();
    let suffix = media.len().checked_sub(5).and_then(|at| media.get(at..));
    media.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests;
