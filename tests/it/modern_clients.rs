//! 2026-07-28 on the wire: every method, the error ladder, the mirrored headers, the result shapes.

use serde_json::{Value, json};

use crate::support::{
    client::{Client, post},
    gateway::TestGateway,
    protocol,
    upstream::Behaviour,
    wire::{Answer, once},
};

const NOW: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A tool whose answer is a list: structured content in this revision only.
pub(crate) const LIST_TOOL: &str = r"        - name: list
          title: A list
          description: Gives a list.
          read_only: true
          request: { path: /v1/list }
          input: { type: object, additionalProperties: false }
          output: { type: array, maxItems: 10, items: { type: integer } }
";

fn meta() -> Value {
    json!({ VERSION: NOW, CAPABILITIES: {} })
}

fn envelope(id: &Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = meta();
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The four headers of a request, to be changed by a test.
fn headers(key: &str, method: &str, name: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Authorization", format!("Bearer {key}")),
        ("MCP-Protocol-Version", NOW.to_owned()),
        ("Mcp-Method", method.to_owned()),
    ];
    headers.extend(name.map(|name| ("Mcp-Name", name.to_owned())));
    headers
}

async fn send(gateway: &TestGateway, headers: &[(&str, String)], body: &str) -> Answer {
    once(gateway.address, &post(gateway.address, headers, body))
        .await
        .unwrap()
}

#[tokio::test]
async fn every_served_method_answers_in_the_shape_of_the_schema() {
    let gateway = TestGateway::with(|setup| setup.tools = LIST_TOOL.into()).await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);

    let discover = client.rpc("server/discover", json!({})).await;
    assert_eq!(discover.status, 200);
    protocol::result(NOW, "DiscoverResult", &discover.json());
    assert_eq!(
        discover.json()["result"]["supportedVersions"],
        json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"])
    );
    assert_eq!(discover.header("cache-control"), Some("no-store"));
    assert_eq!(discover.header("mcp-session-id"), None);

    let list = client.rpc("tools/list", json!({})).await.json();
    protocol::result(NOW, "ListToolsResult", &list);
    let tools = list["result"]["tools"].as_array().unwrap();
    let list = tools.iter().find(|tool| tool["name"] == "list").unwrap();
    assert_eq!(list["outputSchema"]["type"], "array");
    assert_eq!(list["title"], "A list");

    gateway.upstream.behave(Behaviour::Json("[1, 2]".into()));
    let call = client.call("list", json!({})).await;
    assert_eq!(call.status, 200);
    protocol::result(NOW, "CallToolResult", &call.json());
    assert_eq!(call.json()["result"]["structuredContent"], json!([1, 2]));
    assert_eq!(call.json()["result"]["content"][0]["text"], "[1, 2]");
    assert_eq!(call.json()["result"]["resultType"], "complete");
}

#[tokio::test]
async fn t20_methods_of_the_old_era_and_unknown_ones_are_404_with_a_body() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "resources/list",
        "tasks/get",
        "unknown/method",
    ] {
        let message = client.message(&json!("an id"), method, json!({}));
        let answer = once(gateway.address, &client.request(&message))
            .await
            .unwrap();
        assert_eq!(answer.status, 404, "{method}");
        protocol::error(NOW, -32601, &answer.json());
        assert_eq!(answer.json()["id"], "an id");
    }
}

#[tokio::test]
async fn ids_are_echoed_with_their_type() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for id in [
        json!(0),
        json!(-7),
        json!(9_007_199_254_740_993_i64),
        json!("7"),
        json!(""),
    ] {
        let message = client.message(&id, "server/discover", json!({}));
        let answer = once(gateway.address, &client.request(&message))
            .await
            .unwrap();
        assert_eq!(answer.json()["id"], id);
    }
    for id in [json!(null), json!(1.5), json!([1]), json!("x".repeat(257))] {
        let message = client.message(&id, "server/discover", json!({}));
        let answer = once(gateway.address, &client.request(&message))
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{id}");
        protocol::error(NOW, -32600, &answer.json());
        assert_eq!(answer.json().get("id"), None);
    }
}

