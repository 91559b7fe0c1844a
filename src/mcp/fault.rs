//! What is wrong with a message, as the protocol sees it.

use std::borrow::Cow;

use serde_json::json;

use super::{
    jsonrpc::ErrorObject,
    version::{Era, Revision},
};

/// A refusal by the protocol's own rules, in the order in which they are checked: the first that
/// applies is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolFault {
    /// Not JSON.
    Parse,
    /// JSON, but no JSON-RPC message.
    InvalidRequest(&'static str),
    /// 2026-07-28 without its `_meta` keys.
    Envelope(&'static str),
    /// Headers that are missing, doubled, malformed, or differ from the body.
    HeaderMismatch(&'static str),
    /// A revision that is not served.
    UnsupportedVersion {
        /// What was asked for, at most 64 bytes of it.
        requested: String,
    },
    /// A method that is not served in this revision.
    MethodNotFound,
    /// `params` that the method cannot take.
    InvalidParams(&'static str),
}

impl ProtocolFault {
    /// The HTTP status. Legacy clients get 200 for well-formed requests: one SDK tears its
    /// transport down on any 4xx.
    pub const fn status(&self, era: Era) -> u16 {
        match (self, era) {
            (Self::MethodNotFound | Self::InvalidParams(_), Era::Legacy) => 200,
            (Self::MethodNotFound, Era::Modern) => 404,
            (
                Self::Parse
                | Self::InvalidRequest(_)
                | Self::Envelope(_)
                | Self::HeaderMismatch(_)
                | Self::UnsupportedVersion { .. }
                | Self::InvalidParams(_),
                Era::Legacy | Era::Modern,
            ) => 400,
        }
    }

    /// The JSON-RPC code.
    pub const fn code(&self) -> i64 {
        match self {
            Self::Parse => -32_700,
            Self::InvalidRequest(_) => -32_600,
            Self::Envelope(_) | Self::InvalidParams(_) => -32_602,
            Self::HeaderMismatch(_) => -32_020,
            Self::UnsupportedVersion { .. } => -32_022,
            Self::MethodNotFound => -32_601,
        }
    }

    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Parse => "parse_error",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Envelope(_) => "envelope_missing",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::MethodNotFound => "method_not_found",
            Self::InvalidParams(_) => "invalid_params",
        }
    }

    /// The error object.
    pub fn error(&self) -> ErrorObject {
        let message: Cow<'static, str> = match self {
            Self::Parse => "The body is not one JSON document in UTF-8.".into(),
            Self::InvalidRequest(text) => format!("Not a valid request: {text}.").into(),
            Self::Envelope(text) => format!("Request envelope: {text}.").into(),
            Self::HeaderMismatch(text) => format!("Headers and body disagree: {text}.").into(),
            Self::UnsupportedVersion { .. } => {
                "This protocol version is not supported; `data.supported` lists those that are."
                    .into()
            }
            Self::MethodNotFound => "Method not found.".into(),
            Self::InvalidParams(text) => format!("Invalid params: {text}.").into(),
        };
        let data = match self {
            Self::UnsupportedVersion { requested } => {
                Some(json!({ "supported": Revision::ALL, "requested": requested }))
            }
            Self::Parse
            | Self::InvalidRequest(_)
            | Self::Envelope(_)
            | Self::HeaderMismatch(_)
            | Self::MethodNotFound
            | Self::InvalidParams(_) => None,
        };
        ErrorObject {
            code: self.code(),
            message: message.into_owned(),
            data,
        }
    }
}
