use serde_json::json;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn rule(config: Value) -> AnswerRule {
    AnswerRule::compile(&serde_json::from_value(config).unwrap(), None).unwrap()
}

fn read(rule: &AnswerRule, body: &str) -> Result<AnswerContent, UpstreamError> {
    let headers = headers(&[("content-type", "application/json; charset=utf-8")]);
    let declared = AnswerRule::check_head(&headers)?;
    rule.read(declared, Bytes::copy_from_slice(body.as_bytes()))
}

fn text(rule: &AnswerRule, body: &str) -> String {
    match read(rule, body).unwrap() {
        AnswerContent::Json { text, .. } | AnswerContent::Text(text) => text,
    }
}

fn is_unusable(answer: &Result<AnswerContent, UpstreamError>) -> bool {
    matches!(answer, Err(UpstreamError::Unusable(_)))
}

#[test]
fn json_is_passed_on_as_it_is() {
    let whole = rule(json!({}));
    let body = r#" {"id":123456789012345678901234567890, "a":[1.0]} "#;
    assert_eq!(text(&whole, body), body.trim());
    let AnswerContent::Json { kind, .. } = read(&whole, "[1]").unwrap() else {
        panic!("JSON expected");
    };
    assert_eq!(kind, JsonKind::Other);
    assert_eq!(text(&whole, ""), "No content.");
}

#[test]
fn r_12_odd_json_is_refused() {
    let whole = rule(json!({}));
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(read(&whole, &deep(64)).is_ok());
    let quoted = format!("[\"{}\\\"{}\"]", "[".repeat(99), "{".repeat(99));
    assert!(read(&whole, &quoted).is_ok());
    for bad in [
        deep(65),
        deep(10_000),
        "[".repeat(100_000),
        "\u{feff}{}".into(),
        "{} x".into(),
        "{}{}".into(),
        "{\"a\"}".into(),
        "\"abc".into(),
        "\"abc\\".into(),
        "NaN".into(),
    ] {
        assert!(is_unusable(&read(&whole, &bad)), "{bad:.20}");
    }
    let answer = whole.read(Declared::Json, Bytes::from_static(b"\"\xff\""));
    assert!(is_unusable(&answer));
    assert_eq!(text(&whole, "[1e400]"), "[1e400]");
}

#[test]
fn r_13_another_media_type_is_refused() {
    let whole = rule(json!({}));
    let of = |pairs: &[_]| {
        let declared = AnswerRule::check_head(&headers(pairs)).unwrap();
        whole.read(declared, Bytes::from_static(b"{}"))
    };
    assert!(is_unusable(&of(&[("content-type", "text/html")])));
    assert!(is_unusable(&of(&[])));
    assert!(of(&[("content-type", "Application/HAL+JSON")]).is_ok());
}

#[test]
fn r_11_content_codings_are_refused() {
    for coding in ["gzip", "br", "gzip, gzip"] {
        let head = headers(&[("content-encoding", coding)]);
        assert!(AnswerRule::check_head(&head).is_err(), "{coding}");
    }
    let plain = headers(&[("content-encoding", "identity")]);
    assert!(AnswerRule::check_head(&plain).is_ok());
}

#[test]
fn parts_are_selected_and_kept_as_written() {
    let body = r#"{"data":[{"a/b":{"x":1.0,"y":2,"z":{"k":3,"l":4}},"n":5}],"more":1}"#;
    let select = |pointer: &str| read(&rule(json!({ "select": pointer })), body);
    assert_eq!(text(&rule(json!({ "select": "/data/0/n" })), body), "5");
    assert!(select("/data/1").is_err());
    assert!(select("/nothing").is_err());
    let cut = rule(json!({
        "select": "/data/0",
        "keep": ["/a~1b/z/l", "/a~1b/x", "/gone", "/n"],
    }));
    assert_eq!(text(&cut, body), r#"{"a/b":{"x":1.0,"z":{"l":4}},"n":5}"#);
    let nested = rule(json!({ "keep": ["/a", "/a/b", "/c/d", "/c"] }));
    let both = r#"{"a":{"b":1,"x":2},"c":{"d":1,"x":2},"e":0}"#;
    let kept = r#"{"a":{"b":1,"x":2},"c":{"d":1,"x":2}}"#;
    assert_eq!(text(&nested, both), kept);
    assert!(read(&rule(json!({ "keep": ["/a"] })), "[1]").is_err());
    let twice = r#"{"a":1,"a":2}"#;
    assert!(read(&rule(json!({ "select": "/a" })), twice).is_err());
    for bad in [
        json!({ "select": "a" }),
        json!({ "keep": [] }),
        json!({ "keep": ["/~2"] }),
    ] {
        let config = serde_json::from_value(bad.clone()).unwrap();
        assert!(AnswerRule::compile(&config, None).is_err(), "{bad}");
    }
}

#[test]
fn the_output_schema_sees_what_the_client_gets() {
    let check: OutputCheck = Arc::new(|value| value["a"] == 1);
    let config = ResponseConfig {
        select: Some("/data".into()),
        ..ResponseConfig::default()
    };
    let checked = AnswerRule::compile(&config, Some(check)).unwrap();
    assert_eq!(text(&checked, r#"{"data":{"a":1}}"#), r#"{"a":1}"#);
    let mismatch = read(&checked, r#"{"data":{"a":2}}"#);
    assert_eq!(mismatch, Err(UpstreamError::OutputMismatch));
    assert!(is_unusable(&read(&checked, r#"{"data":{"a":2,"a":1}}"#)));
    assert!(is_unusable(&read(&checked, "")));
}

#[test]
fn p_06_hidden_characters_are_stripped() {
    let plain = rule(json!({ "format": "text" }));
    let body = "a\u{e0041}b\u{200b}c\u{202e}d\u{1b}[31me\r\n\tf é";
    assert_eq!(text(&plain, body), "abcd[31me\n\tf é");
}

#[test]
fn each_status_has_its_meaning() {
    let of = |code: u16| failure(StatusCode::from_u16(code).unwrap(), None);
    assert_eq!(of(302), UpstreamError::Redirect(302));
    assert_eq!(of(401), UpstreamError::CredentialRefused(401));
    assert_eq!(of(403), UpstreamError::CredentialRefused(403));
    assert_eq!(of(404), UpstreamError::Status(404));
    assert_eq!(of(503), UpstreamError::Status(503));
}