#[tokio::test]
async fn t25_a_request_that_fails_two_rungs_gets_the_earlier_code() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let good = |method: &str| headers(&key, method, None);
    let without = |method: &str, name: &str| {
        let mut headers = good(method);
        headers.retain(|(header, _)| *header != name);
        headers
    };
    let future = |method: &str| {
        let mut headers = good(method);
        headers[1].1 = "2099-01-01".into();
        headers
    };
    let body = |method: &str, meta: Value| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "_meta": meta } })
            .to_string()
    };
    let cases = [
        // Not JSON, and no headers either.
        (without("x", "Mcp-Method"), "{".to_owned(), 400, -32700),
        // No JSON-RPC, and no envelope.
        (
            without("x", "Mcp-Method"),
            r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#.into(),
            400,
            -32600,
        ),
        // No envelope, and no `Mcp-Method`.
        (
            without("x", "Mcp-Method"),
            r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#.into(),
            400,
            -32602,
        ),
        // Half an envelope, and a header that differs.
        (
            good("tools/list"),
            body("x", json!({ VERSION: NOW })),
            400,
            -32602,
        ),
        // A header that differs, and an unknown version.
        (
            future("tools/list"),
            body("x", json!({ VERSION: "2099-01-01", CAPABILITIES: {} })),
            400,
            -32020,
        ),
        // An unknown version, and an unknown method.
        (
            future("x"),
            body("x", json!({ VERSION: "2099-01-01", CAPABILITIES: {} })),
            400,
            -32022,
        ),
        // An unknown method with params that nothing takes.
        (
            good("x"),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "x",
                "params": { "_meta": meta(), "name": 7 } })
            .to_string(),
            404,
            -32601,
        ),
    ];
    for (headers, body, status, code) in cases {
        let answer = send(&gateway, &headers, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        protocol::error(NOW, code, &answer.json());
        let id = answer.json().get("id").cloned();
        assert_eq!(id, (code != -32700).then(|| json!(1)), "{body}");
    }
    // Before all of them: who is calling.
    let answer = send(&gateway, &good("x")[1..], "{").await;
    assert_eq!(answer.status, 401);
    protocol::error(NOW, 40100, &answer.json());
    assert_eq!(gateway.upstream.count(), 0);
}

#[tokio::test]
async fn t13_to_t16_m_01_to_m_05_headers_mirror_the_body_or_nothing_is_called() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let call = envelope(
        &json!(5),
        "tools/call",
        json!({ "name": "get_any", "arguments": { "id": "a" } }),
    )
    .to_string();
    let good = headers(&key, "tools/call", Some("get_any"));
    let with = |name: &str, value: Option<&str>| {
        let mut changed = good.clone();
        match value {
            Some(value) => {
                let header = changed.iter_mut().find(|(header, _)| *header == name);
                header.unwrap().1 = value.into();
            }
            None => changed.retain(|(header, _)| *header != name),
        }
        changed
    };
    let twice = |name: &'static str, value: &str| {
        let mut doubled = good.clone();
        doubled.push((name, value.into()));
        doubled
    };
    let long = format!("=?base64?{}?=", "QUFB".repeat(1_500));
    let refused = [
        with("MCP-Protocol-Version", None),
        with("Mcp-Method", None),
        with("Mcp-Name", None),
        with("Mcp-Method", Some("tools/list")),
        with("Mcp-Method", Some("TOOLS/CALL")),
        with("Mcp-Name", Some("del_item")),
        with("Mcp-Name", Some("GET_ANY")),
        with("Mcp-Name", Some("=?base64?%%%?=")),
        with("Mcp-Name", Some("=?BASE64?Z2V0X2FueQ==?=")),
        with("Mcp-Name", Some("=?base64?7aCA?=")),
        with("Mcp-Name", Some(&long)),
        twice("Mcp-Name", "get_any"),
        twice("Mcp-Name", "del_item"),
        twice("Mcp-Method", "tools/call"),
        twice("MCP-Protocol-Version", NOW),
        with("MCP-Protocol-Version", Some("2025-11-25")),
    ];
    for headers in refused {
        let answer = send(&gateway, &headers, &call).await;
        assert_eq!(answer.status, 400, "{headers:?}");
        protocol::error(NOW, -32020, &answer.json());
        assert_eq!(answer.json()["id"], 5);
    }
    assert_eq!(gateway.upstream.count(), 0);

    let mut shouting = good.clone();
    shouting[1].0 = "MCP-PROTOCOL-VERSION";
    shouting[2].0 = "mcp-METHOD";
    for headers in [
        shouting,
        with("Mcp-Name", Some("   get_any  ")),
        with("Mcp-Name", Some("=?base64?Z2V0X2FueQ==?=")),
        twice("Mcp-Session-Id", "invented"),
        twice("Last-Event-ID", "7"),
    ] {
        let answer = send(&gateway, &headers, &call).await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.body);
        assert_eq!(answer.header("mcp-session-id"), None);
    }
    assert_eq!(gateway.upstream.count(), 5);
}

