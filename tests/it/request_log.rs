//! `docs/request-log.md` says what the log says: the same fields, the same words, one line for
//! every refusal.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{
    client::{Client, post},
    gateway::TestGateway,
    upstream::{Behaviour, SECRET},
    wire::{Answer, once},
};

/// The rows of the table below this heading, without the marks of code.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../docs/request-log.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(1)
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

fn documented_errors() -> BTreeMap<String, String> {
    let rows = table("`error`");
    let errors: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(errors.len(), rows.len(), "a word stands there twice");
    errors
}

#[tokio::test]
async fn the_page_lists_the_fields_in_their_order_and_with_their_types() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    client.call("search", json!({ "q": "a" })).await;
    let lines = gateway.stop().await;
    let line = lines[0].as_object().unwrap();
    let rows = table("Fields");
    let documented: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let written: Vec<&str> = line.keys().map(String::as_str).collect();
    assert_eq!(documented, written);
    for row in &rows {
        let value = &line[row[0].as_str()];
        let example: Value = serde_json::from_str(&row[3]).unwrap();
        match row[1].split(',').next().unwrap() {
            "number" => assert!(example.is_number() && (value.is_number() || value.is_null())),
            "text" => assert!(example.is_string() && (value.is_string() || value.is_null())),
            other => panic!("{other} is no type"),
        }
        let always = row[2].starts_with("always");
        assert!(!always || !value.is_null(), "{row:?}");
    }
    // Of a call that went well, only these are empty.
    let empty: BTreeSet<&str> = line
        .iter()
        .filter(|(_, value)| value.is_null())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(empty, BTreeSet::from(["error", "tier"]));
    assert_eq!(line["event"], "request");
}

#[test]
fn the_page_lists_every_word_that_the_code_can_say() {
    let documented: BTreeSet<String> = documented_errors().into_keys().collect();
    let said: BTreeSet<String> = words::errors().into_iter().map(str::to_owned).collect();
    assert_eq!(documented, said);

    let rows = table("`outcome`");
    let documented: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(documented, words::outcomes());
    let known: BTreeSet<&str> = documented.into_iter().collect();
    for (error, outcome) in documented_errors() {
        assert!(known.contains(outcome.as_str()), "{error}: {outcome}");
    }
}

/// What a request is answered with and logged as.
struct Case {
    request: String,
    status: u16,
    error: &'static str,
}

fn case(request: String, status: u16, error: &'static str) -> Case {
    Case {
        request,
        status,
        error,
    }
}

/// The same request with a part of its text exchanged.
fn but(request: &str, from: &str, to: &str) -> String {
    assert!(request.contains(from), "{from}");
    request.replacen(from, to, 1)
}

fn edge_cases(good: &str, key: &str) -> Vec<Case> {
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let host = good.lines().find(|line| line.starts_with("Host:")).unwrap();
    let fields = "X-A: b\r\n".repeat(70);
    vec![
        case(
            but(good, &bearer, ""),
            401,
            "credential_missing_from_request",
        ),
        case(but(good, key, "wgl_x"), 401, "credential_refused"),
        case(
            but(good, host, "Host: evil.example"),
            421,
            "authority_unknown",
        ),
        case(
            but(
                good,
                host,
                &format!("{host}\r\nOrigin: https://evil.example"),
            ),
            403,
            "origin_refused",
        ),
        case(
            but(good, "/mcp", "/mcp?access_token=x"),
            400,
            "secret_in_url",
        ),
        case(but(good, "/mcp", "/other"), 404, "not_found"),
        case(
            but(good, "/mcp", &format!("/mcp?{}", "x".repeat(9_000))),
            414,
            "uri_too_long",
        ),
        case(
            but(good, "Content-Type", &format!("{fields}Content-Type")),
            431,
            "head_too_large",
        ),
        case(but(good, "POST", "PUT"), 405, "method_not_allowed"),
        case(
            but(good, "application/json, text/event-stream", "text/html"),
            406,
            "not_acceptable",
        ),
        case(
            but(
                good,
                "Content-Type: application/json",
                "Content-Type: text/plain",
            ),
            415,
            "unsupported_media_type",
        ),
    ]
}

