//! `POST /register` over the wire: who may ask, what comes back, what is refused and how.

use serde_json::{Value, json};

use crate::support::{gateway::Setup, oracle::Ground, wire::Answer};

const GOOD: &str = r#"{"client_name":"A","redirect_uris":["https://a.test/cb"]}"#;

fn post(ground: &Ground, lines: &str, body: &str) -> String {
    let (address, length) = (ground.gateway.address, body.len());
    format!(
        "POST /register HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    )
}

const JSON: &str = "Content-Type: application/json\r\n";

async fn register(ground: &mut Ground, body: &str, status: u16) -> Answer {
    let request = post(ground, JSON, body);
    let answer = ground.answered(request, status).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer
}

#[tokio::test]
async fn o_10_the_same_registration_is_answered_the_same() {
    let mut ground = Ground::start().await;
    let first = register(&mut ground, GOOD, 201).await.json();
    assert_eq!(first["token_endpoint_auth_method"], "none");
    assert!(first["client_id"].as_str().unwrap().starts_with("wgi_"));
    assert!(first.get("client_secret").is_none());
    let again = register(&mut ground, GOOD, 201).await.json();
    assert_eq!(first, again);
    let lines = ground.prove().await;
    assert_eq!(lines[0]["route"], "/register");
    assert_eq!(lines[0]["status"], 201);
}

#[tokio::test]
async fn o_05_o_07_o_08_refusals_speak_the_words_of_the_standard() {
    let mut ground = Ground::start().await;
    let mixed = json!({ "redirect_uris":
        ["cursor://a/cb", "javascript:alert(1)", "http://127.0.0.1:7/cb"] });
    let kept = register(&mut ground, &mixed.to_string(), 201).await.json();
    let expected = json!(["cursor://a/cb", "http://127.0.0.1:7/cb"]);
    assert_eq!(kept["redirect_uris"], expected);
    let uris: Vec<String> = (0..11).map(|n| format!("https://a.test/{n}")).collect();
    let pad = "x".repeat(17 * 1024);
    for (body, word) in [
        (
            json!({ "redirect_uris": ["javascript:alert(1)"] }),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": uris }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": "x" }), "invalid_redirect_uri"),
        (json!({}), "invalid_redirect_uri"),
        (json!([]), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": ["https://a.test/"], "pad": pad }),
            "invalid_client_metadata",
        ),
    ] {
        let answer = register(&mut ground, &body.to_string(), 400).await.json();
        assert_eq!(answer["error"], word, "{body}");
        assert!(answer["error_description"].is_string());
    }
    let twice = r#"{"redirect_uris":["https://a.test/"],"redirect_uris":["https://b.test/"]}"#;
    let answer = register(&mut ground, twice, 400).await.json();
    assert_eq!(answer["error"], "invalid_client_metadata");
    ground.prove().await;
}

#[tokio::test]
async fn a_page_of_any_origin_may_register() {
    let mut ground = Ground::start().await;
    let from = format!("{JSON}Origin: https://any.test\r\n");
    let answer = ground.answered(post(&ground, &from, GOOD), 201).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let asking = post(
        &ground,
        "Origin: https://any.test\r\nAccess-Control-Request-Method: POST\r\n",
        "",
    );
    let preflight = asking.replacen("POST /register", "OPTIONS /register", 1);
    let answer = ground.answered(preflight, 204).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let get = post(&ground, "", "").replacen("POST /register", "GET /register", 1);
    let answer = ground.answered(get, 405).await;
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    let form = post(
        &ground,
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "a=b",
    );
    ground.answered(form, 415).await;
    ground.prove().await;
}

#[tokio::test]
async fn o_09_a_flood_is_limited_and_calls_go_on() {
    let mut ground = Ground::with(|setup: &mut Setup| {
        setup.more = "auth:\n  oauth:\n    registration: { limit: 5/h }\n".into();
    })
    .await;
    let mut limited = 0;
    for number in 0..20 {
        let body =
            json!({ "client_name": format!("n{number}"), "redirect_uris": ["https://a.test/"] });
        let request = post(&ground, JSON, &body.to_string());
        let answer = ground.send(request).await.unwrap();
        if answer.status == 429 {
            let error: Value = answer.json();
            assert_eq!(error["error"], "slow_down");
            assert!(answer.header("retry-after").is_some());
            limited += 1;
        }
    }
    assert_eq!(limited, 15);
    ground.prove().await;
}

#[tokio::test]
async fn without_the_authorization_server_there_is_no_registration() {
    let mut ground = Ground::with(|setup: &mut Setup| {
        setup.more = "auth:\n  oauth: { enabled: false }\n".into();
    })
    .await;
    ground.answered(post(&ground, JSON, GOOD), 404).await;
    ground.prove().await;
}
