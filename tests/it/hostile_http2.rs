//! Group H over HTTP/2 with prior knowledge: floods, and two names for one host.

use std::time::Duration;

use crate::support::{
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, block,
        connect, frame, next,
    },
    oracle::Ground,
    wire::Wire,
};

const SOON: Duration = Duration::from_secs(20);
/// RFC 9113 section 7.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// The good request's fields, with this authority and further fields.
fn fields<'a>(
    key: &'a str,
    authority: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/mcp"),
        (":authority", authority),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "search"),
        ("authorization", key),
    ];
    fields.extend(more);
    fields
}

/// What came on this stream until it ended: the header block and the body.
async fn answer(wire: &mut Wire, stream: u32) -> (Vec<u8>, String) {
    let (mut head, mut body) = (Vec::new(), Vec::new());
    while let Some(Frame {
        kind,
        flags,
        stream: on,
        payload,
    }) = next(wire).await
    {
        if on != stream {
            continue;
        }
        match kind {
            HEADERS => head.extend(payload),
            DATA => body.extend(payload),
            other => panic!("frame {other}"),
        }
        if flags & END_STREAM != 0 {
            break;
        }
    }
    (head, String::from_utf8(body).unwrap())
}

/// Frames until the connection ends; was there a GOAWAY?
async fn goes_away(wire: &mut Wire) -> bool {
    tokio::time::timeout(SOON, async {
        let mut told = false;
        while let Some(frame) = next(wire).await {
            told |= frame.kind == GOAWAY;
        }
        told
    })
    .await
    .expect("the connection ends")
}

#[tokio::test]
async fn a_call_over_http_2_is_a_call() {
    let mut ground = Ground::start().await;
    let (key, address) = (format!("Bearer {}", ground.alpha), ground.gateway.address);
    let good = ground.good();
    let body = good.split_once("\r\n\r\n").unwrap().1;
    let authority = address.to_string();
    let mut wire = connect(address).await;
    let head = block(&fields(&key, &authority, &[]));
    wire.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    wire.send(&frame(DATA, END_STREAM, 1, body.as_bytes()))
        .await;
    let (head, text) = answer(&mut wire, 1).await;
    assert_eq!(head[0], 0x88, "200 in the static table");
    assert!(text.contains(r#""isError":false"#), "{text}");
    ground.hear_bytes(text.as_bytes());
    // This client answers no PING, so it must be gone before the gateway drains.
    drop(wire);
    ground.unanswered(1);
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_28_streams_that_are_opened_and_reset_end_the_connection() {
    let mut ground = Ground::start().await;
    let (key, address) = (format!("Bearer {}", ground.alpha), ground.gateway.address);
    let authority = address.to_string();
    let head = block(&fields(&key, &authority, &[]));
    let mut wire = connect(address).await;
    let mut flood = Vec::new();
    for stream in (1_u32..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS, stream, &head));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL));
    }
    wire.send(&flood).await;
    // The farewell may be lost with the connection while we still write; the end is not.
    goes_away(&mut wire).await;
    let good = ground.good();
    ground.answered(&good, 200).await;
    ground.allow_good(1);
    // Only few of ten thousand became requests, each of which has its line.
    ground.gateway.stop().await;
    let lines = ground.gateway.lines();
    assert!(lines.len() < 1_000, "{}", lines.len());
    assert!(!ground.gateway.log_text().contains(&ground.alpha));
    assert_eq!(ground.gateway.upstream.count(), 1);
}

#[tokio::test]
async fn h_29_a_header_list_without_end_is_not_collected() {
    let mut ground = Ground::start().await;
    let (key, address) = (format!("Bearer {}", ground.alpha), ground.gateway.address);
    let authority = address.to_string();
    let mut wire = connect(address).await;
    let head = block(&fields(&key, &authority, &[]));
    wire.send(&frame(HEADERS, END_STREAM, 1, &head)).await;
    let value = "y".repeat(8_000);
    let more = frame(CONTINUATION, 0, 1, &block(&[("x-flood", value.as_str())]));
    for _ in 0..132 {
        wire.send(&more).await;
    }
    goes_away(&mut wire).await;
    let good = ground.good();
    ground.answered(&good, 200).await;
    ground.allow_good(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_30_authority_and_host_must_agree() {
    let mut ground =
        Ground::with(|setup| setup.more = "public_url: https://gw.test\n".into()).await;
    let (key, address) = (format!("Bearer {}", ground.alpha), ground.gateway.address);
    let good = ground.good();
    let body = good.split_once("\r\n\r\n").unwrap().1;
    // 400 stands in the static table; 421 does not.
    for (authority, host, status) in [
        ("gw.test", "evil.test", Some(0x8c)),
        ("evil.test", "gw.test", Some(0x8c)),
        ("evil.test", "evil.test", None),
        ("gw.test", "gw.test", Some(0x88)),
    ] {
        let mut wire = connect(address).await;
        let head = block(&fields(&key, authority, &[("host", host)]));
        wire.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
        wire.send(&frame(DATA, END_STREAM, 1, body.as_bytes()))
            .await;
        let (head, text) = answer(&mut wire, 1).await;
        match status {
            Some(status) => assert_eq!(head[0], status, "{authority} {host}: {text}"),
            None => assert!(text.contains("42100"), "{text}"),
        }
        ground.hear_bytes(text.as_bytes());
        ground.unanswered(1);
    }
    ground.allow_good(1);
    ground.prove().await;
}
