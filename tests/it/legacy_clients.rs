//! The three revisions of 2025 on the wire: every method, the result shapes, batches, and what a
//! client may leave out.

use serde_json::{Value, json};

use crate::{
    modern_clients::LIST_TOOL,
    support::{
        client::{Client, Speaks, post},
        gateway::TestGateway,
        protocol,
        upstream::Behaviour,
        wire::{Answer, Wire, once},
    },
};

const REVISIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

fn client(gateway: &TestGateway, key: &str, revision: &'static str) -> Client {
    Client {
        speaks: Speaks::Legacy(revision),
        ..Client::modern(gateway.address, key)
    }
}

/// A body with no header but the key, and perhaps a version.
async fn plain(gateway: &TestGateway, key: &str, version: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("Authorization", format!("Bearer {key}"))];
    headers.extend(version.map(|version| ("MCP-Protocol-Version", version.to_owned())));
    let text = post(gateway.address, &headers, &body.to_string());
    once(gateway.address, &text).await.unwrap()
}

#[tokio::test]
async fn every_method_of_every_revision() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    for revision in REVISIONS {
        let client = client(&gateway, &key, revision);
        let ping = client.rpc("ping", json!({})).await;
        assert_eq!(ping.status, 200);
        protocol::result(revision, "EmptyResult", &ping.json());
        assert_eq!(ping.json()["result"], json!({}));
        for method in [
            "server/discover",
            "subscriptions/listen",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
            "prompts/list",
            "resources/list",
            "completion/complete",
            "tasks/get",
            "unknown/method",
        ] {
            let answer = client.rpc(method, json!({})).await;
            assert_eq!(answer.status, 200, "{revision} {method}");
            protocol::error(revision, -32601, &answer.json());
            assert_eq!(answer.json()["id"], 1);
        }
        for method in [
            "notifications/initialized",
            "notifications/cancelled",
            "notifications/roots/list_changed",
        ] {
            let told = json!({ "jsonrpc": "2.0", "method": method });
            let answer = plain(&gateway, &key, Some(revision), &told).await;
            assert_eq!((answer.status, answer.body.as_str()), (202, ""));
        }
        let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
        let answer = plain(&gateway, &key, Some(revision), &response).await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn initialize_negotiates_and_never_refuses() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    for (asked, settled) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": asked, "capabilities": {},
            "clientInfo": { "name": "c", "version": "1" } } });
        // Clients send no version header before this is answered.
        let answer = plain(&gateway, &key, None, &body).await;
        assert_eq!(answer.status, 200, "{asked}");
        protocol::result(settled, "InitializeResult", &answer.json());
        let result = &answer.json()["result"];
        assert_eq!(result["protocolVersion"], settled);
        assert_eq!(answer.json()["id"], 0);
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(
            result["capabilities"],
            json!({ "tools": { "listChanged": false } })
        );
    }
}

