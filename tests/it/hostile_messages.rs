//! Group J, messages: JSON that is no request, or not the one it seems.

use serde_json::{Value, json};

use crate::support::{
    client::{Client, Speaks},
    oracle::Ground,
    wire::Answer,
};

fn refused(answer: &Answer, status: u16, code: i64) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], code, "{}", answer.body);
}

/// A good call of 2026-07-28, before a test spoils it.
fn message(ground: &Ground) -> Value {
    let params = json!({ "name": "search", "arguments": { "q": "good" } });
    ground.modern().message(&json!(1), "tools/call", params)
}

async fn send(ground: &mut Ground, message: &Value) -> Answer {
    ground
        .modern_body("tools/call", "search", &message.to_string())
        .await
}

/// A batch in the way of 2025-03-26.
async fn batch(ground: &mut Ground, entries: &Value) -> Answer {
    let version = [("MCP-Protocol-Version", "2025-03-26")];
    ground.posted(&version, &entries.to_string()).await
}

fn entry(id: usize, q: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": { "name": "search", "arguments": { "q": q } } })
}

#[tokio::test]
async fn j_06_member_names_are_exact() {
    let mut ground = Ground::start().await;
    for (name, odd) in [
        ("method", "METHOD"),
        ("method", "Method"),
        ("jsonrpc", "JSONRPC"),
    ] {
        let mut message = message(&ground);
        let value = message.as_object_mut().unwrap().remove(name).unwrap();
        message[odd] = value;
        refused(&send(&mut ground, &message).await, 400, -32_600);
    }
    // `Params` is a member of no meaning, so the envelope is missing: the next rung of the ladder.
    let mut message = message(&ground);
    let params = message.as_object_mut().unwrap().remove("params").unwrap();
    message["Params"] = params;
    refused(&send(&mut ground, &message).await, 400, -32_602);
    for scalar in [json!(null), json!(7), json!("x"), json!(true)] {
        refused(&send(&mut ground, &scalar).await, 400, -32_600);
    }
    for version in [json!("1.0"), json!(2.0), json!(null), json!(["2.0"])] {
        let mut message = self::message(&ground);
        message["jsonrpc"] = version;
        refused(&send(&mut ground, &message).await, 400, -32_600);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_07_a_batch_exists_in_one_revision_only() {
    let mut ground = Ground::start().await;
    let two = json!([entry(1, "a"), entry(2, "b")]);
    for version in ["2026-07-28", "2025-11-25", "2025-06-18", "v1"] {
        let headers = [("MCP-Protocol-Version", version)];
        let answer = ground.posted(&headers, &two.to_string()).await;
        refused(&answer, 400, -32_600);
    }
    let doubled = [("MCP-Protocol-Version", "2025-03-26"); 2];
    let answer = ground.posted(&doubled, &two.to_string()).await;
    refused(&answer, 400, -32_600);
    // A modern message inside makes the whole no batch.
    let modern = json!([entry(1, "a"), message(&ground)]);
    refused(&batch(&mut ground, &modern).await, 400, -32_600);
    let starting = json!([entry(1, "a"), { "jsonrpc": "2.0", "id": 2, "method": "initialize" }]);
    refused(&batch(&mut ground, &starting).await, 400, -32_600);
    refused(&batch(&mut ground, &json!([])).await, 400, -32_600);
    let many: Vec<Value> = (0..21).map(|id| entry(id, "a")).collect();
    refused(&batch(&mut ground, &json!(many)).await, 400, -32_600);
    ground.prove().await;
}

#[tokio::test]
async fn j_07_each_entry_of_a_batch_is_limited_and_logged_by_itself() {
    let mut ground = Ground::with(|setup| setup.limits = "  session: 20/min\n".into()).await;
    // Alpha's minute holds twenty calls; seventeen are made here, one by the oracle at the end.
    let entries: Vec<Value> = (0..17).map(|id| entry(id, "a")).collect();
    let answer = batch(&mut ground, &json!(entries)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    ground.lines_of(&answer, 17);
    let answers = answer.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 17);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        ground.allow("GET /v1/search?q=a");
    }
    // Notifications and broken entries want no call; what is broken says so in its place.
    let mixed = json!([
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        { "jsonrpc": "2.0", "id": 7, "method": "ping" },
        { "jsonrpc": "2.0", "id": 8 },
        [entry(9, "nested")],
        { "jsonrpc": "2.0", "method": "tools/call",
          "params": { "name": "search", "arguments": { "q": "unseen" } } },
    ]);
    let answer = batch(&mut ground, &mixed).await;
    ground.lines_of(&answer, 5);
    let answers = answer.json();
    assert_eq!(
        answers[0],
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
    );
    assert_eq!(answers[1]["error"]["code"], -32_600);
    assert_eq!(answers[1]["id"], 8);
    assert_eq!(answers[2]["error"]["code"], -32_600);
    assert_eq!(answers.as_array().unwrap().len(), 3);
    let silent = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]);
    let answer = batch(&mut ground, &silent).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let lines = ground.prove().await;
    let calls = lines.iter().filter(|line| line["tool"] == "search");
    assert_eq!(calls.count(), 17 + 2);
}

