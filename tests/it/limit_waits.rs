//! a wait that is told is a whole number of seconds, at least one, and true: a second earlier
//! the limit still refuses, and when it is over it does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use wicketgate::clock::ManualClock;

use crate::support::{
    client::Client,
    database::NOON,
    gateway::{Setup, TestGateway},
    upstream::Behaviour,
    wire::{Answer, once},
};

struct Waiting {
    gateway: TestGateway,
    clock: Arc<ManualClock>,
    client: Client,
}

impl Waiting {
    async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let shared = Arc::clone(&clock);
        let gateway = TestGateway::with(|setup| {
            setup.clock = shared;
            change(setup);
        })
        .await;
        let (_, key) = gateway.issue("pro").await;
        let client = Client::modern(gateway.address, &key);
        // Off the round second, and off the minute.
        clock.advance(Duration::from_millis(12_345));
        Self {
            gateway,
            clock,
            client,
        }
    }

    async fn search(&self) -> Answer {
        self.client.call("search", json!({ "q": "a" })).await
    }

    /// Asks until it is refused, waits as told, and sees that it is refused no more; thrice.
    async fn truthful(
        mut self,
        what: &str,
        ask: impl AsyncFn(&Self) -> Answer,
        refuses: impl Fn(&Answer) -> bool,
    ) {
        let mut waits = Vec::new();
        for _ in 0..3 {
            let mut tries = 0;
            let told = loop {
                let answer = ask(&self).await;
                if refuses(&answer) {
                    break answer;
                }
                tries += 1;
                assert!(tries < 100, "{what}: it never refuses");
            };
            let told = told.header("retry-after").expect("a wait");
            let wait: u64 = told.parse().expect("a whole number");
            assert!(wait >= 1, "{what}");
            self.clock.advance(Duration::from_secs(wait - 1));
            let early = ask(&self).await;
            assert!(refuses(&early), "{what}: {wait} is too long");
            self.clock.advance(Duration::from_secs(1));
            let then = ask(&self).await;
            assert!(
                !refuses(&then),
                "{what}: {wait} is too short: {}",
                then.body
            );
            waits.push(wait);
        }
        println!("Q-12: {what}: waits of {waits:?} seconds were true");
        self.gateway.stop().await;
    }
}

fn is_429(answer: &Answer) -> bool {
    answer.status == 429
}

fn is_tool_error(answer: &Answer) -> bool {
    answer.json()["result"]["isError"] == true && answer.header("retry-after").is_some()
}

#[tokio::test]
async fn q_12_lists() {
    let waiting = Waiting::with(|setup| setup.limits = "  session: 1/min\n".into()).await;
    let list = async |waiting: &Waiting| waiting.client.rpc("tools/list", json!({})).await;
    waiting.truthful("list", list, is_429).await;
}

#[tokio::test]
async fn q_12_months_and_cost() {
    for (name, plan) in [
        ("license_month", "{ tools: [\"*\"], per_month: 3 }"),
        ("license_cost", "{ tools: [\"*\"], cost_per_day: 3 }"),
    ] {
        let waiting = Waiting::with(|setup| setup.plans = format!("  pro: {plan}\n")).await;
        waiting
            .truthful(name, Waiting::search, |answer| {
                let named = answer.json()["error"]["data"]["tier"] == name;
                assert_eq!(named, is_429(answer), "{}", answer.body);
                named
            })
            .await;
    }
}

#[tokio::test]
async fn q_12_attempts_of_an_address() {
    let waiting = Waiting::with(|setup| setup.limits += "  unauthenticated: 3/min\n").await;
    let wrong = async |waiting: &Waiting| {
        let stranger = Client::modern(waiting.gateway.address, "wgl_nobody");
        stranger.call("search", json!({ "q": "a" })).await
    };
    waiting.truthful("address", wrong, is_429).await;
}

#[tokio::test]
async fn q_12_registrations() {
    let waiting = Waiting::with(|setup| {
        setup.more = "auth:\n  oauth:\n    registration: { limit: 5/h }\n".into();
    })
    .await;
    let number = AtomicU32::new(0);
    let register = async |waiting: &Waiting| {
        let address = waiting.gateway.address;
        // The same one again would be kept once and cost nothing.
        let number = number.fetch_add(1, Ordering::Relaxed);
        let name = format!("n{number}");
        let body = json!({ "client_name": name, "redirect_uris": ["https://a.test/"] }).to_string();
        let text = format!(
            "POST /register HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = once(address, &text).await.unwrap();
        assert!(matches!(answer.status, 201 | 429), "{}", answer.body);
        answer
    };
    waiting.truthful("registration", register, is_429).await;
}

#[tokio::test]
async fn q_12_the_rate_of_an_upstream() {
    let waiting = Waiting::with(|setup| {
        setup.rest = "      limit: 2/min\n      max_wait: 1s\n".into();
    })
    .await;
    // Whoever has at most the longest wait before him waits instead of being refused.
    let ask = async |waiting: &Waiting| {
        let answer = tokio::time::timeout(Duration::from_millis(900), waiting.search()).await;
        answer.unwrap_or(Answer {
            status: 200,
            headers: Vec::new(),
            body: String::new(),
        })
    };
    while !is_tool_error(&ask(&waiting).await) {}
    let refused = ask(&waiting).await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 2, "more than may be waited for");
    waiting.clock.advance(Duration::from_secs(wait - 2));
    assert!(is_tool_error(&ask(&waiting).await), "{wait} is too long");
    waiting.clock.advance(Duration::from_secs(2));
    let then = waiting.search().await;
    assert!(!is_tool_error(&then), "{wait} is too short: {}", then.body);
    println!("Q-12: upstream rate: a wait of {wait} seconds was true");
}

#[tokio::test]
async fn q_12_the_pause_of_an_upstream() {
    let waiting = Waiting::with(|_| {}).await;
    let wait = vec![("retry-after", "90".to_owned())];
    let full = Behaviour::Full(429, wait, "{}".into());
    waiting.gateway.upstream.behave(full);
    assert!(is_tool_error(&waiting.search().await));
    waiting
        .gateway
        .upstream
        .behave(Behaviour::Json("{}".into()));
    waiting.clock.advance(Duration::from_secs(10));
    let refused = waiting.search().await;
    assert_eq!(refused.header("retry-after"), Some("80"));
    waiting.clock.advance(Duration::from_secs(79));
    assert!(is_tool_error(&waiting.search().await), "80 is too long");
    waiting.clock.advance(Duration::from_secs(1));
    let then = waiting.search().await;
    assert!(!is_tool_error(&then), "80 is too short: {}", then.body);
    println!("Q-12: upstream pause: 80 of 90 seconds, true");
}
