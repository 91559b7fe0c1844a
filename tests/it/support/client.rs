//! MCP clients of both eras, one connection a request.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::wire::{Answer, Wire, once};

/// Which era a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// 2026-07-28.
    Modern,
    /// A revision of 2025.
    Legacy(&'static str),
}

/// A client with a key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) speaks: Speaks,
}

impl Client {
    pub(crate) fn modern(address: SocketAddr, key: &str) -> Self {
        Self {
            address,
            key: key.to_owned(),
            speaks: Speaks::Modern,
        }
    }

    pub(crate) fn legacy(address: SocketAddr, key: &str) -> Self {
        Self {
            address,
            key: key.to_owned(),
            speaks: Speaks::Legacy("2025-11-25"),
        }
    }

    /// The body of a request.
    pub(crate) fn message(&self, id: &Value, method: &str, mut params: Value) -> Value {
        if self.speaks == Speaks::Modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// The whole request as bytes, with the headers that belong to the message.
    pub(crate) fn request(&self, message: &Value) -> String {
        let mut headers = vec![("Authorization", format!("Bearer {}", self.key))];
        match self.speaks {
            Speaks::Modern => {
                headers.push(("MCP-Protocol-Version", "2026-07-28".into()));
                headers.push((
                    "Mcp-Method",
                    message["method"].as_str().unwrap_or("").into(),
                ));
                if let Some(name) = message["params"]["name"].as_str() {
                    headers.push(("Mcp-Name", name.into()));
                }
            }
            Speaks::Legacy(revision) => headers.push(("MCP-Protocol-Version", revision.into())),
        }
        post(self.address, &headers, &message.to_string())
    }

    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Answer {
        let message = self.message(&json!(1), method, params);
        once(self.address, &self.request(&message))
            .await
            .expect("an answer")
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.rpc(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Opens `subscriptions/listen` for tool changes; the head and the acknowledgement are read.
    pub(crate) async fn listen(&self) -> Wire {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let message = self.message(&json!("sub-1"), "subscriptions/listen", params);
        let mut wire = Wire::connect(self.address).await;
        wire.send(self.request(&message).as_bytes()).await;
        assert_eq!(wire.head().await.expect("a head").status, 200);
        let first = wire.event().await.expect("an acknowledgement");
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        wire
    }
}

/// A POST to the connector.
pub(crate) fn post(address: SocketAddr, headers: &[(&str, String)], body: &str) -> String {
    let mut text = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}