#[tokio::test]
async fn j_07_a_batch_does_not_get_round_a_limit() {
    let mut ground = Ground::with(|setup| {
        setup.plans =
            "  pro: { tools: [\"*\"] }\n  few: { tools: [\"*\"], per_minute: 3 }\n".into();
    })
    .await;
    let (_, key) = ground.gateway.issue("few").await;
    ground.presented(&key);
    let alpha = std::mem::replace(&mut ground.alpha, key);
    let entries: Vec<Value> = (0..8).map(|id| entry(id, "a")).collect();
    let answer = batch(&mut ground, &json!(entries)).await;
    ground.alpha = alpha;
    ground.lines_of(&answer, 8);
    let answers = answer.json();
    let answers = answers.as_array().unwrap().clone();
    let refused = answers.iter().filter(|a| a["error"]["code"] == 42_900);
    assert_eq!(refused.count(), 5, "{}", answer.body);
    for _ in 0..3 {
        ground.allow("GET /v1/search?q=a");
    }
    let lines = ground.prove().await;
    let limited = lines.iter().filter(|line| line["outcome"] == "limited");
    assert_eq!(limited.count(), 5);
}

#[tokio::test]
async fn j_08_ids_are_integers_or_short_texts() {
    let mut ground = Ground::start().await;
    for id in [
        json!(null),
        json!(1.5),
        json!({}),
        json!([1]),
        json!(true),
        json!("x".repeat(4096)),
        json!("x".repeat(257)),
    ] {
        let mut message = message(&ground);
        message["id"] = id;
        let answer = send(&mut ground, &message).await;
        refused(&answer, 400, -32_600);
        assert_eq!(answer.json().get("id"), None);
    }
    let mut message = message(&ground);
    message["id"] = json!("a\"\\\u{202e}</script>");
    let answer = send(&mut ground, &message).await;
    assert_eq!(answer.json()["id"], message["id"], "echoed as it was");
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn j_09_a_large_id_is_echoed_digit_for_digit() {
    let mut ground = Ground::start().await;
    for digits in [
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551615",
    ] {
        let text = message(&ground).to_string();
        let body = text.replacen(r#""id":1"#, &format!(r#""id":{digits}"#), 1);
        let answer = ground.modern_body("tools/call", "search", &body).await;
        let echo = format!(r#""id":{digits},"#);
        assert!(answer.body.contains(&echo), "{}", answer.body);
        ground.allow_good(1);
    }
    for digits in ["18446744073709551616", "1e3", "1.0"] {
        let text = message(&ground).to_string();
        let body = text.replacen(r#""id":1"#, &format!(r#""id":{digits}"#), 1);
        let answer = ground.modern_body("tools/call", "search", &body).await;
        refused(&answer, 400, -32_600);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_10_a_notification_never_calls_a_tool() {
    let mut ground = Ground::start().await;
    for speaks in [
        Speaks::Modern,
        Speaks::Legacy("2025-11-25"),
        Speaks::Legacy("2025-03-26"),
    ] {
        let client = Client {
            speaks,
            ..ground.modern()
        };
        let params = json!({ "name": "search", "arguments": { "q": "unseen" } });
        let mut message = client.message(&json!(1), "tools/call", params);
        message.as_object_mut().unwrap().remove("id");
        let answer = ground.answered(client.request(&message), 202).await;
        assert_eq!(answer.body, "");
    }
    let lines = ground.prove().await;
    assert!(lines[..3].iter().all(|line| line["tool"] == Value::Null));
}

#[tokio::test]
async fn j_11_nobody_asked_the_client_anything() {
    let mut ground = Ground::start().await;
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1, "message": "x" } }),
    ] {
        refused(&send(&mut ground, &message).await, 400, -32_600);
        let answer = ground.posted(&[], &message.to_string()).await;
        refused(&answer, 400, -32_600);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_20_unknown_methods_are_not_repeated() {
    let mut ground = Ground::start().await;
    let long = "m".repeat(200 << 10);
    for method in [
        long.as_str(),
        "tools/call\u{0}",
        "tools/call ",
        "TOOLS/CALL",
        "tools/call\n",
    ] {
        let mut message = message(&ground);
        message["method"] = json!(method);
        // The header mirrors the body or the answer says that it does not.
        refused(&send(&mut ground, &message).await, 400, -32_020);
        let message = ground.legacy().message(&json!(1), method, json!({}));
        let version = [("MCP-Protocol-Version", "2025-11-25")];
        let answer = ground.posted(&version, &message.to_string()).await;
        refused(&answer, 200, -32_601);
        assert!(answer.body.len() < 200, "{}", answer.body);
    }
    let odd = "m".repeat(4_000);
    let client = ground.modern();
    let message = client.message(&json!(1), &odd, json!({}));
    let answer = ground.answered(client.request(&message), 404).await;
    refused(&answer, 404, -32_601);
    let lines = ground.prove().await;
    assert!(lines[..11].iter().all(|line| line["rpc_method"] == "other"));
    assert!(lines.iter().all(|line| line.to_string().len() < 1_024));
}

#[tokio::test]
async fn j_21_params_and_arguments_are_objects() {
    let mut ground = Ground::start().await;
    for odd in [json!([]), json!("x"), json!(null), json!(7)] {
        let mut message = message(&ground);
        message["params"] = odd.clone();
        refused(&send(&mut ground, &message).await, 400, -32_602);
        let mut message = self::message(&ground);
        message["params"]["arguments"] = odd.clone();
        refused(&send(&mut ground, &message).await, 400, -32_602);
        let mut message = entry(1, "x");
        message["params"] = odd;
        let version = [("MCP-Protocol-Version", "2025-11-25")];
        let answer = ground.posted(&version, &message.to_string()).await;
        refused(&answer, 200, -32_602);
    }
    for name in [json!(null), json!(7), json!(["search"])] {
        let mut message = entry(1, "x");
        message["params"]["name"] = name;
        let version = [("MCP-Protocol-Version", "2025-11-25")];
        let answer = ground.posted(&version, &message.to_string()).await;
        refused(&answer, 200, -32_602);
    }
    ground.prove().await;
}
