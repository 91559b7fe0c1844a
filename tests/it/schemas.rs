//! Schemas as a boundary, seen from outside: what is refused, and what a refusal may say.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use wicketgate::{
    config::{self, Environment},
    schema::InputSchema,
};

use crate::support::{client::Client, gateway::TestGateway, upstream::Behaviour};

#[tokio::test]
async fn v_14_a_wrong_value_is_repeated_nowhere() {
    const VALUE: &str = "CANARY-SECRET-VALUE-123";
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for arguments in [
        json!({ "name": "n", "qty": VALUE }),
        json!({ "name": { VALUE: VALUE } }),
        json!({ "name": VALUE.repeat(10) }),
        json!({ "name": "n", "meta": [VALUE] }),
    ] {
        let answer = client.call("create", arguments).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["result"]["isError"], true);
        assert!(!answer.body.contains("CANARY"), "{}", answer.body);
    }
    let lines = gateway.stop().await;
    assert_eq!(lines.len(), 4);
    assert!(
        lines
            .iter()
            .all(|line| line["error"] == "invalid_arguments")
    );
    assert!(!gateway.log_text().contains("CANARY"));
    assert_eq!(gateway.upstream.count(), 0);
}

#[test]
fn v_16_a_tool_that_asks_for_mirrored_headers_does_not_load() {
    let yaml = |property: &str| {
        format!(
            "keys: [{{ id: test, env: KEY }}]\nstore: {{ sqlite: {{ path: x.db }} }}\n\
             plans: {{ pro: {{ tools: [\"*\"] }} }}\nupstreams:\n  up:\n    rest:\n      \
             base_url: https://api.example.com\n      tools:\n        - name: t\n          \
             description: A tool.\n          request: {{ path: /t, query: {{ q: $q }} }}\n          \
             input:\n            type: object\n            additionalProperties: false\n            \
             properties:\n              q: {property}\n"
        )
    };
    let load = |property: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wicketgate.yaml");
        std::fs::write(&path, yaml(property)).unwrap();
        config::load(&path, &Environment::from_map([("KEY", "x")]))
    };
    load("{ type: string, maxLength: 8 }").unwrap();
    for property in [
        r#"{ type: string, maxLength: 8, x-mcp-header: "Auth\r\nX" }"#,
        "{ type: string, maxLength: 8, x-mcp-header: Region }",
        "{ type: number, minimum: 0, maximum: 8, x-mcp-header: Region }",
        "{ type: array, maxItems: 3, items: { type: string, maxLength: 8, x-mcp-header: A } }",
    ] {
        let refused = load(property).unwrap_err();
        let found = refused
            .problems
            .iter()
            .find(|problem| problem.message.contains("x-mcp-header"))
            .unwrap_or_else(|| panic!("{property}: {refused}"));
        assert_eq!(found.path, "upstreams.up.rest.tools[0].input");
        assert!(!found.fix.is_empty() && found.line.is_some());
        assert!(!refused.to_string().contains("Auth"), "{refused}");
    }
}

#[tokio::test]
async fn v_17_an_answer_that_drifts_from_its_schema_is_kept_back() {
    const DRIFTED: &str = r#"{"id":"CANARY-drifted","n":1}"#;
    let mut gateway = TestGateway::with(|setup| {
        setup.tools = "        - name: typed\n          description: Gives a number.\n          \
            read_only: true\n          request: { path: /n }\n          \
            input: { type: object, additionalProperties: false }\n          \
            output: { type: object, required: [n], additionalProperties: false, \
            properties: { n: { type: integer } } }\n"
            .into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    gateway.upstream.behave(Behaviour::Json(DRIFTED.into()));
    let answer = client.call("typed", json!({})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["result"]["isError"], true);
    assert_eq!(answer.json()["result"].get("structuredContent"), None);
    assert!(!answer.body.contains("CANARY"), "{}", answer.body);
    gateway
        .upstream
        .behave(Behaviour::Json(r#"{"n":1}"#.into()));
    let answer = client.call("typed", json!({})).await.json();
    assert_eq!(answer["result"]["structuredContent"], json!({ "n": 1 }));
    let lines = gateway.stop().await;
    assert_eq!(lines[0]["error"], "upstream_output_mismatch");
    assert_eq!(lines[0]["outcome"], "tool_error");
    assert!(!gateway.log_text().contains("CANARY"));
}

/// A schema of about 60 KB: many properties, each with a choice of words.
fn large() -> serde_json::Value {
    let properties: serde_json::Map<_, _> = (0..400)
        .map(|number| {
            let words: Vec<String> = (0..12).map(|word| format!("w{number}-{word}")).collect();
            (format!("p{number}"), json!({ "enum": words }))
        })
        .collect();
    let choice =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    json!({ "type": "object", "additionalProperties": false, "properties": { "choice": choice } })
}

#[tokio::test(flavor = "multi_thread")]
async fn v_20_a_large_schema_is_compiled_once() {
    let schema = large();
    let bytes = schema.to_string().len();
    assert!((40_000..64_000).contains(&bytes), "{bytes}");
    let start = Instant::now();
    for _ in 0..5 {
        InputSchema::compile(&schema).unwrap();
    }
    let compiling = start.elapsed() / 5;

    let gateway = TestGateway::with(|setup| {
        setup.limits = "  session: 100000/min\n".into();
        setup.tools = format!(
            "        - name: wide\n          description: Takes much.\n          \
             loose_schema_because: only its size matters\n          \
             request: {{ method: POST, path: /wide, body: {{ choice: $choice }} }}\n          input: {schema}\n"
        );
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let mut refused = Vec::new();
    for _ in 0..1_000 {
        let start = Instant::now();
        let answer = client
            .call("wide", json!({ "choice": { "p399": "no such word" } }))
            .await;
        refused.push(start.elapsed());
        assert_eq!(answer.json()["result"]["isError"], true);
    }
    refused.sort_unstable();
    let (half, most) = (refused[500], refused[990]);
    // A connection, a whole request and the check together cost less than compiling once.
    assert!(
        half < compiling,
        "{half:?} a call, {compiling:?} to compile"
    );
    assert!(
        most < half * 20 + Duration::from_millis(20),
        "{half:?} {most:?}"
    );
}
