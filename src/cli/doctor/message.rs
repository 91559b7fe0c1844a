//! MCP messages as clients write them, and the message in an answer: JSON, or one event of a stream.

use http::HeaderName;
use serde_json::{Value, json};
use url::Url;

use super::probe::{Ask, Reply};
use crate::mcp::headers::{METHOD, NAME, PROTOCOL_VERSION};

/// The session of the 2025 eras.
pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The newest revision.
pub const MODERN: &str = "2026-07-28";

/// How a request is written.
#[derive(Debug, Clone)]
pub enum Wire {
    /// 2026-07-28: everything in each request.
    Modern,
    /// After `initialize`: the header's version, if the client sends one, and the session.
    Legacy {
        /// `MCP-Protocol-Version`.
        version: Option<String>,
        /// `Mcp-Session-Id`.
        session: Option<String>,
    },
}

/// `initialize`, without a version header.
pub fn initialize(url: &Url, client: &str, version: &str) -> Ask {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": client, "version": env!("CARGO_PKG_VERSION") },
    });
    Ask::json(
        url,
        &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
    )
}

/// `notifications/initialized`.
pub fn initialized(url: &Url, wire: &Wire) -> Ask {
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    dressed(Ask::json(url, &body), wire)
}

/// Any other request.
pub fn request(url: &Url, client: &str, wire: &Wire, method: &str, mut params: Value) -> Ask {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    if let (Wire::Modern, Some(params)) = (wire, params.as_object_mut()) {
        params.insert(
            "_meta".to_owned(),
            json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo":
                    { "name": client, "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
        );
    }
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
    let mut ask = dressed(Ask::json(url, &body), wire);
    if matches!(wire, Wire::Modern) {
        ask = ask.with(METHOD, method);
        if let Some(name) = name {
            ask = ask.with(NAME, &name);
        }
    }
    ask
}

/// The same with the header fields of the era.
pub fn dressed(mut ask: Ask, wire: &Wire) -> Ask {
    match wire {
        Wire::Modern => ask.with(PROTOCOL_VERSION, MODERN),
        Wire::Legacy { version, session } => {
            if let Some(version) = version {
                ask = ask.with(PROTOCOL_VERSION, version);
            }
            if let Some(session) = session {
                ask = ask.with(SESSION, session);
            }
            ask
        }
    }
}

/// The JSON-RPC response in an answer.
pub fn response(reply: &Reply) -> Option<Value> {
    let is_response =
        |message: &Value| message.get("result").is_some() || message.get("error").is_some();
    if !reply.header_has("content-type", "text/event-stream") {
        return reply.json().filter(is_response);
    }
    let text = reply.text().replace("\r\n", "\n");
    text.split("\n\n").find_map(|event| {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        let message: Value = serde_json::from_str(&data.join("\n")).ok()?;
        is_response(&message).then_some(message)
    })
}

/// What an answer is, in a word: never its content.
pub fn outline(reply: &Reply) -> String {
    let status = format!("HTTP {}", reply.status.as_u16());
    match response(reply) {
        Some(message) => match message.pointer("/error/code").and_then(Value::as_i64) {
            Some(code) => format!("{status} with JSON-RPC error {code}"),
            None => format!("{status} with a result"),
        },
        None => status,
    }
}
