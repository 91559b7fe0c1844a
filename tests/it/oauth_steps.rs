//! Refused tokens cannot be told apart by what their refusal takes (T-15): the same question to the
//! store, the same bytes. Steps are counted, not time: a clock on a shared machine proves nothing.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use wicketgate::{
    clock::ManualClock, crypto::AccessToken, entropy::OsEntropy, license::LicenseStatus,
};

use crate::support::{
    client::Client,
    database::NOON,
    gateway::TestGateway,
    oauth::{App, Given},
    wire::once,
};

async fn lookups(gateway: &TestGateway) -> u64 {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin);
    let metrics = once(gateway.admin, &request).await.unwrap().body;
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("wicketgate_authentication_lookups_total "));
    line.expect("the metric").parse().unwrap()
}

#[tokio::test]
async fn t_15_every_refused_token_takes_the_same_steps() {
    let clock = Arc::new(ManualClock::new(NOON));
    let gateway = TestGateway::with(|setup| setup.clock = clock.clone()).await;
    let (license, _) = gateway.issue("pro").await;
    let (suspended, _) = gateway.issue("pro").await;
    let (_, expired) = App::connected(&gateway, license).await;
    clock.advance(Duration::from_hours(25));
    let (ended_app, ended) = App::connected(&gateway, license).await;
    assert_eq!(ended_app.revoke(&ended.refresh).await.status, 200);
    let (rotated_app, rotated) = App::connected(&gateway, license).await;
    Given::of(&rotated_app.refresh(&rotated.refresh).await);
    let (_, stopped) = App::connected(&gateway, suspended).await;
    let stamp = gateway.stamp();
    let status = LicenseStatus::Suspended;
    let store = &gateway.store;
    let done = store.set_license_status(suspended, status, "test", &stamp);
    done.await.unwrap();
    clock.advance(Duration::from_mins(11));
    gateway.changed().await;

    let unknown = AccessToken::generate(&OsEntropy).expose().to_owned();
    let mut answers = Vec::new();
    for token in [
        unknown,
        expired.access,
        ended.access,
        rotated.access,
        stopped.access,
    ] {
        let before = lookups(&gateway).await;
        let client = Client::modern(gateway.address, &token);
        let answer = client.rpc("tools/list", json!({})).await;
        assert_eq!(answer.status, 401);
        assert_eq!(lookups(&gateway).await, before + 1);
        let challenge = answer.header("www-authenticate").unwrap().to_owned();
        answers.push((challenge, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}
