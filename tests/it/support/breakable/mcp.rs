//! Its MCP endpoint, both eras, and the challenge.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Asked, Break, Breakable, answer, json_answer};

impl Breakable {
    /// Is this bearer good? Its first use is remembered.
    fn passes(&self, asked: &Asked) -> bool {
        let Some((id, generation)) = asked
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer CANARY-at-"))
            .and_then(|token| token.split_once('-'))
        else {
            return false;
        };
        let generation: u64 = generation.parse().unwrap();
        let mut held = self.held.lock().unwrap();
        let Some(session) = held.sessions.get_mut(id) else {
            return false;
        };
        session.used = session.used.max(generation);
        session.alive && !self.is(Break::CallRefused)
    }

    pub(super) fn mcp(&self, asked: &Asked) -> Response {
        if !self.passes(asked) {
            return self.challenge(asked);
        }
        if asked.method == "GET" {
            let status = if self.is(Break::StreamMissing) {
                404
            } else {
                405
            };
            return answer(status, &[], "");
        }
        let message: Value = serde_json::from_str(&asked.body).unwrap();
        let result = |result: Value| {
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            json_answer(200, &[], &body)
        };
        let fault = |status, code| {
            let error = json!({ "code": code, "message": "no" });
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
            json_answer(status, &[], &body)
        };
        let modern = asked.header("mcp-protocol-version") == Some("2026-07-28");
        match message["method"].as_str().unwrap() {
            "server/discover" if self.is(Break::DiscoverLimited) => fault(429, -32_000),
            "server/discover" => result(json!({ "supportedVersions": ["2026-07-28"] })),
            "initialize" if self.is(Break::InitializeRefused) => fault(400, -32_022),
            "initialize" => {
                let version = message["params"]["protocolVersion"].clone();
                let body = json!({ "protocolVersion": version, "capabilities": {} });
                let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": body });
                let name = if self.is(Break::SessionRenamed) {
                    "x-gateway-session-id"
                } else {
                    "mcp-session-id"
                };
                json_answer(200, &[(name, "s1")], &body)
            }
            _ if !modern && asked.header("mcp-session-id") != Some("s1") => fault(400, -32_001),
            "notifications/initialized" => answer(202, &[], ""),
            "tools/list" => {
                let list = json!({ "jsonrpc": "2.0", "id": message["id"],
                    "result": { "tools": [{ "name": "echo" }] } });
                let event = format!("event: message\ndata: {list}\n\n");
                answer(200, &[("content-type", "text/event-stream")], event)
            }
            "tools/call" => result(json!({ "content": [], "isError": false })),
            _ => fault(404, -32_601),
        }
    }

    fn challenge(&self, asked: &Asked) -> Response {
        if self.is(Break::First200) {
            let error = json!({ "code": -32_001, "message": "log in first" });
            return json_answer(
                200,
                &[],
                &json!({ "jsonrpc": "2.0", "id": 1, "error": error }),
            );
        }
        if asked.method == "HEAD" && self.is(Break::HeadRefused) {
            return answer(405, &[], "");
        }
        let document = format!("{}/.well-known/oauth-protected-resource/mcp", self.origin());
        let full = format!(r#"Bearer resource_metadata="{document}", scope="mcp:tools""#);
        let expose = ("access-control-expose-headers", "WWW-Authenticate");
        match self.broken {
            Some(Break::ChallengeGone) => answer(401, &[expose], ""),
            Some(Break::ChallengeParameter) => answer(
                401,
                &[expose, ("www-authenticate", r#"Bearer scope="mcp:tools""#)],
                "",
            ),
            Some(Break::ChallengeRenamed) => {
                answer(401, &[expose, ("x-remapped-www-authenticate", &full)], "")
            }
            Some(Break::BasicFirst) => {
                let both = format!("Basic realm=\"x\", {full}");
                answer(401, &[expose, ("www-authenticate", &both)], "")
            }
            Some(Break::CorsClosed) => answer(401, &[("www-authenticate", &full)], ""),
            _ => answer(401, &[expose, ("www-authenticate", &full)], ""),
        }
    }
}