fn message_cases(client: &Client, good: &str) -> Vec<Case> {
    let request =
        |method: &str, params: Value| client.request(&client.message(&json!(1), method, params));
    let call = |name: &str, arguments: Value| {
        request(
            "tools/call",
            json!({ "name": name, "arguments": arguments }),
        )
    };
    let headers = [("Authorization", format!("Bearer {}", client.key))];
    let raw = |body: &str| post(client.address, &headers, body);
    let versions = good.replace("2026-07-28", "2099-01-01");
    vec![
        case(raw(&"x".repeat(300_000)), 413, "body_too_large"),
        case(raw("{"), 400, "parse_error"),
        case(raw("7"), 400, "invalid_request"),
        case(versions, 400, "unsupported_version"),
        case(
            but(good, "MCP-Protocol-Version: 2026-07-28\r\n", ""),
            400,
            "header_mismatch",
        ),
        case(
            but(
                &raw(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
                "Accept",
                "MCP-Protocol-Version: 2026-07-28\r\nAccept",
            ),
            400,
            "envelope_missing",
        ),
        case(request("no/such", json!({})), 404, "method_not_found"),
        case(call("search", json!([])), 400, "invalid_params"),
        case(call("no_such", json!({})), 400, "unknown_tool"),
        case(call("search", json!({})), 200, "invalid_arguments"),
        case(
            call("get_any", json!({ "id": ".." })),
            200,
            "unsafe_argument",
        ),
    ]
}

fn upstream_cases() -> Vec<(Behaviour, &'static str)> {
    let status = |status| Behaviour::Status(status, "{}".into());
    let large = format!("\"{}\"", "x".repeat(2 << 20));
    vec![
        (status(404), "upstream_status"),
        (status(403), "upstream_credential_refused"),
        (status(307), "upstream_redirect"),
        (Behaviour::Json(large), "upstream_too_large"),
        (Behaviour::Json("{".into()), "upstream_unusable"),
        (
            Behaviour::Json(format!("{{\"k\":\"{SECRET}\"}}")),
            "upstream_credential_echoed",
        ),
        (status(429), "upstream_limited"),
        // And what follows from it.
        (status(200), "upstream_paused"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_one_line_with_a_documented_word() {
    let mut gateway = TestGateway::with(|setup| {
        setup.limits = "  session: 15/h\n  unauthenticated: 1/h\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let ask = async |request: &str| once(gateway.address, request).await.unwrap();
    let arguments = json!({ "note": "a" });
    let params = json!({ "name": "note", "arguments": arguments });
    let good = client.request(&client.message(&json!(1), "tools/call", params));
    let mut asked: Vec<(Answer, u16, &str)> = Vec::new();

    let mut cases = edge_cases(&good, &key);
    cases.extend(message_cases(&client, &good));
    for Case {
        request,
        status,
        error,
    } in cases
    {
        asked.push((ask(&request).await, status, error));
    }
    for (behaviour, error) in upstream_cases() {
        gateway.upstream.behave(behaviour);
        asked.push((ask(&good).await, 200, error));
    }
    let refused = ask(&but(&good, &key, "wgl_x")).await;
    asked.push((refused, 429, "too_many_failures"));
    // Three calls above found no tool or no arguments, eight reached the upstream tier.
    for _ in 0..4 {
        ask(&good).await;
    }
    asked.push((ask(&good).await, 429, "limited"));

    let lines = gateway.stop().await;
    assert_eq!(lines.len(), asked.len() + 4, "one line a request");
    let documented = documented_errors();
    for (answer, status, error) in asked {
        assert_eq!(answer.status, status, "{error}: {}", answer.body);
        let id = answer.header("x-request-id").unwrap();
        let mut found = lines.iter().filter(|line| line["request_id"] == id);
        let line = found.next().unwrap_or_else(|| panic!("{error}: no line"));
        assert!(found.next().is_none(), "{error}: two lines");
        assert_eq!(line["error"], error, "{line}");
        assert_eq!(line["status"], status);
        assert_eq!(line["outcome"], documented[error].as_str(), "{error}");
        assert_eq!(
            line["tier"].is_null(),
            line["outcome"] != "limited",
            "{line}"
        );
    }
    assert!(!gateway.log_text().contains(SECRET));
    assert!(!gateway.log_text().contains(&key));
}
