//! Several gateways over one store: who is there, reloads of all of them, and how soon a change at
//! one is known to the others.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use wicketgate::{
    clock::{Clock as _, ManualClock, SystemClock},
    ids::ReplicaId,
    license::LicenseStatus,
    secret::SecretString,
    store::{Heard, LIVING, ReplicaRecord},
};

use crate::support::{
    client::Client,
    database::{Fixture, NOON, on_both},
    gateway::TestGateway,
    protocol, wire,
};

on_both! {
    replicas_come_beat_and_go
    a_reload_is_asked_for_with_a_number_and_an_audit_entry
    two_gateways_know_of_each_other
}

fn record(fixture: &Fixture, seen: wicketgate::clock::Timestamp) -> ReplicaRecord {
    ReplicaRecord {
        id: ReplicaId::generate(seen, &*fixture.entropy),
        started: NOON,
        seen,
        version: "1.2.3".into(),
        config: "ab".repeat(32),
        reloaded: 0,
        fault: None,
    }
}

async fn replicas_come_beat_and_go(fixture: &Fixture) {
    let store = &fixture.store;
    let mut first = record(fixture, NOON);
    assert_eq!(store.heartbeat(&first).await, Ok(1));
    let second = record(fixture, NOON.plus(LIVING));
    assert_eq!(store.heartbeat(&second).await, Ok(2));
    let third = record(fixture, NOON.plus(LIVING + Duration::from_millis(1)));
    assert_eq!(store.heartbeat(&third).await, Ok(2), "the first is silent");
    first.seen = third.seen;
    first.fault = Some("wicketgate.yaml:3: plans".into());
    first.reloaded = 7;
    assert_eq!(store.heartbeat(&first).await, Ok(3), "and is back");
    let mut all = store.replicas().await.unwrap();
    all.sort_by_key(|it| it.id);
    let mut known = vec![first.clone(), second.clone(), third.clone()];
    known.sort_by_key(|it| it.id);
    assert_eq!(all, known);

    store.remove_replica(third.id).await.unwrap();
    assert_eq!(store.heartbeat(&first).await, Ok(2));
    let day = Duration::from_hours(24);
    assert_eq!(store.prune_replicas(second.seen.plus(day)).await, Ok(0));
    let later = first.seen.plus(day);
    assert_eq!(store.prune_replicas(later).await, Ok(1));
    assert_eq!(store.replicas().await.unwrap(), [first]);
}

async fn a_reload_is_asked_for_with_a_number_and_an_audit_entry(fixture: &Fixture) {
    let store = &fixture.store;
    let before = store.epochs().await.unwrap();
    let mut ear = store.listen().await.unwrap();
    assert_eq!(
        ear.is_some(),
        fixture.url().is_some(),
        "only PostgreSQL tells"
    );
    let stamp = fixture.stamp();
    assert_eq!(store.ask_for_reload(&stamp).await, Ok(before.reloads + 1));
    let after = store.epochs().await.unwrap();
    assert_eq!(after.reloads, before.reloads + 1);
    assert_eq!(after.value, before.value + 1, "it is a change like others");
    let entry = store.audit_tail(1).await.unwrap().remove(0);
    assert_eq!(
        (entry.id, entry.action.as_str()),
        (stamp.id, "config.reload")
    );
    assert_eq!(entry.detail, json!({ "number": after.reloads }));
    if let Some(ear) = &mut ear {
        assert_eq!(ear.next().await, Ok(Heard::Change(after)));
    }
    if let Some(ear) = ear {
        ear.close().await;
    }
}

async fn on(fixture: &Fixture, key: Option<&str>) -> TestGateway {
    let key = key.map(str::to_owned);
    TestGateway::with(|setup| {
        setup.target = fixture.target();
        if let Some(key) = key {
            setup.master_key = SecretString::new(key);
        }
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
    })
    .await
}

/// Two gateways over one store.
async fn pair(fixture: &Fixture) -> (TestGateway, TestGateway) {
    let first = on(fixture, None).await;
    let second = on(fixture, Some(first.master_key())).await;
    (first, second)
}

