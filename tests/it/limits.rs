//! Three tiers of limits as clients meet them, and the order of the policies as it can be seen.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;
use wicketgate::clock::ManualClock;

use crate::support::{
    client::Client,
    database::NOON,
    gateway::{Setup, TestGateway},
    protocol,
    upstream::Behaviour,
    wire::{Answer, Wire},
};

const NOW: &str = "2026-07-28";

async fn gateway(change: impl FnOnce(&mut Setup)) -> (TestGateway, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOON));
    let shared = clock.clone();
    let gateway = TestGateway::with(|setup| {
        setup.clock = shared;
        change(setup);
    })
    .await;
    (gateway, clock)
}

async fn search(client: &Client) -> Answer {
    client.call("search", json!({ "q": "a" })).await
}

/// A 429 with a truthful wait, in whole seconds.
#[track_caller]
fn limited(answer: &Answer, tier: &str) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.body);
    protocol::error(NOW, 42900, &answer.json());
    let data = &answer.json()["error"]["data"];
    assert_eq!(data["tier"], tier);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    let millis = data["retryAfterMs"].as_u64().unwrap();
    assert!(
        millis >= 1 && millis.div_ceil(1_000) == wait,
        "{data} {wait}"
    );
    wait
}

fn text(answer: &Answer) -> String {
    let result = &answer.json()["result"];
    assert_eq!(result["isError"], true, "{}", answer.body);
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn q_12_the_session_tier_names_itself_and_the_wait_is_true() {
    let (mut gateway, clock) = gateway(|setup| setup.limits = "  session: 3/min\n".into()).await;
    let (_, key) = gateway.issue("pro").await;
    for client in [
        Client::modern(gateway.address, &key),
        Client::legacy(gateway.address, &key),
    ] {
        for _ in 0..3 {
            assert_eq!(search(&client).await.status, 200);
        }
        let wait = limited(&search(&client).await, "session");
        assert_eq!(wait, 20);
        clock.advance(Duration::from_secs(wait - 1));
        limited(&search(&client).await, "session");
        clock.advance(Duration::from_secs(1));
        assert_eq!(search(&client).await.status, 200);
        limited(&search(&client).await, "session");
        clock.advance(Duration::from_mins(1));
    }
    let lines = gateway.stop().await;
    let limited: Vec<_> = lines.iter().filter(|l| l["outcome"] == "limited").collect();
    assert_eq!(limited.len(), 6);
    assert!(
        limited
            .iter()
            .all(|line| line["tier"] == "session" && line["error"] == "limited")
    );
}

#[tokio::test]
async fn ping_initialize_discover_and_lists_go_on_when_the_session_is_spent() {
    let (gateway, _) = gateway(|setup| setup.limits = "  session: 1/min\n".into()).await;
    let (_, key) = gateway.issue("pro").await;
    let modern = Client::modern(gateway.address, &key);
    let legacy = Client::legacy(gateway.address, &key);
    search(&modern).await;
    for client in [&modern, &legacy] {
        limited(&search(client).await, "session");
    }
    for _ in 0..20 {
        assert_eq!(modern.rpc("server/discover", json!({})).await.status, 200);
        assert_eq!(legacy.rpc("initialize", json!({})).await.status, 200);
        assert_eq!(legacy.rpc("ping", json!({})).await.status, 200);
    }
    // Lists have a budget of their own, ten times as large, and then it is spent too.
    for _ in 0..10 {
        assert_eq!(modern.rpc("tools/list", json!({})).await.status, 200);
    }
    limited(&modern.rpc("tools/list", json!({})).await, "list");
    assert_eq!(modern.rpc("server/discover", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_limit_may_answer_as_a_tool_error_by_era() {
    let (gateway, _) = gateway(|setup| {
        setup.limits = "  session: 1/min\n  legacy_answer: tool_error\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let modern = Client::modern(gateway.address, &key);
    let legacy = Client::legacy(gateway.address, &key);
    search(&modern).await;
    limited(&search(&modern).await, "session");
    let answer = search(&legacy).await;
    assert_eq!(answer.status, 200);
    protocol::result("2025-11-25", "CallToolResult", &answer.json());
    assert!(text(&answer).contains("Wait 60 seconds"), "{}", answer.body);
    assert_eq!(answer.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn q_02_a_new_session_does_not_renew_the_license() {
    let (gateway, clock) = gateway(|setup| {
        setup.limits = "  session: 2/min\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_minute: 3 }\n".into();
    })
    .await;
    let (id, key) = gateway.issue("pro").await;
    let (record, second) = gateway.new_key();
    gateway
        .store
        .add_key(id, &record, None, &gateway.stamp())
        .await
        .unwrap();
    let first = Client::modern(gateway.address, &key);
    let second = Client::modern(gateway.address, &second);
    for _ in 0..2 {
        assert_eq!(search(&first).await.status, 200);
    }
    limited(&search(&first).await, "session");
    assert_eq!(search(&second).await.status, 200, "a session of its own");
    let wait = limited(&search(&second).await, "license_minute");
    assert_eq!(wait, 20);
    clock.advance(Duration::from_secs(30));
    // The refused call had cost the second session one of its two.
    assert_eq!(search(&first).await.status, 200);
}

#[tokio::test]
async fn a_day_ends_at_midnight_utc() {
    let (mut gateway, clock) = gateway(|setup| {
        setup.plans = "  pro: { tools: [\"*\"], per_day: 2 }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    // What is refused before the day costs the day nothing.
    for _ in 0..5 {
        assert!(text(&client.call("search", json!({})).await).contains("/q"));
        assert_eq!(client.call("no_such", json!({})).await.status, 400);
    }
    for _ in 0..2 {
        assert_eq!(search(&client).await.status, 200);
    }
    let wait = limited(&search(&client).await, "license_day");
    assert_eq!(wait, 12 * 3_600, "it is noon");
    clock.advance(Duration::from_secs(wait - 2));
    let wait = limited(&search(&client).await, "license_day");
    assert!((1..=2).contains(&wait), "{wait}");
    clock.advance(Duration::from_secs(wait));
    assert_eq!(search(&client).await.status, 200);
    assert_eq!(gateway.upstream.count(), 3);
    let lines = gateway.stop().await;
    let days = lines.iter().filter(|line| line["tier"] == "license_day");
    assert_eq!(days.count(), 2);
}

#[tokio::test]
async fn the_order_of_the_policies_can_be_seen() {
    let (gateway, _) = gateway(|setup| {
        setup.limits = "  session: 4/min\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_minute: 1, per_day: 1 }\n  \
             small: { tools: [\"up.search\"], per_minute: 1, per_day: 1 }\n"
            .into();
    })
    .await;
    let (_, key) = gateway.issue("small").await;
    let client = Client::modern(gateway.address, &key);
    let wrong = json!({ "nonsense": 1 });
    // Unknown or not entitled, with wrong arguments: no word about the schema.
    let unknown = client.call("no_such", wrong.clone()).await;
    let hidden = client.call("note", wrong.clone()).await;
    assert_eq!((unknown.status, &unknown.body), (400, &hidden.body));
    assert!(!hidden.body.contains("nonsense"));
    // Wrong arguments cost neither minute nor day ...
    assert!(text(&client.call("search", wrong.clone()).await).contains("/q"));
    assert_eq!(search(&client).await.status, 200);
    // ... but all four cost the session, which is asked first of all.
    limited(&client.call("search", wrong).await, "session");
    limited(&client.call("no_such", json!({})).await, "session");
    assert_eq!(gateway.upstream.count(), 1);

    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    assert_eq!(search(&client).await.status, 200);
    assert!(
        text(&client.call("search", json!({})).await).contains("/q"),
        "before the minute"
    );
    limited(&search(&client).await, "license_minute");
}

#[tokio::test]
async fn the_upstreams_rate_answers_as_a_tool_error() {
    let (mut gateway, clock) = gateway(|setup| {
        setup.rest = "      limit: 1/h\n      max_wait: 1s\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_day: 2 }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    assert_eq!(search(&client).await.status, 200);
    let answer = search(&client).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        text(&answer),
        "The API behind search is busy. Wait 3600 seconds, then call again."
    );
    assert_eq!(answer.header("retry-after"), Some("3600"));
    clock.advance(Duration::from_hours(1));
    // What found no slot was refunded: the day has one left, and then none.
    assert_eq!(search(&client).await.json()["result"]["isError"], false);
    limited(&search(&client).await, "license_day");
    let lines = gateway.stop().await;
    assert_eq!(lines[1]["error"], "upstream_rate");
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["tier"]),
        (&json!("limited"), &json!("upstream"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_queue_is_bounded() {
    let (gateway, _) = gateway(|setup| {
        setup.rest =
            "      limit: 1000/s\n      max_concurrent: 1\n      max_queue: 1\n      max_wait: 20s\n"
                .into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let gate = Arc::new(Notify::new());
    gateway.upstream.behave(Behaviour::Held(Arc::clone(&gate)));
    let params = json!({ "name": "search", "arguments": { "q": "a" } });
    let request = client.request(&client.message(&json!(1), "tools/call", params));
    let mut runs = Wire::connect(gateway.address).await;
    runs.send(request.as_bytes()).await;
    gateway.upstream.arrival().await;
    // Of two more, one waits and the other is told so at once.
    let (mut one, mut two) = (
        Wire::connect(gateway.address).await,
        Wire::connect(gateway.address).await,
    );
    one.send(request.as_bytes()).await;
    two.send(request.as_bytes()).await;
    let (refused, mut waits) = tokio::select! {
        answer = one.answer() => (answer.unwrap(), two),
        answer = two.answer() => (answer.unwrap(), one),
    };
    assert_eq!(
        text(&refused),
        "The API behind search is busy. Wait 1 second, then call again."
    );
    gate.notify_one();
    assert_eq!(runs.answer().await.unwrap().status, 200);
    gateway.upstream.arrival().await;
    gate.notify_one();
    let answer = waits.answer().await.unwrap().json();
    assert_eq!(answer["result"]["isError"], false);
    assert_eq!(gateway.upstream.count(), 2);
}

#[tokio::test]
async fn the_upstreams_own_429_pauses_everybody() {
    let (mut gateway, clock) = gateway(|_| {}).await;
    let (_, key) = gateway.issue("pro").await;
    let (_, other) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let other = Client::legacy(gateway.address, &other);
    let wait = vec![("retry-after", "90".to_owned())];
    gateway
        .upstream
        .behave(Behaviour::Full(429, wait, r#"{"a":"secret"}"#.into()));
    let first = search(&client).await;
    assert_eq!(
        text(&first),
        format!(
            "The API behind search is limiting calls. Wait 90 seconds, then call again. \
             Reference: {}.",
            first.header("x-request-id").unwrap()
        )
    );
    assert_eq!(first.header("retry-after"), Some("90"));
    clock.advance(Duration::from_secs(30));
    let second = search(&other).await;
    assert_eq!(
        text(&second),
        "The API behind search asked for a pause. Wait 60 seconds, then call again."
    );
    assert_eq!(second.header("retry-after"), Some("60"));
    assert_eq!(gateway.upstream.count(), 1);
    gateway.upstream.behave(Behaviour::Json("{}".into()));
    clock.advance(Duration::from_mins(1));
    assert_eq!(search(&other).await.json()["result"]["isError"], false);
    let words: Vec<Value> = gateway
        .stop()
        .await
        .iter()
        .map(|line| line["error"].clone())
        .collect();
    assert_eq!(
        words,
        [
            json!("upstream_limited"),
            json!("upstream_paused"),
            Value::Null
        ]
    );
}
