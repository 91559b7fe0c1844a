//! More than there is room for: what is refused is refused at once and told when to come back, what
//! was accepted is answered, and probes hear an answer all the while.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;
use wicketgate::{clock::ManualClock, telemetry::pressure::Level};

use crate::support::{
    client::Client,
    database::NOON,
    gateway::TestGateway,
    protocol,
    upstream::Behaviour,
    wire::{Answer, Wire, once},
};

const NOW: &str = "2026-07-28";
/// What a refusal must be told within on a busy machine. It waits for nothing.
const SOON: Duration = Duration::from_secs(5);

async fn get(address: SocketAddr, path: &str) -> Answer {
    let text = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    once(address, &text).await.expect("an answer")
}

fn call(client: &Client) -> String {
    let params = json!({ "name": "search", "arguments": { "q": "a" } });
    client.request(&client.message(&json!(1), "tools/call", params))
}

async fn sent(client: &Client) -> Wire {
    let mut wire = Wire::connect(client.address).await;
    wire.send(call(client).as_bytes()).await;
    wire
}

#[track_caller]
fn overloaded(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    protocol::error(NOW, 50300, &answer.json());
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    assert!(answer.body.contains("Retry-After"), "{}", answer.body);
}

fn metric(text: &str, name: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_times_too_many_callers_are_answered_or_told_at_once() {
    const PLACES: usize = 14;
    let mut gateway = TestGateway::with(|setup| {
        // Two of the sixteen are not for calls.
        setup.limits += "  max_in_flight: 16\n";
        setup.rest += "      max_concurrent: 64\n";
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let stranger = Client::modern(gateway.address, "wgl_nobody");
    let gate = Arc::new(Notify::new());
    gateway.upstream.behave(Behaviour::Held(Arc::clone(&gate)));
    let mut accepted = Vec::new();
    for _ in 0..PLACES {
        accepted.push(sent(&client).await);
    }
    while gateway.upstream.count() < PLACES {
        gateway.upstream.arrival().await;
    }
    // None of the accepted ones can end before all of these were refused.
    let mut refused = 0;
    for n in 0..4 * PLACES {
        // Whoever asks: before the credential is looked at.
        let asks = if n % 4 == 0 { &stranger } else { &client };
        let answer = tokio::time::timeout(SOON, async { sent(asks).await.answer().await });
        overloaded(&answer.await.expect("without waiting").expect("an answer"));
        refused += 1;
        if n % 8 == 0 {
            for path in ["/livez", "/readyz", "/metrics"] {
                let answer = get(gateway.admin, path).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
            // Whoever must sign in again still can.
            let found = get(gateway.address, "/.well-known/oauth-protected-resource/mcp");
            assert_eq!(found.await.status, 200);
        }
    }
    // A body that is announced and never sent is not waited for.
    let mut wire = Wire::connect(gateway.address).await;
    let whole = call(&client);
    wire.send(&whole.as_bytes()[..whole.len() - 40]).await;
    overloaded(&wire.answer().await.expect("an answer"));

    let shown = get(gateway.admin, "/metrics").await.body;
    let places = i64::try_from(PLACES).unwrap();
    assert_eq!(metric(&shown, "wicketgate_calls_in_flight "), places);
    gate.notify_waiters();
    for wire in &mut accepted {
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(gateway.upstream.count(), PLACES, "nothing else went out");
    gateway.upstream.behave(Behaviour::Json("{}".into()));
    for _ in 0..2 * PLACES {
        let answer = client.call("search", json!({ "q": "a" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let shown = get(gateway.admin, "/metrics").await.body;
    assert_eq!(metric(&shown, "wicketgate_calls_in_flight "), 0);
    println!("{PLACES} accepted and answered, {refused} refused meanwhile");
    let lines = gateway.stop().await;
    let counted = lines.iter().filter(|l| l["error"] == "too_many_in_flight");
    assert_eq!(counted.count(), refused + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_credential_do_not_keep_calls_out() {
    let mut gateway = TestGateway::with(|setup| setup.limits += "  max_in_flight: 32\n").await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    // Four places for them, two of which one address may hold: with bodies that never end.
    let front = format!(
        "POST /token HTTP/1.1\r\nHost: {}\r\nContent-Length: 400\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=",
        gateway.address
    );
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::connect(gateway.address).await;
        wire.send(front.as_bytes()).await;
        slow.push(wire);
    }
    let document = "/.well-known/oauth-protected-resource/mcp";
    let mut tries = 0;
    while get(gateway.address, document).await.status == 200 {
        tries += 1;
        assert!(tries < 200, "the two are never counted");
    }
    overloaded(&get(gateway.address, document).await);
    let text = format!(
        "GET {document} HTTP/1.1\r\nHost: {}\r\n\r\n",
        gateway.address
    );
    let mut other = Wire::connect_from("127.0.0.9".parse().unwrap(), gateway.address).await;
    other.send(text.as_bytes()).await;
    assert_eq!(other.answer().await.unwrap().status, 200, "another address");
    for _ in 0..40 {
        assert_eq!(client.call("search", json!({ "q": "a" })).await.status, 200);
    }
    drop(slow);
    tries = 0;
    while get(gateway.address, document).await.status != 200 {
        tries += 1;
        assert!(tries < 200, "the places come back");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_a_cap_of_their_own() {
    let mut gateway = TestGateway::with(|setup| {
        setup.limits += "  max_streams: 3\n  max_in_flight: 2\n";
    })
    .await;
    let (one, two) = (gateway.issue("pro").await.1, gateway.issue("pro").await.1);
    let (one, two) = (
        Client::modern(gateway.address, &one),
        Client::modern(gateway.address, &two),
    );
    // More of them than requests in flight: an open stream holds no place.
    let held = (one.listen().await, one.listen().await, two.listen().await);
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listen = async |client: &Client| client.rpc("subscriptions/listen", params.clone()).await;
    let refused = listen(&two).await;
    overloaded(&refused);
    assert_eq!(two.call("search", json!({ "q": "a" })).await.status, 200);
    drop(held);
    let mut tries = 0;
    let shown = async || get(gateway.admin, "/metrics").await.body;
    while metric(&shown().await, "wicketgate_subscriptions ") > 0 {
        tries += 1;
        assert!(tries < 500, "the places come back");
    }
    two.listen().await;
    let lines = gateway.stop().await;
    assert_eq!(lines.iter().filter(|l| l["error"] == "streams").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_memory_refuses_calls_and_then_connections_wait() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let pressure = gateway.running().gateway().metrics.pressure.clone();
    let mut open = Wire::connect(gateway.address).await;
    let mut again = async || {
        open.send(call(&client).as_bytes()).await;
        open.answer().await.expect("an answer")
    };
    assert_eq!(again().await.status, 200);

    pressure.set(Level::Short);
    overloaded(&again().await);
    let ready = get(gateway.admin, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "short of memory", "{}", ready.body);
    assert_eq!(get(gateway.admin, "/livez").await.status, 200);
    let found = get(gateway.address, "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(found.await.status, 200, "sign-in goes on");

    pressure.set(Level::Critical);
    // One connection may have been waited for before.
    let mut first = sent(&client).await;
    let mut waiting = sent(&client).await;
    assert_eq!(
        waiting.until_closed(Duration::from_millis(300)).await,
        None,
        "it is not accepted"
    );
    assert_eq!(get(gateway.admin, "/livez").await.status, 200);
    overloaded(&again().await);

    pressure.set(Level::Calm);
    // Whether it was let in before or after.
    assert!(matches!(first.answer().await.unwrap().status, 200 | 503));
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(again().await.status, 200);
    assert_eq!(get(gateway.admin, "/readyz").await.status, 200);
    gateway.stop().await;
}

/// Sends this many times on one connection; how often each status came, and the last refusal.
async fn flood(client: &Client, text: &str, times: usize) -> (usize, usize, Option<Answer>) {
    let mut wire = Wire::connect(client.address).await;
    let (mut served, mut limited, mut last) = (0, 0, None);
    for _ in 0..times {
        wire.send(text.as_bytes()).await;
        let Some(answer) = wire.answer().await else {
            wire = Wire::connect(client.address).await;
            continue;
        };
        if answer.status == 429 {
            limited += 1;
            last = Some(answer);
        } else {
            served += 1;
        }
        if last
            .as_ref()
            .is_some_and(|a| a.header("connection") == Some("close"))
        {
            wire = Wire::connect(client.address).await;
        }
    }
    (served, limited, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn q_10_and_q_11_what_is_no_call_has_a_budget_of_its_own() {
    const BUDGET: usize = 600;
    let clock = Arc::new(ManualClock::new(NOON));
    let shared = Arc::clone(&clock);
    let mut gateway = TestGateway::with(|setup| {
        setup.clock = shared;
        setup.limits = "  session: 5/min\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_day: 7 }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let legacy = Client::legacy(gateway.address, &key);
    let bearer = format!("Bearer {key}");
    let post = |body: &str| {
        let headers = [
            ("Authorization", bearer.clone()),
            ("MCP-Protocol-Version", "2025-11-25".to_owned()),
        ];
        crate::support::client::post(gateway.address, &headers, body)
    };
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/progress" }).to_string();
    let ping = legacy.message(&json!(1), "ping", json!({})).to_string();
    let unknown = legacy.message(&json!(1), "no/such", json!({})).to_string();
    let oversized = post("{}").replacen("Content-Length: 2", "Content-Length: 9000000", 1);
    let kinds: [(&str, String); 6] = [
        ("not JSON", post("{")),
        ("no message", post("7")),
        ("unknown method", post(&unknown)),
        ("notification", post(&notification)),
        ("ping", post(&ping)),
        ("oversized", oversized),
    ];
    for (kind, text) in &kinds {
        let times = if *kind == "oversized" { 5 } else { BUDGET + 40 };
        if *kind == "oversized" {
            // The body is not sent, so each needs a connection of its own.
            assert_eq!(flood(&legacy, &kinds[0].1, BUDGET).await.0, BUDGET);
            for _ in 0..times {
                let refused = once(gateway.address, text).await.expect("an answer");
                assert_eq!(refused.status, 429, "{}", refused.body);
            }
            clock.advance(Duration::from_mins(1));
            continue;
        }
        let (served, limited, last) = flood(&legacy, text, times).await;
        println!("{kind}: {served} answered, {limited} limited");
        assert_eq!((served, limited), (BUDGET, 40), "{kind}");
        let last = last.unwrap();
        assert_eq!(last.json()["error"]["data"]["tier"], "messages");
        let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
        assert_eq!(wait, 1, "Q-12: ten a second");
        // Starting anew is always answered, and calls have budgets of their own.
        assert_eq!(legacy.rpc("initialize", json!({})).await.status, 200);
        clock.advance(Duration::from_secs(wait));
        assert_eq!(flood(&legacy, text, 20).await.0, 10, "as many as were told");
        clock.advance(Duration::from_mins(1));
    }
    // Nothing of it was charged: the session's five calls of this minute, two more in the next.
    let mut answered = 0;
    for _ in 0..2 {
        for _ in 0..5 {
            let answer = legacy.call("search", json!({ "q": "a" })).await;
            answered += usize::from(answer.status == 200);
        }
        clock.advance(Duration::from_mins(1));
    }
    assert_eq!((answered, gateway.upstream.count()), (7, 7));
    // Calls that do not fit cost the session, and nothing else.
    let mut statuses: Vec<Value> = Vec::new();
    for _ in 0..8 {
        let answer = legacy.call("search", json!({ "nothing": 1 })).await;
        statuses.push(answer.status.into());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3);
    let lines = gateway.stop().await;
    let limited = lines.iter().filter(|l| l["tier"] == "messages");
    assert!(limited.clone().all(|line| line["outcome"] == "limited"));
    println!("{} messages limited in all", limited.count());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_12_every_wait_is_a_whole_number_and_true_to_the_second() {
    let clock = Arc::new(ManualClock::new(NOON));
    for (limits, plan, tier) in [
        ("7/min", "{ tools: [\"*\"] }", "session"),
        (
            "1000/min",
            "{ tools: [\"*\"], per_minute: 11 }",
            "license_minute",
        ),
        ("1000/min", "{ tools: [\"*\"], per_day: 3 }", "license_day"),
    ] {
        let shared = Arc::clone(&clock);
        let mut gateway = TestGateway::with(|setup| {
            setup.clock = shared;
            setup.limits = format!("  session: {limits}\n");
            setup.plans = format!("  pro: {plan}\n");
        })
        .await;
        let (_, key) = gateway.issue("pro").await;
        let client = Client::modern(gateway.address, &key);
        let ask = async || client.call("search", json!({ "q": "a" })).await;
        // Off the round second, and off the minute.
        clock.advance(Duration::from_millis(12_345));
        let mut waits = Vec::new();
        for _ in 0..3 {
            let refused = loop {
                let answer = ask().await;
                if answer.status != 200 {
                    break answer;
                }
            };
            assert_eq!(refused.status, 429, "{}", refused.body);
            let data = &refused.json()["error"]["data"];
            assert_eq!(data["tier"], tier);
            let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            let millis = data["retryAfterMs"].as_u64().unwrap();
            assert!(wait >= 1 && wait == millis.div_ceil(1_000), "{data} {wait}");
            // A millisecond before it is refused, at the time told it is not.
            clock.advance(Duration::from_millis(millis - 1));
            assert_eq!(ask().await.status, 429, "{tier}: too early by {wait}");
            clock.advance(Duration::from_millis(2));
            assert_eq!(ask().await.status, 200, "{tier}: {wait}");
            waits.push(wait);
        }
        println!("{tier}: waits of {waits:?} seconds were true");
        gateway.stop().await;
    }
}
