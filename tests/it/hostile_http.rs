//! Group H, heads: who is asked for, from which page, how, and how much of it.

use crate::support::{gateway::Setup, oracle::Ground, wire::Wire};

fn public(setup: &mut Setup) {
    setup.more = "public_url: https://gw.test\n".into();
}

/// The good request, its `Host` line replaced.
fn with_host(ground: &Ground, lines: &str) -> String {
    let host = format!("Host: {}\r\n", ground.gateway.address);
    ground.good().replacen(&host, lines, 1)
}

/// The good request with further header lines.
fn with_lines(ground: &Ground, lines: &str) -> String {
    ground
        .good()
        .replacen("Accept:", &format!("{lines}Accept:"), 1)
}

fn line(ground: &Ground, request: &str, lines: &str) -> String {
    let address = ground.gateway.address;
    format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n{lines}\r\n",
        ground.alpha
    )
}

#[tokio::test]
async fn h_05_a_request_without_host_is_refused() {
    let mut ground = Ground::start().await;
    let request = with_host(&ground, "");
    ground.answered(&request, 400).await;
    let old = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    ground.answered(&old, 400).await;
    ground.prove().await;
}

#[tokio::test]
async fn h_06_two_hosts_are_refused_equal_or_not() {
    let mut ground = Ground::with(public).await;
    for lines in [
        "Host: gw.test\r\nHost: gw.test\r\n",
        "Host: gw.test\r\nHost: evil.test\r\n",
        "Host: gw.test, evil.test\r\n",
    ] {
        let request = with_host(&ground, lines);
        ground.answered(&request, 400).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_07_an_absolute_target_must_agree_with_host() {
    let mut ground = Ground::with(public).await;
    for (target, host, status) in [
        ("http://evil.test/mcp", "gw.test", 400),
        ("http://gw.test/mcp", "evil.test", 400),
        ("http://evil.test/mcp", "evil.test", 421),
        ("http://gw.test/mcp", "gw.test", 200),
    ] {
        let request = with_host(&ground, &format!("Host: {host}\r\n"));
        let request = request.replacen("POST /mcp", &format!("POST {target}"), 1);
        ground.answered(&request, status).await;
    }
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_08_another_host_is_misdirected_and_its_body_not_read() {
    let mut ground = Ground::with(public).await;
    let request = with_host(&ground, "Host: evil.test\r\n");
    // The answer comes although the body never does.
    let head = request.split("\r\n\r\n").next().unwrap();
    ground.answered(format!("{head}\r\n\r\n"), 421).await;
    for near in ["gw.test.evil.test", "xgw.test", "gw.test:8443", "gw.test."] {
        let request = with_host(&ground, &format!("Host: {near}\r\n"));
        ground.answered(&request, 421).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_09_malformed_hosts_are_refused() {
    let mut ground = Ground::with(public).await;
    for host in [
        "gw.test@evil.test",
        "gw.test:443:443",
        "gw.test%00.evil.test",
        "gw.test:",
        "gw test",
        "gw.test/mcp",
        "",
    ] {
        let request = with_host(&ground, &format!("Host: {host}\r\n"));
        ground.answered(&request, 400).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_10_a_page_of_elsewhere_is_refused_before_its_key_is_looked_at() {
    let mut ground = Ground::start().await;
    let good = with_lines(&ground, "Origin: https://evil.test\r\n");
    let with_key = ground.answered(&good, 403).await;
    let bad = good.replace(&ground.alpha, "wgl_nonsense");
    let without = ground.answered(&bad, 403).await;
    assert_eq!(with_key.body, without.body);
    assert_eq!(without.header("www-authenticate"), None);
    assert_eq!(with_key.header("access-control-allow-origin"), None);
    let lines = ground.prove().await;
    assert_eq!(lines[0]["error"], "origin_refused");
    assert_eq!(lines[0]["license"], serde_json::Value::Null);
}

#[tokio::test]
async fn h_11_null_doubled_and_lookalike_origins_are_refused() {
    let mut ground = Ground::with(public).await;
    for lines in [
        "Origin: null\r\n",
        "Origin: https://gw.test\r\nOrigin: https://gw.test\r\n",
        "Origin: https://gw.test\r\nOrigin: https://evil.test\r\n",
        "Origin: https://gw.test, https://evil.test\r\n",
        "Origin: https://gw.test.evil.test\r\n",
        "Origin: http://gw.test\r\n",
        "Origin: https://gw.test:444\r\n",
        "Origin: https://user@gw.test\r\n",
        "Origin: http://localhost.evil.test\r\n",
        "Origin: \r\n",
    ] {
        let request = with_lines(&ground, lines);
        ground.answered(&request, 403).await;
    }
    let own = with_lines(&ground, "Origin: https://gw.test\r\n");
    let answer = ground.answered(&own, 200).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://gw.test")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_12_an_ordinary_client_has_no_origin() {
    let mut ground = Ground::start().await;
    let good = ground.good();
    ground.answered(&good, 200).await;
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_20_heads_have_bounds() {
    let mut ground = Ground::start().await;
    let fields = |count: usize| {
        (0..count)
            .map(|n| format!("X-{n}: y\r\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    let standing = ground
        .good()
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .lines()
        .count()
        - 1;
    let most = with_lines(&ground, &fields(64 - standing));
    ground.answered(&most, 200).await;
    ground.allow_good(1);
    for count in [65 - standing, 120] {
        let many = with_lines(&ground, &fields(count));
        ground.answered(&many, 431).await;
    }
    let large = with_lines(&ground, &format!("X-Large: {}\r\n", "y".repeat(9 << 10)));
    ground.answered(&large, 431).await;
    let huge = with_lines(&ground, &format!("X-Huge: {}\r\n", "y".repeat(48 << 10)));
    ground.answered(&huge, 431).await;
    for target in [
        format!("/mcp?{}", "y".repeat(9 << 10)),
        format!("/{}", "y".repeat(9 << 10)),
    ] {
        let long = ground.good().replacen("/mcp", &target, 1);
        ground.answered(&long, 414).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_20_a_head_beyond_the_buffer_ends_the_connection() {
    let mut ground = Ground::start().await;
    let request = with_lines(&ground, &format!("X: {}\r\n", "y".repeat(1 << 20)));
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(request.as_bytes()).await;
    let heard = wire.until_closed(std::time::Duration::from_secs(5)).await;
    let heard = heard.expect("the connection ends");
    // The parser answers by itself, before there is a request: no line, no body. When the client
    // still sends, the answer may be lost with the connection.
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 431 "));
    ground.hear_bytes(&heard);
    ground.prove().await;
}

#[tokio::test]
async fn h_26_a_get_is_not_allowed_and_without_a_key_not_even_that() {
    let mut ground = Ground::start().await;
    let get = line(&ground, "GET /mcp", "Accept: text/event-stream\r\n");
    let answer = ground.answered(&get, 405).await;
    assert_eq!(answer.header("allow"), Some("POST"));
    let session = "Mcp-Session-Id: x\r\nLast-Event-ID: 7\r\nAccept: text/event-stream\r\n";
    let get = line(&ground, "GET /mcp", session);
    ground.answered(&get, 405).await;
    let key = format!("Authorization: Bearer {}\r\n", ground.alpha);
    let answer = ground.answered(get.replacen(&key, "", 1), 401).await;
    assert!(answer.header("www-authenticate").is_some());
    ground.prove().await;
}

#[tokio::test]
async fn h_27_other_methods_are_not_allowed() {
    let mut ground = Ground::start().await;
    for method in [
        "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "post", "M-SEARCH",
    ] {
        let request = line(&ground, &format!("{method} /mcp"), "X-Echo: ECHOED\r\n");
        let answer = ground.answered(&request, 405).await;
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
        assert!(!answer.body.contains("ECHOED"), "{method}");
    }
    // A HEAD is answered like a GET, without a body.
    let request = line(&ground, "HEAD /mcp", "");
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(request.as_bytes()).await;
    let answer = wire.head().await.unwrap();
    assert_eq!(answer.status, 405);
    ground.hear(&answer);
    // CONNECT names an authority instead of a path; there is no tunnel to anywhere.
    let address = ground.gateway.address;
    let request = line(&ground, &format!("CONNECT {address}"), "");
    ground.answered(&request, 404).await;
    let request = line(&ground, "CONNECT evil.test:443", "");
    ground.answered(&request, 400).await;
    let lines = ground.prove().await;
    assert!(lines.iter().any(|line| line["http_method"] == "other"));
}

#[tokio::test]
async fn h_33_only_the_exact_path_is_served() {
    let mut ground = Ground::start().await;
    for path in [
        "/mcp/..%2fadmin",
        "/mcp/../admin",
        "//mcp",
        "/mcp/",
        "/MCP",
        "/mcp%2f",
        "/%6dcp",
        "/mcp;x=1",
        "/./mcp",
        "/",
        "/mcp/mcp",
        "/mcp.json",
    ] {
        let request = ground.good().replacen("/mcp", path, 1);
        let answer = ground.answered(&request, 404).await;
        assert_eq!(answer.json()["error"]["code"], 40_400, "{path}");
        assert_eq!(answer.header("location"), None, "{path}");
    }
    let star = line(&ground, "OPTIONS *", "");
    ground.answered(&star, 404).await;
    let lines = ground.prove().await;
    assert!(lines[..12].iter().all(|line| line["route"] == "other"));
}
