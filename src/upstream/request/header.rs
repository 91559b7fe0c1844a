//! Header fields: names from the configuration, values of visible ASCII.

use std::collections::BTreeMap;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use serde_json::{Map, Value};

use super::{
    TemplateFault,
    slot::{Scope, Slot, Spelled, spelled, write_number},
};
use crate::upstream::RequestFault;

const PLACE: &str = "headers";

/// Fields that belong to the connection, the framing, or to us.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    None,
}

/// Header fields with holes.
#[derive(Debug, Clone)]
pub(super) struct HeaderTemplate {
    pub(super) fixed: HeaderMap,
    filled: Vec<(HeaderName, Slot)>,
}

/// Can a configuration set this field at all?
pub(in crate::upstream) fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str())
}

impl HeaderTemplate {
    pub(super) fn compile(
        headers: &BTreeMap<String, String>,
        content: Content,
        scope: &mut Scope<'_>,
    ) -> Result<Self, TemplateFault> {
        let mut fixed = HeaderMap::with_capacity(headers.len() + 5);
        let mut filled = Vec::new();
        let agent = concat!("wicketgate/", env!("CARGO_PKG_VERSION"));
        fixed.insert(USER_AGENT, HeaderValue::from_static(agent));
        fixed.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if content == Content::Json {
            fixed.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (written, value) in headers {
            let fault = |rule| TemplateFault::Header {
                name: written.clone(),
                rule,
            };
            let name: HeaderName = written.parse().map_err(|_| fault("not a header name"))?;
            if is_reserved(&name) {
                return Err(fault("this header is not a tool's to set"));
            }
            match spelled(value) {
                Spelled::Literal(text) => {
                    let value = value_of(text).map_err(fault)?;
                    fixed.insert(name, value);
                }
                Spelled::Argument(argument) => {
                    let slot = scope.slot(argument, PLACE)?;
                    if let Some("array" | "object") = scope.type_of(&slot) {
                        return Err(TemplateFault::WrongType {
                            argument: argument.into(),
                            place: PLACE,
                            rule: "text, numbers and booleans only",
                        });
                    }
                    fixed.remove(&name);
                    filled.push((name, slot));
                }
            }
        }
        Ok(Self { fixed, filled })
    }

    pub(super) fn sets(&self, name: &HeaderName) -> bool {
        self.fixed.contains_key(name) || self.filled.iter().any(|(other, _)| other == name)
    }

    pub(super) fn fill(&self, arguments: &Map<String, Value>) -> Result<HeaderMap, RequestFault> {
        let mut headers = self.fixed.clone();
        for (name, slot) in &self.filled {
            let value = match slot.of(arguments) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => value_of(text),
                Some(Value::Bool(true)) => Ok(HeaderValue::from_static("true")),
                Some(Value::Bool(false)) => Ok(HeaderValue::from_static("false")),
                Some(Value::Number(number)) => {
                    let mut text = String::new();
                    write_number(&mut text, number).and_then(|()| value_of(&text))
                }
                Some(Value::Array(_) | Value::Object(_)) => {
                    Err("only text, numbers and booleans can go into a header")
                }
            };
            headers.insert(name.clone(), value.map_err(|rule| slot.fault(rule))?);
        }
        Ok(headers)
    }
}

/// Visible ASCII and blanks inside (RFC 9110 section 5.5, without tabs and obsolete text).
fn value_of(text: &str) -> Result<HeaderValue, &'static str> {
    if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Err("only visible ASCII can go into a header");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err("a header value has no blanks at its ends");
    }
    HeaderValue::from_str(text).map_err(|_| "not a header value")
}
