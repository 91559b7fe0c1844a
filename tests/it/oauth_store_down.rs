//! The database is gone for ten seconds while connected clients go on: nobody is told anything that
//! makes a client throw its registration or its tokens away (F-02, O-32).

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use wicketgate::{secret::SecretString, store::StoreTarget};

use crate::support::{
    client::Client,
    gateway::TestGateway,
    oauth::{App, Given},
    postgres::Private,
    wire::{Answer, once},
};

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(10);
/// No answer of ours takes longer while it is: five seconds of asking, and this machine's share.
const ANSWER: Duration = Duration::from_millis(6_500);
/// How soon after its return everything works again.
const RECOVERY: Duration = Duration::from_secs(4);

async fn call(gateway: &TestGateway, token: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    let answer = client.call("search", json!({ "q": "x" })).await;
    if answer.status == 503 {
        assert!(answer.header("retry-after").is_some());
    }
    answer.status
}

/// Either it worked, or the fault is told as ours.
#[track_caller]
fn is_harmless(what: &str, answer: &Answer, took: Duration) {
    assert!(took < ANSWER, "{what} took {took:?}");
    if answer.status != 503 {
        assert!(answer.status < 400, "{what}: {}", answer.body);
        return;
    }
    assert!(answer.header("retry-after").is_some(), "{what}");
    for word in ["invalid_client", "invalid_grant", "invalid_token"] {
        assert!(!answer.body.contains(word), "{what}: {}", answer.body);
    }
}

async fn get(gateway: &TestGateway, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address);
    once(gateway.address, &request).await.unwrap()
}

async fn register(gateway: &TestGateway) -> Answer {
    let body = r#"{"redirect_uris":["http://localhost/other"]}"#;
    let request = format!(
        "POST /register HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        gateway.address,
        body.len()
    );
    once(gateway.address, &request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f_02_o_32_a_lost_database_costs_no_client_its_connection() {
    let mut database = Private::start();
    let url = database.url();
    let gateway = TestGateway::with(|setup| {
        setup.public = crate::support::gateway::known_address();
        setup.target = StoreTarget::Postgres {
            url: SecretString::new(url),
            max_connections: 6,
        };
    })
    .await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let (idle, unused) = App::connected(&gateway, license).await;
    assert_eq!(call(&gateway, &first.access).await, 200);

    database.order("stop");
    let began = Instant::now();
    let mut unavailable = 0;
    while began.elapsed() < AWAY {
        let status = call(&gateway, &first.access).await;
        assert!(matches!(status, 200 | 503), "{status}");
        let since = Instant::now();
        let (renewed, revoked, registered, page) = tokio::join!(
            app.refresh(&first.refresh),
            idle.revoke("wga_nothing"),
            register(&gateway),
            get(&gateway, "/account"),
        );
        let took = since.elapsed();
        is_harmless("refresh", &renewed, took);
        assert_eq!(renewed.status, 503, "{}", renewed.body);
        assert_eq!(renewed.json()["error"], "temporarily_unavailable");
        is_harmless("revoke", &revoked, took);
        is_harmless("register", &registered, took);
        is_harmless("page", &page, took);
        for path in [
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-authorization-server",
        ] {
            assert_eq!(get(&gateway, path).await.status, 200);
        }
        unavailable += 1;
    }
    assert!(unavailable > 0);

    database.order("start");
    let back = Instant::now();
    while call(&gateway, &first.access).await != 200 {
        assert!(back.elapsed() < RECOVERY, "still down");
        sleep(Duration::from_millis(50)).await;
    }
    // The same tokens, the same registrations.
    let second = Given::of(&app.refresh(&first.refresh).await);
    assert_eq!(call(&gateway, &second.access).await, 200);
    assert_eq!(call(&gateway, &unused.access).await, 200);
    let other = Given::of(&idle.refresh(&unused.refresh).await);
    assert_eq!(call(&gateway, &other.access).await, 200);
}
