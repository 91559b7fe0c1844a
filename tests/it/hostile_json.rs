//! Group J, documents: bytes that are no JSON, or more of it than anybody needs.

use serde_json::{Value, json};

use crate::support::{oracle::Ground, wire::Answer};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A call of 2026-07-28 with these arguments, as text that no serializer would write.
fn call(tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{META},"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

/// A refusal by JSON-RPC code.
fn refused(answer: &Answer, status: u16, code: i64) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], code, "{}", answer.body);
}

/// A tool result that says what was wrong with the arguments.
fn tool_error(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = &answer.json()["result"];
    assert_eq!(result["isError"], true, "{}", answer.body);
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

/// Posts bytes that need not be text.
async fn posted_bytes(ground: &mut Ground, body: &[u8]) -> Answer {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        ground.gateway.address,
        ground.alpha,
        body.len()
    );
    let bytes = [head.as_bytes(), body].concat();
    ground.send(bytes).await.expect("an answer")
}

async fn create(ground: &mut Ground, arguments: &str) -> Answer {
    let body = call("create", arguments);
    ground.modern_body("tools/call", "create", &body).await
}

#[tokio::test]
async fn j_01_a_document_that_is_cut_is_no_document() {
    let mut ground = Ground::start().await;
    let whole = call("create", r#"{"name":"a"}"#);
    for body in [
        "",
        "{",
        &whole[..whole.len() - 1],
        &whole[..whole.len() / 2],
    ] {
        let answer = ground.modern_body("tools/call", "create", body).await;
        refused(&answer, 400, -32_700);
        assert_eq!(answer.json().get("id"), None, "no id was read");
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_02_a_hundred_thousand_brackets() {
    let mut ground = Ground::start().await;
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let body = open.repeat(100_000 / open.len());
        let answer = ground.posted(&[], &body).await;
        refused(&answer, 400, -32_700);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_03_arguments_nested_too_deep() {
    let mut ground = Ground::start().await;
    let nested = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        format!(r#"{{"name":"a","meta":{open}1{close}}}"#)
    };
    for depth in [65, 120, 20_000] {
        let answer = create(&mut ground, &nested(depth)).await;
        let text = tool_error(&answer);
        assert!(text.contains("too deep"), "{text}");
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_04_a_key_named_twice_executes_neither() {
    let mut ground = Ground::start().await;
    let good = call("create", r#"{"name":"a"}"#);
    for body in [
        good.replacen(r#""method":"#, r#""method":"tools/list","method":"#, 1),
        good.replacen(r#""id":1"#, r#""id":1,"id":2"#, 1),
        good.replacen(
            r#""name":"create""#,
            r#""name":"search","name":"create""#,
            1,
        ),
        good.replacen(r#""method":"#, r#""m\u0065thod":"tools/list","method":"#, 1),
    ] {
        let answer = ground.modern_body("tools/call", "create", &body).await;
        refused(&answer, 400, -32_600);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_05_an_argument_named_twice_calls_nothing() {
    let mut ground = Ground::start().await;
    let body = call("get_any", r#"{"id":"a","id":"../b"}"#);
    let answer = ground.modern_body("tools/call", "get_any", &body).await;
    refused(&answer, 400, -32_600);
    ground.prove().await;
}

#[tokio::test]
async fn j_12_only_utf_8_without_a_mark() {
    let mut ground = Ground::start().await;
    let good = call("create", r#"{"name":"a"}"#);
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with = |bytes: &[u8]| {
        let (front, back) = good.split_once(r#""a""#).unwrap();
        [front.as_bytes(), b"\"", bytes, b"\"", back.as_bytes()].concat()
    };
    for body in [
        [b"\xef\xbb\xbf".as_slice(), good.as_bytes()].concat(),
        [b"\xff\xfe".as_slice(), &utf_16].concat(),
        utf_16.clone(),
        with(br"\ud800"),
        with(br"\udc00\ud800"),
        with(b"\xed\xa0\x80"),
        with(b"\xc0\xaf"),
        with(b"\xff"),
        with(b"\n"),
        with(b"\\x41"),
    ] {
        let answer = posted_bytes(&mut ground, &body).await;
        refused(&answer, 400, -32_700);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_13_a_number_that_loses_digits_never_leaves() {
    let mut ground = Ground::start().await;
    for number in [
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        "1e30",
        "18446744073709551616",
    ] {
        let arguments = format!(r#"{{"name":"a","qty":{number}}}"#);
        let answer = create(&mut ground, &arguments).await;
        let text = tool_error(&answer);
        assert!(text.contains("lose digits"), "{text}");
        assert!(
            !text.contains("123456"),
            "the value is not repeated: {text}"
        );
    }
    let answer = create(&mut ground, r#"{"name":"a","qty":1e999}"#).await;
    refused(&answer, 400, -32_700);
    ground.prove().await;
}

#[tokio::test]
async fn j_14_other_spellings_of_an_integer() {
    let mut ground = Ground::start().await;
    for (number, canonical) in [("1e2", 100), ("1.0", 1), ("-0", 0), ("-0.0", 0), ("7", 7)] {
        let arguments = format!(r#"{{"name":"a","qty":{number}}}"#);
        let answer = create(&mut ground, &arguments).await;
        assert_eq!(
            answer.json()["result"]["isError"],
            false,
            "{number}: {}",
            answer.body
        );
        let sent = ground.gateway.upstream.seen().last().unwrap().body.clone();
        assert_eq!(
            sent,
            format!(r#"{{"name":"a","qty":{canonical}}}"#),
            "{number}"
        );
        ground.allow("POST /v1/items");
    }
    let answer = create(&mut ground, r#"{"name":"a","qty":1.5}"#).await;
    tool_error(&answer);
    ground.prove().await;
}

#[tokio::test]
async fn j_15_a_nul_in_a_text_is_refused() {
    let mut ground = Ground::start().await;
    let answer = create(&mut ground, r#"{"name":"a\u0000b"}"#).await;
    let text = tool_error(&answer);
    assert!(text.contains("NUL"), "{text}");
    for (tool, argument) in [("get_any", "id"), ("search", "q"), ("note", "note")] {
        let body = call(tool, &format!(r#"{{"{argument}":"a\u0000b"}}"#));
        let answer = ground.modern_body("tools/call", tool, &body).await;
        tool_error(&answer);
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_16_too_many_keys_and_items() {
    let mut ground = Ground::start().await;
    let keys: Vec<String> = (0..10_001).map(|n| format!("\"k{n}\":1")).collect();
    let items = "1,".repeat(100_000);
    for meta in [
        format!("{{{}}}", keys.join(",")),
        format!("{{\"list\":[{items}1]}}"),
    ] {
        let arguments = format!(r#"{{"name":"a","meta":{meta}}}"#);
        let answer = create(&mut ground, &arguments).await;
        let text = tool_error(&answer);
        assert!(text.contains("too many values"), "{text}");
    }
    ground.prove().await;
}

#[tokio::test]
async fn j_17_names_that_mean_something_elsewhere_mean_nothing_here() {
    let mut ground = Ground::start().await;
    let meta = r#"{"__proto__":{"admin":true},"constructor":{"prototype":1}}"#;
    let arguments = format!(r#"{{"name":"a","meta":{meta}}}"#);
    let answer = create(&mut ground, &arguments).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    let sent = ground.gateway.upstream.seen().last().unwrap().body.clone();
    assert_eq!(sent, arguments);
    ground.allow("POST /v1/items");
    let answer = create(&mut ground, r#"{"name":"a","__proto__":{"qty":7}}"#).await;
    tool_error(&answer);
    let body = call("create", r#"{"name":"a"}"#).replacen('{', r#"{"__proto__":{"id":9},"#, 1);
    let answer = ground.modern_body("tools/call", "create", &body).await;
    assert_eq!(answer.json()["id"], 1);
    ground.allow("POST /v1/items");
    ground.prove().await;
}

#[tokio::test]
async fn j_18_nothing_may_follow_the_document() {
    let mut ground = Ground::start().await;
    let good = call("create", r#"{"name":"a"}"#);
    for tail in [" {}", "{}", ",", "\0", "]", &good] {
        let answer = ground.posted(&[], &format!("{good}{tail}")).await;
        refused(&answer, 400, -32_700);
    }
    let answer = ground
        .modern_body("tools/call", "create", &format!(" \n{good}\r\n\t"))
        .await;
    assert_eq!(answer.status, 200, "white space is no document");
    ground.allow("POST /v1/items");
    ground.prove().await;
}

#[tokio::test]
async fn j_19_escapes_are_measured_raw_and_decoded() {
    let mut ground = Ground::start().await;
    let named = |count: usize| format!(r#"{{"name":"{}"}}"#, r"\u0041".repeat(count));
    // Raw: beyond the cap of bytes.
    let answer = create(&mut ground, &named(1 << 20 >> 2)).await;
    assert_eq!(answer.status, 413);
    // Decoded: beyond the schema's length; 64 characters fit however they are written.
    let answer = create(&mut ground, &named(40_000)).await;
    let text = tool_error(&answer);
    assert!(!text.contains("AAAA"), "{text}");
    let answer = create(&mut ground, &named(65)).await;
    tool_error(&answer);
    let answer = create(&mut ground, &named(64)).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    let sent = ground.gateway.upstream.seen().last().unwrap().body.clone();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent, json!({ "name": "A".repeat(64) }));
    ground.allow("POST /v1/items");
    ground.prove().await;
}
