//! JSON-RPC 2.0 as MCP uses it: what came in, and the error object that goes out.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::fault::ProtocolFault;

/// Longest text id that is echoed.
const MAX_ID_BYTES: usize = 256;

/// A request id: a string or an integer, never null (MCP basic/index).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// An integer, echoed digit for digit.
    Number(Number),
    /// A string.
    Text(String),
}

impl Id {
    fn read(value: Value) -> Result<Self, ProtocolFault> {
        match value {
            Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Self::Number(number)),
            Value::String(text) if text.len() <= MAX_ID_BYTES => Ok(Self::Text(text)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Err(ProtocolFault::InvalidRequest(
                "the id must be an integer or a string of at most 256 bytes",
            )),
        }
    }
}

impl fmt::Display for Id {
    /// As JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
        }
    }
}

/// One message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Wants an answer.
    Request {
        /// To be echoed.
        id: Id,
        /// What is asked.
        method: String,
        /// With what; absent reads as empty.
        params: Params,
    },
    /// Wants none.
    Notification {
        /// What is told.
        method: String,
        /// With what.
        params: Params,
    },
    /// An answer to a request of ours. We make none.
    Response,
}

/// `params` of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Params {
    /// An object, or absent.
    Object(Map<String, Value>),
    /// Something else, which no MCP method takes.
    Malformed,
}

impl Params {
    /// The object; empty when it is something else.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(map) => map.get(key),
            Self::Malformed => None,
        }
    }

    /// `params._meta`, when it is an object.
    pub fn meta(&self) -> Option<&Map<String, Value>> {
        self.get("_meta").and_then(Value::as_object)
    }
}

/// A fault in one message, with the id when that could be read (T23: otherwise it is left out).
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// To be echoed.
    pub id: Option<Id>,
    /// What is wrong.
    pub fault: ProtocolFault,
}

impl Incoming {
    /// Reads one message; member names are exact.
    pub fn read(value: Value) -> Result<Self, Unreadable> {
        let unreadable = |id: Option<Id>, text: &'static str| Unreadable {
            id,
            fault: ProtocolFault::InvalidRequest(text),
        };
        let Value::Object(mut map) = value else {
            return Err(unreadable(None, "a message is a JSON object"));
        };
        let id = match map.remove("id").map(Id::read).transpose() {
            Ok(id) => id,
            Err(fault) => return Err(Unreadable { id: None, fault }),
        };
        if map.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(unreadable(id, "`jsonrpc` must be \"2.0\""));
        }
        let params = match map.remove("params") {
            None => Params::Object(Map::new()),
            Some(Value::Object(params)) => Params::Object(params),
            Some(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            ) => Params::Malformed,
        };
        match (map.remove("method"), id) {
            (Some(Value::String(method)), Some(id)) => Ok(Self::Request { id, method, params }),
            (Some(Value::String(method)), None) => Ok(Self::Notification { method, params }),
            (None, Some(_)) if map.contains_key("result") || map.contains_key("error") => {
                Ok(Self::Response)
            }
            (_, id) => Err(unreadable(id, "`method` must be a string")),
        }
    }
}

/// The `error` member of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorObject {
    /// The code.
    pub code: i64,
    /// One sentence for people and models.
    pub message: String,
    /// More for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// An error answer as text.
pub fn error_text(id: Option<&Id>, error: &ErrorObject) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        error: &'a ErrorObject,
    }
    serde_json::to_string(&Answer {
        jsonrpc: "2.0",
        id,
        error,
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let read = |value| Incoming::read(value).unwrap();
        assert!(matches!(
            read(json!({"jsonrpc":"2.0","id":1,"method":"ping"})),
            Incoming::Request { .. }
        ));
        assert!(matches!(
            read(json!({"jsonrpc":"2.0","method":"notifications/initialized"})),
            Incoming::Notification { .. }
        ));
        assert_eq!(
            read(json!({"jsonrpc":"2.0","id":1,"result":{}})),
            Incoming::Response
        );
    }

    #[test]
    fn j_06_j_08_shape_faults_are_refused() {
        for bad in [
            json!([]),
            json!({"jsonrpc":"2.0","id":1,"METHOD":"tools/call"}),
            json!({"jsonrpc":"1.0","id":1,"method":"ping"}),
            json!({"jsonrpc":"2.0","id":null,"method":"ping"}),
            json!({"jsonrpc":"2.0","id":1.5,"method":"ping"}),
            json!({"jsonrpc":"2.0","id":{},"method":"ping"}),
            json!({"jsonrpc":"2.0","id":"x".repeat(4096),"method":"ping"}),
            json!({"jsonrpc":"2.0","id":1,"method":7}),
        ] {
            let error = Incoming::read(bad.clone()).unwrap_err();
            assert!(
                matches!(error.fault, ProtocolFault::InvalidRequest(_)),
                "{bad}"
            );
        }
    }

    #[test]
    fn j_09_an_id_is_echoed_digit_for_digit() {
        let value = super::super::json::parse(
            b"{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\"}",
        );
        let Incoming::Request { id, .. } = Incoming::read(value.unwrap().value).unwrap() else {
            panic!("a request");
        };
        assert_eq!(id.to_string(), "9007199254740993");
    }

    #[test]
    fn an_unreadable_id_is_left_out() {
        let error = ErrorObject {
            code: -32700,
            message: "x".into(),
            data: None,
        };
        let text = error_text(None, &error);
        assert_eq!(
            text,
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
        );
    }
}
