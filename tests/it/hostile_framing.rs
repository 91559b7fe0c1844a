//! Group H, framing: where one request ends and the next begins.

use std::time::Duration;

use crate::support::{oracle::Ground, wire::Wire};

const SHORT: Duration = Duration::from_secs(5);

/// The good request, its length line replaced and its body too.
fn framed(ground: &Ground, lines: &str, body: &str) -> String {
    let good = ground.good();
    let (head, _) = good.split_once("\r\n\r\n").unwrap();
    let head: String = head
        .lines()
        .filter(|line| !line.starts_with("Content-Length"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    format!("{head}{lines}\r\n{body}")
}

/// The good body in one chunk and the last chunk, without the end of the trailers.
fn chunked(ground: &Ground) -> String {
    let good = ground.good();
    let (_, body) = good.split_once("\r\n\r\n").unwrap();
    format!("{:x}\r\n{body}\r\n0\r\n", body.len())
}

/// Sends bytes that the parser refuses: at most one answer of its own, then the end.
async fn refused(ground: &mut Ground, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]);
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(bytes).await;
    let heard = wire.until_closed(SHORT).await;
    let heard = heard.unwrap_or_else(|| panic!("still open after {sent}"));
    let text = String::from_utf8_lossy(&heard);
    assert!(text.starts_with("HTTP/1.1 400 "), "{sent}\n{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{sent}\n{text}");
    // Only a request has a line; a head that cannot be parsed never became one.
    assert!(!text.contains("x-request-id"), "{sent}\n{text}");
    ground.hear_bytes(&heard);
}

#[tokio::test]
async fn h_13_two_kinds_of_length_close_the_connection() {
    let mut ground = Ground::start().await;
    let smuggled = "0\r\n\r\nX".to_owned() + &ground.good();
    for lines in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Content-Length: 6\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let mut wire = Wire::connect(ground.gateway.address).await;
        wire.send(framed(&ground, lines, &smuggled).as_bytes())
            .await;
        // Chunked wins (RFC 9112 section 6.3), so the body is empty: one answer, then the end.
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.header("connection"), Some("close"));
        ground.hear(&answer);
        assert_eq!(wire.until_closed(SHORT).await.unwrap(), b"");
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_14_two_lengths_that_differ_are_refused() {
    let mut ground = Ground::start().await;
    for lines in [
        "Content-Length: 3\r\nContent-Length: 5\r\n",
        "Content-Length: 3, 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: \r\n",
    ] {
        let request = framed(&ground, lines, "{}{}{}");
        refused(&mut ground, request).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_15_odd_transfer_codings_are_refused() {
    let mut ground = Ground::start().await;
    for lines in [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        " Transfer-Encoding: chunked\r\n",
    ] {
        let request = framed(&ground, lines, &format!("{}\r\n", chunked(&ground)));
        refused(&mut ground, request).await;
    }
    let old = framed(&ground, "Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
    let old = old.replacen("HTTP/1.1", "HTTP/1.0", 1);
    refused(&mut ground, old).await;
    ground.prove().await;
}

#[tokio::test]
async fn h_16_bare_line_feeds_are_lines_too() {
    // RFC 9112 section 2.2 allows it and the parser cannot be told otherwise. What counts is that
    // the gateway's own reading has one answer: lines end where a strict reader would see none, so
    // a proxy in front must be strict, as the documented ones are.
    let mut ground = Ground::start().await;
    let good = ground.good();
    let (head, body) = good.split_once("\r\n\r\n").unwrap();
    let bare = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
    ground.answered(&bare, 200).await;
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_17_folded_lines_and_control_bytes_are_refused() {
    let mut ground = Ground::start().await;
    for odd in [
        b"X-Fold: a\r\n b\r\n".as_slice(),
        b"X-Nul: a\0b\r\n",
        b"X-Cr: a\rb\r\n",
        b"X-Cr: a\r\r\n",
        b"X Space: a\r\n",
        b"X-Colon\r\n",
        b": nameless\r\n",
        b"X-Del: a\x7fb\r\n",
        b"X-\xc3\xa9: a\r\n",
    ] {
        let good = ground.good();
        let (line, rest) = good.split_once("\r\n").unwrap();
        let request = [line.as_bytes(), b"\r\n", odd, rest.as_bytes()].concat();
        refused(&mut ground, request).await;
    }
    ground.prove().await;
}

#[tokio::test]
async fn h_18_malformed_chunks_end_the_request() {
    let mut ground = Ground::start().await;
    for body in [
        "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n".to_owned(),
        format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(20 << 10)),
        "2\n{}\r\n0\r\n\r\n".to_owned(),
        "2\r\n{}\n0\r\n\r\n".to_owned(),
        "-2\r\n{}\r\n0\r\n\r\n".to_owned(),
        "0x2\r\n{}\r\n0\r\n\r\n".to_owned(),
        "\r\n{}\r\n0\r\n\r\n".to_owned(),
    ] {
        let request = framed(&ground, "Transfer-Encoding: chunked\r\n", &body);
        let mut wire = Wire::connect(ground.gateway.address).await;
        wire.send(request.as_bytes()).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.status, 400, "{body:.60}");
        assert_eq!(answer.json()["error"]["code"], 40_000, "{}", answer.body);
        ground.hear(&answer);
        assert_eq!(wire.until_closed(SHORT).await.unwrap(), b"", "{body:.60}");
    }
    let lines = ground.prove().await;
    assert!(lines[..7].iter().all(|line| line["error"] == "body_broken"));
}

#[tokio::test]
async fn h_19_a_trailer_is_no_header() {
    let mut ground = Ground::start().await;
    let key = format!("Authorization: Bearer {}\r\n", ground.alpha);
    let body = format!("{}{key}\r\n", chunked(&ground));
    let lines = "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n";
    let request = framed(&ground, lines, &body).replacen(&key, "", 1);
    assert!(request.contains(&key));
    let answer = ground.answered(&request, 401).await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some(ground.gateway.challenge("").as_str())
    );
    // Nor does it take anything away from a good request.
    let trailer = "Authorization: Bearer wgl_x\r\nHost: evil.test\r\nMcp-Name: del_item\r\n";
    let body = format!("{}{trailer}\r\n", chunked(&ground));
    let request = framed(&ground, "Transfer-Encoding: chunked\r\n", &body);
    ground.answered(&request, 200).await;
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_32_what_follows_a_good_request_does_not_spoil_it() {
    let mut ground = Ground::start().await;
    let mut wire = Wire::connect(ground.gateway.address).await;
    let garbage = "\0\x01garbage\r\n\r\n";
    let good = ground.good();
    wire.send(format!("{good}{garbage}").as_bytes()).await;
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    ground.hear(&answer);
    let rest = wire.until_closed(SHORT).await.unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1);

    // Two good ones are answered in their order.
    let mut wire = Wire::connect(ground.gateway.address).await;
    let client = ground.modern();
    let other = client.request(&client.message(&2.into(), "tools/list", serde_json::json!({})));
    wire.send(format!("{good}{other}").as_bytes()).await;
    for id in [1, 2] {
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.json()["id"], id);
        ground.hear(&answer);
    }
    ground.allow_good(2);
    ground.prove().await;
}
