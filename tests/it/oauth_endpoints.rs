//! `/token`, `/revoke` and `/session` as they stand on the wire.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    client::Client,
    gateway::{TestGateway, known_address},
    oauth::{App, CALLBACK, Given, VERIFIER, form, form_request, refused},
    wire::{Answer, once},
};

async fn send(gateway: &TestGateway, request: &str) -> Answer {
    once(gateway.address, request).await.expect("an answer")
}

async fn status(gateway: &TestGateway, token: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    client.rpc("tools/list", json!({})).await.status
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of requests, and what each is told"
)]
async fn what_is_no_token_request_is_refused_in_the_words_of_rfc_6749() {
    let mut gateway = TestGateway::start().await;
    let (license, _) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    let id = app.id.as_str();
    let refresh = given.refresh.as_str();
    // Well formed and never registered. A document that cannot be read is no proof of that: 503.
    let unknown = wicketgate::crypto::ClientId::generate(&wicketgate::entropy::OsEntropy);
    let unknown = unknown.expose();
    for (fields, status, error) in [
        (vec![("client_id", id)], 400, "invalid_request"),
        (
            vec![("grant_type", "password"), ("client_id", id)],
            400,
            "unsupported_grant_type",
        ),
        (
            vec![("grant_type", "refresh_token"), ("client_id", id)],
            400,
            "invalid_request",
        ),
        (
            vec![("grant_type", "authorization_code"), ("client_id", id)],
            400,
            "invalid_request",
        ),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh)],
            400,
            "invalid_request",
        ),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("client_id", unknown),
            ],
            401,
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("client_id", "x"),
            ],
            401,
            "invalid_client",
        ),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("client_id", id),
                ("client_id", id),
            ],
            400,
            "invalid_request",
        ),
    ] {
        let answer = app.post("/token", &fields).await;
        refused(&answer, status, error);
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // Nothing of this cost the client its token.
    let next = Given::of(&app.refresh(refresh).await);
    let body = form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &next.refresh),
    ]);
    let basic = |text: &str| {
        format!(
            "Authorization: Basic {}\r\n",
            BASE64.encode(text.as_bytes())
        )
    };
    let stranger = form_request(
        gateway.address,
        "/token",
        &basic("https%3A%2F%2Fa.test%2F:x"),
        &body,
    );
    let answer = send(&gateway, &stranger).await;
    refused(&answer, 401, "invalid_client");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Basic realm="wicketgate""#)
    );
    let odd = form_request(
        gateway.address,
        "/token",
        "Authorization: Bearer x\r\n",
        &body,
    );
    refused(&send(&gateway, &odd).await, 400, "invalid_request");

    let good = form_request(gateway.address, "/token", "", &body);
    for (request, status) in [
        (good.replacen("POST", "GET", 1), 405),
        (
            good.replacen("application/x-www-form-urlencoded", "text/plain", 1),
            415,
        ),
        (
            good.replacen("application/x-www-form-urlencoded", "application/json", 1),
            415,
        ),
        (
            good.replacen("Content-Type", "Content-Encoding: gzip\r\nContent-Type", 1),
            415,
        ),
        (
            form_request(gateway.address, "/token", "", &"a".repeat((16 << 10) + 1)),
            413,
        ),
        (
            form_request(gateway.address, "/token", "", &"a=b&".repeat(41)),
            400,
        ),
        (good.replacen("/token", "/token?access_token=x", 1), 400),
    ] {
        let answer = send(&gateway, &request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let lines = gateway.stop().await;
    let last: Vec<_> = lines.iter().rev().take(7).rev().collect();
    let mut words: Vec<_> = last
        .iter()
        .map(|line| line["error"].as_str().unwrap())
        .collect();
    // A line may be written just after the answer was read.
    words.sort_unstable();
    assert_eq!(
        words,
        [
            "body_too_large",
            "invalid_request",
            "method_not_allowed",
            "secret_in_url",
            "unsupported_media_type",
            "unsupported_media_type",
            "unsupported_media_type",
        ]
    );
    assert!(last.iter().all(|line| line["route"] == "/token"));
    assert!(!gateway.log_text().contains("wgr_") && !gateway.log_text().contains("wga_"));
}

#[tokio::test]
async fn a_key_becomes_a_short_session() {
    let gateway = TestGateway::with(|setup| {
        setup.public = known_address();
        setup.more = "auth:\n  license_keys: false\n  session_tokens: { lifetime: 10min }\n".into();
        setup.limits += "  unauthenticated: 4/h\n";
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let head = |media: &str, body: &str| {
        form_request(gateway.address, "/session", "", body).replacen(
            "application/x-www-form-urlencoded",
            media,
            1,
        )
    };
    let form = format!("license_key={key}");
    let bearer = |key: &str| {
        let line = format!("Authorization: Bearer {key}\r\n");
        form_request(gateway.address, "/session", &line, "")
    };
    for request in [
        head("application/x-www-form-urlencoded", &form),
        head(
            "application/json",
            &json!({ "license_key": key }).to_string(),
        ),
        bearer(&key),
    ] {
        let answer = send(&gateway, &request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 600);
        assert_eq!(body["scope"], "mcp:tools");
        assert!(body["session_id"].as_str().unwrap().starts_with("ses_"));
        assert_eq!(body.get("refresh_token"), None);
        assert_eq!(
            status(&gateway, body["access_token"].as_str().unwrap()).await,
            200
        );
    }
    refused(
        &send(&gateway, &head("application/json", "{}")).await,
        400,
        "invalid_request",
    );
    refused(
        &send(&gateway, &head("application/json", "{")).await,
        400,
        "invalid_request",
    );
    let missing = head("application/x-www-form-urlencoded", "key=1");
    refused(&send(&gateway, &missing).await, 400, "invalid_request");
    // As the configuration says, a key itself opens nothing; that counts as a failure, too.
    assert_eq!(status(&gateway, &key).await, 401);
    let (_, stranger) = gateway.new_key();
    for wrong in [stranger.as_str(), "wgl_x", "wga_x"] {
        let answer = send(&gateway, &bearer(wrong)).await;
        let body = refused(&answer, 401, "invalid_grant");
        assert_eq!(
            body["error_description"],
            "the license key was not accepted"
        );
    }
    let answer = send(&gateway, &bearer(&stranger)).await;
    refused(&answer, 429, "slow_down");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(send(&gateway, &bearer(&key)).await.status, 200);
}

#[tokio::test]
async fn the_exchanged_sessions_of_a_license_share_its_minute() {
    let gateway = TestGateway::with(|setup| {
        setup.limits = "  session: 2/h\n  unauthenticated: 100000/min\n".into();
    })
    .await;
    let exchange = async |key: &str| {
        let body = format!("license_key={key}");
        send(
            &gateway,
            &form_request(gateway.address, "/session", "", &body),
        )
        .await
    };
    let call = async |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let client = Client::modern(gateway.address, &token);
        let called = client.call("search", json!({ "q": "x" })).await;
        called.json().get("error").is_none() && called.json()["result"]["isError"] != true
    };
    let (_, key) = gateway.issue("pro").await;
    let (first, second) = (exchange(&key).await, exchange(&key).await);
    assert!(call(&first).await && call(&second).await);
    // Neither a further call of either, nor a further session.
    assert!(!call(&first).await && !call(&second).await);
    let answer = exchange(&key).await;
    refused(&answer, 429, "slow_down");
    assert!(answer.header("retry-after").is_some());
    // Nobody else pays for it.
    let (_, other) = gateway.issue("pro").await;
    assert!(call(&exchange(&other).await).await);
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_for_tokens_but_not_for_calls() {
    let gateway = TestGateway::start().await;
    let (license, _) = gateway.issue("pro").await;
    let app = App::registered(&gateway).await;
    let code = app.code(&gateway, license).await;
    let origin = "Origin: https://inspector.test\r\n";
    let preflight = |path: &str| {
        form_request(
            gateway.address,
            path,
            &format!("{origin}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,mcp-protocol-version\r\n"),
            "",
        )
        .replacen("POST", "OPTIONS", 1)
    };
    for path in ["/token", "/revoke"] {
        let answer = send(&gateway, &preflight(path)).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("mcp-protocol-version") && headers.contains("content-type"));
    }
    for path in ["/session", "/mcp", "/nothing"] {
        assert_eq!(send(&gateway, &preflight(path)).await.status, 403, "{path}");
    }
    let body = form(&[
        ("grant_type", "authorization_code"),
        ("client_id", app.id.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ]);
    let request = form_request(gateway.address, "/token", origin, &body);
    let answer = send(&gateway, &request).await;
    Given::of(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let gateway = TestGateway::with(|setup| {
        setup.more =
            "auth:\n  oauth: { enabled: false }\n  session_tokens: { enabled: false }\n".into();
    })
    .await;
    for path in ["/token", "/revoke", "/session"] {
        let request = form_request(gateway.address, path, "", "grant_type=refresh_token");
        assert_eq!(send(&gateway, &request).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_waited_for_and_then_503() {
    let gateway = TestGateway::start().await;
    let (license, key) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    gateway.store.close().await;
    let began = Instant::now();
    let session = form_request(
        gateway.address,
        "/session",
        "",
        &format!("license_key={key}"),
    );
    let (refresh, revoke, session) = tokio::join!(
        app.refresh(&given.refresh),
        app.revoke(&given.access),
        send(&gateway, &session)
    );
    for answer in [refresh, revoke, session] {
        refused(&answer, 503, "temporarily_unavailable");
        let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}