#[tokio::test]
async fn t17_t18_t19_envelopes_and_versions() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let ask = async |header: &str, meta: Value| {
        let mut headers = headers(&key, "server/discover", None);
        headers[1].1 = header.into();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover",
            "params": { "_meta": meta } });
        send(&gateway, &headers, &body.to_string()).await
    };
    for meta in [
        json!({}),
        json!(7),
        json!({ CAPABILITIES: {} }),
        json!({ VERSION: NOW }),
        json!({ VERSION: NOW, CAPABILITIES: "all" }),
        json!({ VERSION: 7, CAPABILITIES: {} }),
    ] {
        let answer = ask(NOW, meta.clone()).await;
        assert_eq!(answer.status, 400, "{meta}");
        protocol::error(NOW, -32602, &answer.json());
    }
    let answer = ask(NOW, json!({ VERSION: "v999", CAPABILITIES: {} })).await;
    protocol::error(NOW, -32020, &answer.json());
    let answer = ask("v999", json!({ VERSION: "v999", CAPABILITIES: {} })).await;
    assert_eq!(answer.status, 400);
    protocol::fits(NOW, "UnsupportedProtocolVersionError", &answer.json());
    assert_eq!(answer.json()["error"]["data"]["requested"], "v999");
    let discover = ask(NOW, meta()).await.json();
    assert_eq!(
        answer.json()["error"]["data"]["supported"],
        discover["result"]["supportedVersions"]
    );
    // An unknown reserved key, a client's name and a log level are nobody's business.
    let mut more = meta();
    more["io.modelcontextprotocol/evil"] = json!("x");
    more["io.modelcontextprotocol/clientInfo"] = json!({ "name": "a\nb", "version": "1" });
    more["io.modelcontextprotocol/logLevel"] = json!("debug");
    assert_eq!(ask(NOW, more).await.status, 200);
}

#[tokio::test]
async fn calls_that_cannot_be_read_or_resolved_are_400() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let ask = async |name: &str, params: Value| {
        let body = envelope(&json!(1), "tools/call", params).to_string();
        send(&gateway, &headers(&key, "tools/call", Some(name)), &body).await
    };
    for params in [
        json!({ "name": "search", "arguments": [] }),
        json!({ "name": "search", "arguments": "q" }),
        json!({ "name": "search", "arguments": null }),
        json!({ "name": "nothing_of_the_kind", "arguments": {} }),
    ] {
        let answer = ask(params["name"].as_str().unwrap(), params.clone()).await;
        assert_eq!(answer.status, 400, "{params}");
        protocol::error(NOW, -32602, &answer.json());
    }
    // Absent arguments read as `{}`, so the schema answers.
    let answer = ask("search", json!({ "name": "search" })).await;
    assert_eq!(answer.status, 200);
    protocol::result(NOW, "CallToolResult", &answer.json());
    let result = &answer.json()["result"];
    assert_eq!(result["isError"], true);
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("/q"),
        "{result}"
    );
    assert_eq!(gateway.upstream.count(), 0);
}

#[tokio::test]
async fn notifications_are_accepted_and_responses_and_batches_are_not() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 1, "_meta": meta() } });
    let headers = headers(&key, "notifications/cancelled", None);
    let answer = send(&gateway, &headers, &told.to_string()).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    for body in [
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        json!([envelope(&json!(1), "server/discover", json!({}))]),
    ] {
        let answer = send(&gateway, &headers, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}");
        protocol::error(NOW, -32600, &answer.json());
    }
}