async fn two_gateways_know_of_each_other(fixture: &Fixture) {
    let (mut first, mut second) = pair(fixture).await;
    let ids = [&first, &second].map(|it| it.running().gateway().replica());
    let since = Instant::now();
    let rows = loop {
        let mut rows = fixture.store.replicas().await.unwrap();
        rows.retain(|row| ids.contains(&row.id) && row.config.len() == 64);
        if rows.len() == 2 {
            break rows;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{rows:?}");
        sleep(Duration::from_millis(10)).await;
    };
    assert!(rows.iter().all(|row| row.fault.is_none()), "{rows:?}");
    for gateway in [&first, &second] {
        gateway.running().gateway().beat().await;
        assert_eq!(gateway.running().gateway().replicas().known().get(), 2);
        let ready = ask(gateway.admin, "/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.body);
        let ready = ready.json();
        assert_eq!(ready["status"], "ready");
        assert_eq!(ready["components"]["store"]["state"], "ok");
        assert_eq!(ready["components"]["store_writes"]["state"], "ok");
        let metrics = ask(gateway.admin, "/metrics").await.body;
        assert!(metrics.contains("wicketgate_replicas 2"), "{metrics}");
        let state = "wicketgate_component_state{component=\"store\"} 0";
        assert!(metrics.contains(state), "{metrics}");
        assert!(metrics.contains("wicketgate_store_clock_skew_seconds"));
    }
    // Who ends takes its row away.
    second.stop().await;
    first.running().gateway().beat().await;
    assert_eq!(first.running().gateway().replicas().known().get(), 1);
    first.stop().await;
    assert_eq!(fixture.store.replicas().await, Ok(Vec::new()));
}

async fn ask(admin: SocketAddr, path: &str) -> wire::Answer {
    let text = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    wire::once(admin, &text).await.unwrap()
}

/// How long until this client gets this status.
async fn until(client: &Client, status: u16) -> Duration {
    let since = Instant::now();
    while client.rpc("tools/list", json!({})).await.status != status {
        assert!(since.elapsed() < Duration::from_secs(5), "never {status}");
        sleep(Duration::from_millis(1)).await;
    }
    since.elapsed()
}

/// The promise of the product: 99 of 100 within a second, every one within five.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_the_other_replica_within_a_second() {
    const ROUNDS: usize = 200;
    let fixture = Fixture::postgres().await;
    let (mut here, mut there) = pair(&fixture).await;
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (id, key) = here.issue("pro").await;
        let client = Client::modern(there.address, &key);
        until(&client, 200).await;
        let mut stream = (round % 20 == 0).then_some(client.listen().await);
        let (revoked, stamp) = (LicenseStatus::Revoked, here.stamp());
        let decided = here.store.set_license_status(id, revoked, "a test", &stamp);
        decided.await.unwrap();
        took.push(until(&client, 401).await);
        if let Some(stream) = &mut stream {
            let last = stream.event().await.unwrap();
            protocol::result("2026-07-28", "SubscriptionsListenResult", &last);
        }
    }
    took.sort();
    let [half, most, longest] = [ROUNDS / 2, ROUNDS * 99 / 100, ROUNDS - 1].map(|at| took[at]);
    println!("{ROUNDS} revocations: p50 {half:?}, p99 {most:?}, longest {longest:?}");
    assert!(most < Duration::from_secs(1), "p99 {most:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    there.stop().await;
    here.stop().await;
    fixture.remove().await;
}

/// Told, not looked for: with looks twice a second half of the waits would be longer than this.
#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_and_not_only_looked_for() {
    let fixture = Fixture::postgres().await;
    let mut gateway = on(&fixture, None).await;
    let mut changes = gateway.running().gateway().changes();
    let mut fast = 0;
    for _ in 0..20 {
        // Away from the rhythm of the looks.
        sleep(Duration::from_millis(37)).await;
        changes.borrow_and_update();
        let since = Instant::now();
        gateway.issue("pro").await;
        changes.changed().await.unwrap();
        fast += usize::from(since.elapsed() < Duration::from_millis(150));
    }
    println!("{fast} of 20 changes were heard of within 150 ms");
    assert!(fast >= 15, "{fast} of 20");
    gateway.stop().await;
    fixture.remove().await;
}

/// Clocks a minute apart judge nothing together; on one machine there is one clock.
#[tokio::test(flavor = "multi_thread")]
async fn f_08_a_clock_far_from_the_stores_is_not_ready() {
    let fixture = Fixture::postgres().await;
    let clock = Arc::new(ManualClock::new(SystemClock::new().now()));
    let mut gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
    })
    .await;
    let ready = async || {
        gateway.running().gateway().beat().await;
        let answer = ask(gateway.admin, "/readyz").await;
        let state = answer.json()["components"]["clock"]["state"].clone();
        (answer.status, state)
    };
    assert_eq!(ready().await, (200, Value::from("ok")));
    clock.advance(Duration::from_secs(30));
    assert_eq!(ready().await, (200, Value::from("ok")));
    clock.advance(Duration::from_hours(1));
    assert_eq!(ready().await, (503, Value::from("lost")));
    let metrics = ask(gateway.admin, "/metrics").await.body;
    let skew = metrics
        .lines()
        .find_map(|line| line.strip_prefix("wicketgate_store_clock_skew_seconds "))
        .unwrap();
    let skew: f64 = skew.parse().unwrap();
    assert!((-3_640.0..-3_600.0).contains(&skew), "{skew}");
    gateway.stop().await;
    fixture.remove().await;
}
