//! The demo's one call, made through the front door and told step by step.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

use super::upstream::{Bookshop, KeyState, Received};
use crate::{
    cli::{
        failure::Failure,
        loopback::{self, Reply},
        output::plain,
    },
    crypto::LicenseKey,
};

const REVISION: &str = "2026-07-28";
const TOOL: &str = "get_book";
const ISBN: &str = "9780000000035";
const LIMIT: Duration = Duration::from_secs(15);

/// What happened, for `--json` and for the text.
#[derive(Debug, Serialize)]
pub struct Tour {
    /// The upstream asked without its secret.
    pub direct: Direct,
    /// The call as the client made it, its key shortened.
    pub call: Call,
    /// What reached the upstream.
    pub upstream_received: Received,
    /// The result the client got.
    pub result: Value,
}

/// A request straight to the upstream.
#[derive(Debug, Serialize)]
pub struct Direct {
    /// What was asked for.
    pub url: String,
    /// The HTTP status; 401.
    pub status: u16,
}

/// A request to the gateway.
#[derive(Debug, Serialize)]
pub struct Call {
    /// The connector.
    pub url: String,
    /// Enough of the license key to recognise it.
    pub key: String,
    /// The tool.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Value,
}

/// Asks the upstream directly, then through the gateway.
pub async fn take(shop: &Bookshop, gateway: SocketAddr, key: &LicenseKey) -> Result<Tour, Failure> {
    let path = format!("/books/{ISBN}");
    let request = Request::get(&path)
        .body(Full::default())
        .map_err(Failure::failed)?;
    let direct = send(shop.address, request).await?;
    if direct.status != StatusCode::UNAUTHORIZED {
        return Err(Failure::failed(
            "the upstream let a request in without its secret",
        ));
    }

    let arguments = json!({ "isbn": ISBN });
    let reply = send(gateway, tools_call(key, &arguments)?).await?;
    let result = result_of(&reply)?;
    let upstream_received = shop
        .last_received()
        .filter(|received| received.key == KeyState::Right && received.target == path)
        .ok_or_else(|| Failure::failed("the call did not reach the upstream with its secret"))?;
    Ok(Tour {
        direct: Direct {
            url: format!("http://{}{path}", shop.address),
            status: direct.status.as_u16(),
        },
        call: Call {
            url: format!("http://{gateway}/mcp"),
            key: key.hint(),
            tool: TOOL,
            arguments,
        },
        upstream_received,
        result,
    })
}

async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Reply, Failure> {
    loopback::send(address, request, LIMIT)
        .await
        .map_err(Failure::failed)
}

/// One call as a client of 2026-07-28 makes it: no handshake before it.
fn tools_call(key: &LicenseKey, arguments: &Value) -> Result<Request<Full<Bytes>>, Failure> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": TOOL,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientInfo": {
                    "name": "wicketgate-demo",
                    "version": env!("CARGO_PKG_VERSION"),
                },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    Request::post("/mcp")
        .header(header::AUTHORIZATION, format!("Bearer {}", key.expose()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("MCP-Protocol-Version", REVISION)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", TOOL)
        .body(Full::from(body.to_string()))
        .map_err(Failure::failed)
}

/// The result in a JSON answer, or in the last event of a stream.
fn result_of(reply: &Reply) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(&reply.body);
    let json = if text.trim_start().starts_with('{') {
        Some(text.as_ref())
    } else {
        text.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .next_back()
    };
    let answer: Option<Value> = json.and_then(|json| serde_json::from_str(json).ok());
    match answer.as_ref().and_then(|answer| answer.get("result")) {
        Some(result) if result.get("isError") != Some(&Value::Bool(true)) => Ok(result.clone()),
        _ => Err(Failure::failed(format_args!(
            "the gateway's own call was answered with {}: {}",
            reply.status.as_u16(),
            plain(&text.chars().take(500).collect::<String>()),
        ))),
    }
}

impl fmt::Display for Tour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            direct,
            call,
            upstream_received,
            result,
        } = self;
        writeln!(f, "1. The API, asked directly without its secret")?;
        writeln!(f, "   GET {}", direct.url)?;
        writeln!(f, "   -> {} Unauthorized\n", direct.status)?;
        writeln!(
            f,
            "2. The same book through the gateway, with a license key only"
        )?;
        writeln!(f, "   POST {}", call.url)?;
        writeln!(f, "   Authorization: Bearer {}", call.key)?;
        writeln!(f, "   tools/call {} {}\n", call.tool, call.arguments)?;
        writeln!(f, "3. What the API received from the gateway")?;
        writeln!(
            f,
            "   {} {}",
            upstream_received.method, upstream_received.target
        )?;
        writeln!(
            f,
            "   X-Api-Key: ******** (its secret, which only the server holds)\n"
        )?;
        writeln!(f, "4. What the client got")?;
        let shown = result.get("structuredContent").unwrap_or(result);
        let text = plain(&format!("{shown:#}"));
        for (i, line) in text.lines().enumerate() {
            let end = if i + 1 == text.lines().count() {
                ""
            } else {
                "\n"
            };
            write!(f, "   {line}{end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &'static str) -> Reply {
        Reply {
            status: StatusCode::OK,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn the_result_is_found_in_json_and_in_a_stream() {
        let plain = result_of(&reply(
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
        ));
        assert_eq!(plain.unwrap(), json!({ "content": [] }));
        let stream = reply("event: message\ndata: {\"id\":1,\"result\":{\"content\":[]}}\n\n");
        assert_eq!(result_of(&stream).unwrap(), json!({ "content": [] }));
    }

    #[test]
    fn an_error_is_no_result() {
        assert!(result_of(&reply(r#"{"id":1,"error":{"code":-32602}}"#)).is_err());
        assert!(result_of(&reply(r#"{"id":1,"result":{"isError":true}}"#)).is_err());
        assert!(result_of(&reply("<html>")).is_err());
    }
}
