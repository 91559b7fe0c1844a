//! M-22, L13, T41: what it means when a client goes away or cancels.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::support::{
    client::{Client, post},
    gateway::TestGateway,
    upstream::Behaviour,
    wire::{Wire, once},
};

/// One call at a time at the upstream, ten a day for the license.
async fn narrow() -> TestGateway {
    TestGateway::with(|setup| {
        setup.rest = "      limit: 10000/s\n      max_concurrent: 1\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_day: 10 }\n".into();
    })
    .await
}

/// Waits for something another task does.
async fn until(what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a call that the upstream holds; returns when it has arrived there.
async fn held(gateway: &TestGateway, client: &Client, id: &Value) -> (Wire, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    gateway.upstream.behave(Behaviour::Held(Arc::clone(&gate)));
    let params = json!({ "name": "search", "arguments": { "q": "a" } });
    let message = client.message(id, "tools/call", params);
    let mut wire = Wire::connect(gateway.address).await;
    wire.send(client.request(&message).as_bytes()).await;
    timeout(Duration::from_secs(10), gateway.upstream.arrival())
        .await
        .expect("the call arrives");
    (wire, gate)
}

fn free(gateway: &TestGateway) {
    gateway
        .upstream
        .behave(Behaviour::Json(r#"{"ok":true}"#.into()));
}

async fn works(client: &Client) {
    let answer = client.call("search", json!({ "q": "b" })).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
}

/// How many of the license's calls today are spent, as the store knows after a clean stop.
async fn spent(key: &str, gateway: &TestGateway) -> u32 {
    let client = Client::modern(gateway.address, key);
    let limit = NonZeroU32::new(11).unwrap();
    for left in 0..limit.get() {
        let answer = client.call("search", json!({ "q": "c" })).await;
        if answer.status == 429 {
            return 10 - left;
        }
    }
    panic!("the day has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_client_that_hangs_up_ends_its_call() {
    let mut gateway = narrow().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let (wire, _gate) = held(&gateway, &client, &json!(1)).await;
    drop(wire);
    until("the upstream call ends", Duration::from_secs(1), || {
        gateway.upstream.dropped() == 1
    })
    .await;
    free(&gateway);
    // The one slot is free again, and the call that had left stays charged.
    works(&client).await;
    assert_eq!(spent(&key, &gateway).await, 2);
    let lines = gateway.stop().await;
    let cancelled: Vec<_> = lines
        .iter()
        .filter(|line| line["outcome"] == "cancelled")
        .collect();
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0]["status"], 499);
    assert_eq!(cancelled[0]["tool"], "search");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_client_that_hangs_up_does_not() {
    let mut gateway = narrow().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::legacy(gateway.address, &key);
    let (wire, gate) = held(&gateway, &client, &json!(1)).await;
    drop(wire);
    // Another request shows that the gateway has noticed nothing that ends the call.
    client.rpc("ping", json!({})).await;
    assert_eq!(gateway.upstream.dropped(), 0);
    free(&gateway);
    gate.notify_one();
    works(&client).await;
    assert_eq!(gateway.upstream.dropped(), 0);
    assert_eq!(spent(&key, &gateway).await, 2);
    let lines = gateway.stop().await;
    let calls: Vec<_> = lines
        .iter()
        .filter(|line| line["rpc_method"] == "tools/call" && line["outcome"] == "ok")
        .collect();
    assert_eq!(calls.len(), 10);
    let gone: Vec<_> = calls.iter().filter(|line| line["status"] == 499).collect();
    assert_eq!(gone.len(), 1, "answered by the upstream, read by nobody");
    assert_eq!(gone[0]["upstream_status"], 200);
}

async fn tell(gateway: &TestGateway, key: &str, version: Option<&str>, params: &Value) {
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    let mut headers = vec![("Authorization", format!("Bearer {key}"))];
    headers.extend(version.map(|version| ("MCP-Protocol-Version", version.to_owned())));
    let text = post(gateway.address, &headers, &told.to_string());
    assert_eq!(once(gateway.address, &text).await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_cancellation_ends_the_callers_own_call_and_no_other() {
    let mut gateway = narrow().await;
    let (_, key) = gateway.issue("pro").await;
    let (_, other) = gateway.issue("pro").await;
    let client = Client::legacy(gateway.address, &key);
    let (mut wire, gate) = held(&gateway, &client, &json!(7)).await;
    let legacy = Some("2025-11-25");
    let modern = json!({ "requestId": 7, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {} } });
    tell(&gateway, &other, legacy, &json!({ "requestId": 7 })).await;
    tell(&gateway, &key, legacy, &json!({ "requestId": "7" })).await;
    tell(&gateway, &key, legacy, &json!({ "requestId": 8 })).await;
    tell(&gateway, &key, legacy, &json!({ "requestId": null })).await;
    tell(&gateway, &key, legacy, &json!({})).await;
    tell(&gateway, &key, Some("2026-07-28"), &modern).await;
    // A modern header without the envelope is no legacy notification either.
    let bare = json!({ "requestId": 7 });
    tell(&gateway, &key, Some("2026-07-28"), &bare).await;
    tell(&gateway, &key, Some("1999-01-01"), &bare).await;
    gate.notify_one();
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    assert_eq!(gateway.upstream.dropped(), 0);

    let (mut wire, _gate) = held(&gateway, &client, &json!(7)).await;
    tell(
        &gateway,
        &key,
        legacy,
        &json!({ "requestId": 7, "reason": "x" }),
    )
    .await;
    until("the upstream call ends", Duration::from_secs(1), || {
        gateway.upstream.dropped() == 1
    })
    .await;
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], 7);
    assert_eq!(answer.json()["error"]["code"], 49900);
    free(&gateway);
    works(&client).await;
    assert_eq!(spent(&key, &gateway).await, 3);
    let lines = gateway.stop().await;
    let cancelled = lines.iter().filter(|line| line["error"] == "cancelled");
    assert_eq!(cancelled.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_two_calls_carry_cancels_neither() {
    let gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::legacy(gateway.address, &key);
    let (mut one, first) = held(&gateway, &client, &json!(1)).await;
    let (mut two, second) = held(&gateway, &client, &json!(1)).await;
    let version = Some("2025-11-25");
    tell(&gateway, &key, version, &json!({ "requestId": 1 })).await;
    first.notify_one();
    second.notify_one();
    for wire in [&mut one, &mut two] {
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.json()["result"]["isError"], false);
    }
    assert_eq!(gateway.upstream.dropped(), 0);
}
