//! What ends with a session, and how soon.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use wicketgate::license::LicenseStatus;

use crate::support::{
    client::Client,
    database::{Fixture, on_both},
    gateway::TestGateway,
    oauth::{App, Given, refused},
};

on_both! {
    a_revoked_session_ends_its_streams_and_no_other
    t_11_another_process_ends_sessions_within_a_second
    a_stream_outlives_the_token_that_began_it
}

/// One second is promised; the rest is for a machine that does other things.
const SOON: Duration = Duration::from_millis(1_500);

async fn on(fixture: &Fixture) -> TestGateway {
    TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
    })
    .await
}

async fn status(gateway: &TestGateway, token: &str) -> u16 {
    let client = Client::modern(gateway.address, token);
    client.rpc("tools/list", json!({})).await.status
}

async fn a_revoked_session_ends_its_streams_and_no_other(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    let (_, kept) = App::connected(&gateway, license).await;
    let listen = |token: &str| {
        let client = Client::modern(gateway.address, token);
        async move { client.listen().await }
    };
    let mut stream = listen(&given.access).await;
    let mut other = listen(&kept.access).await;
    assert_eq!(app.revoke(&given.refresh).await.status, 200);
    let last = stream.event().await.unwrap();
    assert_eq!(last["id"], "sub-1");
    assert_eq!(last["result"]["resultType"], "complete");
    assert_eq!(status(&gateway, &given.access).await, 401);
    assert_eq!(status(&gateway, &kept.access).await, 200);
    // The other hears only of what is its own end: that of the license.
    let stamp = gateway.stamp();
    let revoked = LicenseStatus::Revoked;
    let store = &gateway.store;
    let done = store.set_license_status(license, revoked, "test", &stamp);
    done.await.unwrap();
    gateway.changed().await;
    let last = other.event().await.unwrap();
    assert_eq!(last["id"], "sub-1");
    assert_eq!(status(&gateway, &kept.access).await, 401);
}

async fn t_11_another_process_ends_sessions_within_a_second(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let elsewhere = fixture.another().await;
    let (license, _) = gateway.issue("pro").await;
    let (app, given) = App::connected(&gateway, license).await;
    assert_eq!(status(&gateway, &given.access).await, 200);
    let mut stream = Client::modern(gateway.address, &given.access)
        .listen()
        .await;
    let began = Instant::now();
    let stamp = gateway.stamp();
    let ended = elsewhere.end_sessions(Some(license), "operator", &stamp);
    assert_eq!(ended.await.unwrap(), 1);
    while status(&gateway, &given.access).await != 401 {
        assert!(began.elapsed() < SOON, "it is still accepted");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stream.event().await.unwrap()["id"], "sub-1");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    refused(&app.refresh(&given.refresh).await, 400, "invalid_grant");
    elsewhere.close().await;
}

async fn a_stream_outlives_the_token_that_began_it(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let (license, _) = gateway.issue("pro").await;
    let (app, first) = App::connected(&gateway, license).await;
    let mut stream = Client::modern(gateway.address, &first.access)
        .listen()
        .await;
    let second = Given::of(&app.refresh(&first.refresh).await);
    let third = Given::of(&app.refresh(&second.refresh).await);
    // Its own token is gone for good; a change makes it be looked at anew.
    let now = gateway.clock.now();
    let soon = now.plus(Duration::from_mins(11));
    let pruned = gateway.store.prune_sessions(soon, now).await;
    assert!(pruned.unwrap() >= 1);
    gateway.issue("pro").await;
    gateway.changed().await;
    assert_eq!(status(&gateway, &first.access).await, 401);
    assert_eq!(status(&gateway, &third.access).await, 200);
    assert_eq!(app.revoke(&third.access).await.status, 200);
    // The first thing it says after its acknowledgement is its end: it had lived on until now.
    assert_eq!(stream.event().await.unwrap()["id"], "sub-1");
}