#[tokio::test]
async fn l18_definitions_and_results_fit_the_revision() {
    let gateway = TestGateway::with(|setup| setup.tools = LIST_TOOL.into()).await;
    let (_, key) = gateway.issue("pro").await;
    for revision in REVISIONS {
        let client = client(&gateway, &key, revision);
        let list = client.rpc("tools/list", json!({})).await.json();
        protocol::result(revision, "ListToolsResult", &list);
        let tools = list["result"]["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == "list").unwrap();
        assert_eq!(tool.get("outputSchema"), None, "a root that is no object");
        assert_eq!(tool.get("title").is_some(), revision != "2025-03-26");
        for absent in ["ttlMs", "cacheScope", "resultType"] {
            assert_eq!(list["result"].get(absent), None);
        }

        gateway.upstream.behave(Behaviour::Json("[1]".into()));
        let answer = client.call("list", json!({})).await.json();
        protocol::result(revision, "CallToolResult", &answer);
        assert_eq!(answer["result"].get("structuredContent"), None);
        assert_eq!(answer["result"]["content"][0]["text"], "[1]");

        gateway
            .upstream
            .behave(Behaviour::Json(r#"{"n":1}"#.into()));
        let answer = client.call("search", json!({ "q": "a" })).await.json();
        protocol::result(revision, "CallToolResult", &answer);
        let structured = answer["result"].get("structuredContent").cloned();
        let expected = (revision != "2025-03-26").then(|| json!({ "n": 1 }));
        assert_eq!(structured, expected);
        assert_eq!(answer["result"]["content"][0]["text"], r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn l17_refusals_of_well_formed_requests_come_at_200() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    for revision in REVISIONS {
        let client = client(&gateway, &key, revision);
        for (method, params) in [
            ("tools/call", json!({ "name": "no_such_tool" })),
            ("tools/call", json!({ "name": 7 })),
            ("tools/call", json!({ "name": "search", "arguments": [] })),
            ("tools/call", json!([])),
            ("tools/list", json!({ "cursor": "forged" })),
            ("tools/list", json!({ "cursor": 7 })),
            ("tools/list", json!([])),
        ] {
            let answer = client.rpc(method, params.clone()).await;
            assert_eq!(answer.status, 200, "{revision} {params}");
            protocol::error(revision, -32602, &answer.json());
        }
        // Invalid arguments, and absent ones, are a result that the model reads.
        for params in [
            json!({ "name": "search" }),
            json!({ "name": "search", "arguments": { "q": 7 } }),
        ] {
            let answer = client.rpc("tools/call", params).await;
            assert_eq!(answer.status, 200);
            protocol::result(revision, "CallToolResult", &answer.json());
            assert_eq!(answer.json()["result"]["isError"], true);
        }
    }
    assert_eq!(gateway.upstream.count(), 0);
}

#[tokio::test]
async fn l08_a_missing_version_header_is_the_oldest_revision_and_an_unknown_one_is_400() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "search", "arguments": { "q": "a" } } });
    let answer = plain(&gateway, &key, None, &call).await;
    assert_eq!(answer.status, 200);
    protocol::result("2025-03-26", "CallToolResult", &answer.json());
    assert_eq!(answer.json()["result"].get("structuredContent"), None);
    for version in ["1999-01-01", "1900-01-01", "2026-07-28'--", ""] {
        let answer = plain(&gateway, &key, Some(version), &call).await;
        assert_eq!(answer.status, 400, "{version}");
        protocol::error("2025-11-25", -32022, &answer.json());
    }
    // A modern header without the envelope.
    let answer = plain(&gateway, &key, Some("2026-07-28"), &call).await;
    assert_eq!(answer.status, 400);
    protocol::error("2026-07-28", -32602, &answer.json());
    assert_eq!(gateway.upstream.count(), 1);
}

#[tokio::test]
async fn l09_batches_belong_to_2025_03_26() {
    let mut gateway = TestGateway::with(|setup| {
        setup.plans = "  pro: { tools: [\"*\"], per_day: 2 }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let call = |id: u32| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "search", "arguments": { "q": "a" } } })
    };
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let batch = json!([call(1), told, call(2), call(3), 7]);
    for version in [None, Some("2025-03-26")] {
        let answer = plain(&gateway, &key, version, &batch).await;
        assert_eq!(answer.status, 200);
        protocol::fits(
            "2025-03-26",
            "JSONRPCBatchResponse",
            &without_the_last(&answer.json()),
        );
        let answers = answer.json().as_array().unwrap().clone();
        assert_eq!(answers.len(), 4);
        assert_eq!(answers[3]["error"]["code"], -32600);
        let mut ids: Vec<_> = answers[..3].iter().map(|a| a["id"].as_u64()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [Some(1), Some(2), Some(3)]);
        let limited = answers
            .iter()
            .filter(|a| a["error"]["code"] == 42900)
            .count();
        // Every element is a call of its own: the third finds the day used up.
        assert_eq!(limited, if version.is_none() { 1 } else { 3 });
    }
    assert_eq!(gateway.upstream.count(), 2);

    let only_told = json!([told, told]);
    let answer = plain(&gateway, &key, None, &only_told).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let opened = json!([{ "jsonrpc": "2.0", "id": 1, "method": "initialize" }]);
    let modern = json!([{ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {
        "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } } }]);
    let many = Value::Array((0..21).map(call).collect());
    for (version, body) in [
        (Some("2025-06-18"), &batch),
        (Some("2025-11-25"), &batch),
        (Some("2026-07-28"), &batch),
        (None, &json!([])),
        (None, &opened),
        (None, &modern),
        (None, &many),
    ] {
        let answer = plain(&gateway, &key, version, body).await;
        assert_eq!(answer.status, 400, "{version:?} {body}");
        assert_eq!(answer.json()["error"]["code"], -32600);
        assert_eq!(answer.json().get("id"), None);
    }
    // Five lines for each batch that was served, one for what was refused whole.
    assert_eq!(gateway.stop().await.len(), 5 + 5 + 2 + 7);
}

/// The answer to something that is no message has no id, which 2025-03-26 has no shape for.
fn without_the_last(answers: &Value) -> Value {
    let answers = answers.as_array().unwrap();
    Value::from(answers[..answers.len() - 1].to_vec())
}

#[tokio::test]
async fn get_head_and_delete_are_challenged_then_refused() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let ask = async |method: &str, key: Option<&str>| {
        let authorization = key.map_or(String::new(), |key| {
            format!("Authorization: Bearer {key}\r\n")
        });
        let text = format!(
            "{method} /mcp HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{authorization}\r\n",
            gateway.address
        );
        let mut wire = Wire::connect(gateway.address).await;
        wire.send(text.as_bytes()).await;
        wire.head().await.unwrap()
    };
    for method in ["GET", "HEAD", "DELETE"] {
        let challenged = ask(method, None).await;
        assert_eq!(challenged.status, 401, "{method}");
        assert_eq!(
            challenged.header("www-authenticate"),
            Some(gateway.challenge("").as_str())
        );
        let refused = ask(method, Some("wgl_nonsense")).await;
        assert_eq!(refused.status, 401);
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .contains("invalid_token")
        );
        let known = ask(method, Some(&key)).await;
        assert_eq!(known.status, 405);
        assert_eq!(known.header("allow"), Some("POST"));
    }
}
