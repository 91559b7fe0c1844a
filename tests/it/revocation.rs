//! What an operator decides about a license, and how soon a running gateway obeys.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};
use wicketgate::{
    clock::ManualClock,
    license::LicenseStatus,
    store::{KeyChange, StatusChange},
};

use crate::support::{
    client::Client,
    database::{Fixture, NOON, on_both},
    gateway::TestGateway,
    protocol,
};

on_both! {
    a_change_by_another_process_holds_within_a_second
    a_change_by_this_process_holds_at_the_next_request
    open_streams_of_a_revoked_license_end_with_their_result
    an_expired_license_is_refused_like_an_unknown_key
}

async fn on(fixture: &Fixture) -> TestGateway {
    TestGateway::with(|setup| {
        setup.target = fixture.target();
        // These tests ask with refused keys over and over, and want to hear 401, not 429.
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
    })
    .await
}

async fn status(client: &Client) -> u16 {
    client.rpc("tools/list", json!({})).await.status
}

/// How long until the gateway answers with this status.
async fn until(client: &Client, wanted: u16) -> Duration {
    let start = Instant::now();
    while status(client).await != wanted {
        assert!(start.elapsed() < Duration::from_secs(5), "never {wanted}");
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

/// One second is promised; the rest is for a machine that does other things.
const SOON: Duration = Duration::from_millis(1_500);

async fn a_change_by_another_process_holds_within_a_second(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let other = fixture.another().await;
    let (id, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    assert_eq!(status(&client).await, 200);
    for (decided, answered) in [
        (LicenseStatus::Suspended, 401),
        (LicenseStatus::Active, 200),
        (LicenseStatus::Revoked, 401),
    ] {
        let done = other
            .set_license_status(id, decided, "a test", &gateway.stamp())
            .await
            .unwrap();
        assert!(matches!(done, StatusChange::Changed { .. }));
        let took = until(&client, answered).await;
        assert!(took < SOON, "{decided:?} took {took:?}");
    }

    // A new key that retires the old one at once.
    let (id, old) = gateway.issue("pro").await;
    let old = Client::modern(gateway.address, &old);
    assert_eq!(status(&old).await, 200);
    let (record, new) = gateway.new_key();
    let now = gateway.clock.now();
    let done = other
        .add_key(id, &record, Some(now), &gateway.stamp())
        .await
        .unwrap();
    assert_eq!(
        done,
        KeyChange::Added {
            retiring: 1,
            ended: 0,
        }
    );
    assert_eq!(status(&Client::modern(gateway.address, &new)).await, 200);
    let took = until(&old, 401).await;
    assert!(took < SOON, "the rotation took {took:?}");
    other.close().await;
}

async fn a_change_by_this_process_holds_at_the_next_request(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let (id, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for (decided, answered) in [
        (LicenseStatus::Suspended, 401),
        (LicenseStatus::Active, 200),
        (LicenseStatus::Revoked, 401),
    ] {
        gateway
            .store
            .set_license_status(id, decided, "a test", &gateway.stamp())
            .await
            .unwrap();
        gateway.changed().await;
        assert_eq!(status(&client).await, answered, "{decided:?}");
    }
}

async fn open_streams_of_a_revoked_license_end_with_their_result(fixture: &Fixture) {
    let gateway = on(fixture).await;
    let other = fixture.another().await;
    let (id, key) = gateway.issue("pro").await;
    let (_, kept) = gateway.issue("pro").await;
    let mut kept = Client::modern(gateway.address, &kept).listen().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Client::modern(gateway.address, &key).listen().await);
    }
    other
        .set_license_status(id, LicenseStatus::Revoked, "a test", &gateway.stamp())
        .await
        .unwrap();
    let revoked = Instant::now();
    for stream in &mut streams {
        let last = stream.event().await.unwrap();
        protocol::result("2026-07-28", "SubscriptionsListenResult", &last);
        assert_eq!(last["id"], "sub-1");
    }
    assert!(revoked.elapsed() < SOON, "{:?}", revoked.elapsed());
    // Another license's stream goes on, and still hears of what concerns it.
    gateway.running().gateway().stopping.cancel();
    let last = kept.event().await.unwrap();
    assert_eq!(last["result"]["resultType"], "complete");
    other.close().await;
}

async fn an_expired_license_is_refused_like_an_unknown_key(fixture: &Fixture) {
    let clock = Arc::new(ManualClock::new(NOON));
    let gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
    })
    .await;
    let expires = NOON.plus(Duration::from_mins(1));
    let (_, key) = gateway.issue_until("pro", Some(expires)).await;
    let client = Client::modern(gateway.address, &key);
    let mut stream = client.listen().await;
    clock.advance(Duration::from_secs(59));
    assert_eq!(status(&client).await, 200);
    clock.advance(Duration::from_secs(1));
    let ended = client.rpc("tools/list", json!({})).await;
    let (_, unknown) = gateway.new_key();
    let unknown = Client::modern(gateway.address, &unknown)
        .rpc("tools/list", json!({}))
        .await;
    assert_eq!(ended.status, 401);
    assert_eq!(ended.body, unknown.body);
    let challenge = ended.header("www-authenticate");
    assert_eq!(challenge, unknown.header("www-authenticate"));
    // At the next look its streams end too.
    gateway.issue("pro").await;
    gateway.changed().await;
    let last = stream.event().await.unwrap();
    assert_eq!(last["id"], "sub-1");
}

/// With the store gone nobody new is recognised, nobody known is forgotten at once, and nobody is
/// told that a good key is bad.
async fn gone(gateway: TestGateway, clock: &ManualClock, key: &str, lose: impl AsyncFnOnce()) {
    let client = Client::modern(gateway.address, key);
    let call = async || client.call("search", json!({ "q": "a" })).await;
    // The license just issued is heard of, so that nothing is forgotten in between.
    gateway.changed().await;
    assert_eq!(call().await.status, 200);
    let (_, stranger) = gateway.new_key();
    let stranger = Client::modern(gateway.address, &stranger);
    lose().await;
    assert_eq!(call().await.status, 200, "remembered for a moment");
    clock.advance(Duration::from_millis(5_001));
    for answer in [call().await, stranger.rpc("tools/list", json!({})).await] {
        assert_eq!(answer.status, 503, "{}", answer.body);
        let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        protocol::error("2026-07-28", 50300, &answer.json());
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert_eq!(gateway.upstream.count(), 2);
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOON))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_503_never_401_on_postgres() {
    let (fixture, clock) = (Fixture::postgres().await, manual());
    let gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    gone(gateway, &clock, &key, async || fixture.remove().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_503_never_401_on_sqlite() {
    let clock = manual();
    let gateway = TestGateway::with(|setup| setup.clock = clock.clone()).await;
    let (_, key) = gateway.issue("pro").await;
    let store = gateway.store.clone();
    gone(gateway, &clock, &key, async || store.close().await).await;
}
