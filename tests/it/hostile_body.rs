//! Group H, bodies: how large, in which form, and what the client takes back.

use crate::support::{oracle::Ground, wire::Wire};

/// The documented default of `limits.max_request_bytes`.
const CAP: usize = 256 << 10;

/// The good request with other content headers and body.
fn with_content(ground: &Ground, lines: &str, body: &str) -> String {
    let good = ground.good();
    let (head, _) = good.split_once("\r\n\r\n").unwrap();
    let head: String = head
        .lines()
        .filter(|line| !line.starts_with("Content-") && !line.starts_with("Accept"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    format!("{head}{lines}\r\n{body}")
}

fn good_body(ground: &Ground) -> String {
    ground.good().split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn h_21_the_body_cap_holds_with_and_without_a_length() {
    let mut ground = Ground::start().await;
    let padded = |size: usize| {
        let body = good_body(&ground);
        format!("{}{body}", " ".repeat(size - body.len()))
    };
    let (most, more) = (padded(CAP), padded(CAP + 1));
    let json = "Content-Type: application/json\r\n";
    let sized = |body: &str| format!("{json}Content-Length: {}\r\n", body.len());
    let request = with_content(&ground, &sized(&most), &most);
    ground.answered(&request, 200).await;
    // Told by the length alone; the body is not waited for.
    let request = with_content(&ground, &sized(&more), "");
    ground.answered(&request, 413).await;

    let chunks = |body: &str| {
        let (first, second) = body.split_at(body.len() / 2);
        format!(
            "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n",
            first.len(),
            second.len()
        )
    };
    let lines = format!("{json}Transfer-Encoding: chunked\r\n");
    let request = with_content(&ground, &lines, &format!("{}0\r\n\r\n", chunks(&most)));
    ground.answered(&request, 200).await;
    // Stopped at the cap: the last chunk never comes.
    let request = with_content(&ground, &lines, &chunks(&more));
    ground.answered(&request, 413).await;
    ground.allow_good(2);
    ground.prove().await;
}

#[tokio::test]
async fn h_21_a_body_that_ends_too_early_calls_nothing() {
    let mut ground = Ground::start().await;
    let good = ground.good();
    let mut wire = Wire::connect(ground.gateway.address).await;
    wire.send(&good.as_bytes()[..good.len() - 1]).await;
    drop(wire);
    ground.unanswered(1);
    ground.prove().await;
}

#[tokio::test]
async fn h_23_compressed_bodies_are_refused_and_never_decoded() {
    let mut ground = Ground::start().await;
    let body = good_body(&ground);
    for coding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "gzip, identity",
        "GZIP",
        "x",
    ] {
        let lines = format!(
            "Content-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n",
            body.len()
        );
        let request = with_content(&ground, &lines, &body);
        ground.answered(&request, 415).await;
    }
    let lines = format!(
        "Content-Type: application/json\r\nContent-Encoding: identity\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = with_content(&ground, &lines, &body);
    ground.answered(&request, 415).await;
    ground.prove().await;
}

#[tokio::test]
async fn h_24_only_json_in_utf_8_is_read() {
    let mut ground = Ground::start().await;
    let body = good_body(&ground);
    let length = format!("Content-Length: {}\r\n", body.len());
    for (lines, status) in [
        ("Content-Type: application/json\r\n", 200),
        ("Content-Type: Application/JSON; Charset=UTF-8\r\n", 200),
        ("Content-Type: application/json;charset=\"utf-8\"\r\n", 200),
        ("", 415),
        ("Content-Type: \r\n", 415),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: text/plain;application/json\r\n", 415),
        ("Content-Type: application/jsonx\r\n", 415),
        ("Content-Type: application/json; charset=utf-16\r\n", 415),
        ("Content-Type: application/json, text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: multipart/form-data; boundary=x\r\n", 415),
        (
            "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
            415,
        ),
        (
            "Content-Type: text/plain\r\nContent-Type: application/json\r\n",
            415,
        ),
    ] {
        let request = with_content(&ground, &format!("{lines}{length}"), &body);
        ground.answered(&request, status).await;
    }
    ground.allow_good(3);
    ground.prove().await;
}

#[tokio::test]
async fn h_25_a_client_must_take_json_or_events() {
    let mut ground = Ground::start().await;
    let body = good_body(&ground);
    let content = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (lines, status) in [
        ("", 200),
        ("Accept: */*\r\n", 200),
        ("Accept: application/json;q=0.5, text/html\r\n", 200),
        ("Accept: text/html\r\nAccept: text/event-stream\r\n", 200),
        ("Accept: text/html\r\n", 406),
        ("Accept: application/jsonx\r\n", 406),
        ("Accept: \r\n", 406),
    ] {
        let request = with_content(&ground, &format!("{lines}{content}"), &body);
        ground.answered(&request, status).await;
    }
    ground.allow_good(4);
    ground.prove().await;
}
