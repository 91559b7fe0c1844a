//! Two customers at one gateway at the same moment: X-02, X-07 to X-09 and X-11.

use std::{
    backtrace::Backtrace,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::Notify;
use wicketgate::{
    clock::{Clock, SystemClock, Timestamp},
    ids::LicenseId,
    license::LicenseStatus,
    secret::SecretString,
    store::Tenant,
};

use crate::support::{
    client::Client,
    database::{Fixture, on_both},
    gateway::TestGateway,
    upstream::{Behaviour, SECRET},
    wire::{Wire, once},
};

on_both! {
    x_02_a_thousand_answers_of_one_id_never_cross
    x_07_streams_end_with_their_license_alone
    x_09_a_panic_before_sending_harms_nobody_else
    x_11_metrics_name_no_tenant
}

/// Whether the next calls of it that are made between credential and request panic.
struct Trap {
    clock: SystemClock,
    left: AtomicU32,
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        if self.left.load(Ordering::SeqCst) > 0 {
            // Only `Dispatch` asks what time it is with a credential in its hand.
            let stack = Backtrace::force_capture().to_string();
            if stack.contains("src/call/dispatch.rs") {
                self.left.fetch_sub(1, Ordering::SeqCst);
                panic!("a fault between credential and request");
            }
        }
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

async fn on(fixture: &Fixture) -> TestGateway {
    TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.rest =
            "      limit: 10000/s\n      max_concurrent: 200\n      max_queue: 2000\n".into();
        setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n".into();
    })
    .await
}

fn is_good(answer: &Value) -> bool {
    answer["result"]["isError"] == false
}

async fn x_02_a_thousand_answers_of_one_id_never_cross(fixture: &Fixture) {
    let mut gateway = on(fixture).await;
    let (_, alpha) = gateway.issue("pro").await;
    let (_, beta) = gateway.issue("small").await;
    let clients = [&alpha, &beta].map(|key| Client::modern(gateway.address, key));
    // The upstream says what it was asked; `create` is for alpha's plan alone.
    let calls = (0..1_000).map(|at| {
        let (tenant, client) = (at % 2, clients[at % 2].clone());
        async move {
            let method = if at % 4 < 2 {
                "tools/list"
            } else {
                "tools/call"
            };
            let params = match method {
                "tools/list" => json!({}),
                _ => json!({ "name": "create", "arguments": { "name": "same" } }),
            };
            (tenant, method, client.rpc(method, params).await)
        }
    });
    let answers: Vec<_> = stream::iter(calls).buffer_unordered(200).collect().await;
    let mut seen = [0; 4];
    for (tenant, method, answer) in &answers {
        let body = answer.json();
        assert_eq!(body["id"], 1, "{}", answer.body);
        let alphas = match *method {
            "tools/list" => answer.body.contains("\"create\""),
            _ => is_good(&body),
        };
        assert_eq!(alphas, *tenant == 0, "{method}: {}", answer.body);
        seen[tenant + if *method == "tools/list" { 0 } else { 2 }] += 1;
    }
    assert_eq!(seen, [250; 4]);
    gateway.stop().await;
}

async fn set(gateway: &TestGateway, license: LicenseId, status: LicenseStatus) {
    let stamp = gateway.stamp();
    let done = gateway
        .store
        .set_license_status(license, status, "test", &stamp);
    done.await.unwrap();
    gateway.changed().await;
}

async fn x_07_streams_end_with_their_license_alone(fixture: &Fixture) {
    let mut gateway = on(fixture).await;
    for status in [LicenseStatus::Suspended, LicenseStatus::Revoked] {
        let (license, alpha) = gateway.issue("pro").await;
        let (_, beta) = gateway.issue("pro").await;
        let clients = [&alpha, &beta].map(|key| Client::modern(gateway.address, key));
        let mut ends = clients[0].listen().await;
        let mut stays = clients[1].listen().await;
        set(&gateway, license, status).await;
        let last = ends.event().await.expect("a result");
        assert_eq!(last["id"], "sub-1");
        assert_eq!(last["result"]["resultType"], "complete");
        let heard = tokio::time::timeout(Duration::from_millis(300), stays.event()).await;
        assert!(heard.is_err(), "beta hears nothing: {heard:?}");
        let refused = clients[0].call("search", json!({ "q": "a" })).await;
        assert_eq!(refused.status, 401);
        assert!(is_good(
            &clients[1].call("search", json!({ "q": "a" })).await.json()
        ));
    }
    gateway.stop().await;
}

/// The API's own view: each request has the header of whom it was sent for, whatever connection
/// it came on.
#[tokio::test(flavor = "multi_thread")]
async fn x_08_a_pooled_connection_carries_no_credential_from_one_to_the_next() {
    let fixture = Fixture::sqlite().await;
    let mut gateway = on(&fixture).await;
    let (alpha, key) = gateway.issue("pro").await;
    let (_, other) = gateway.issue("pro").await;
    let clients = [&key, &other].map(|key| Client::modern(gateway.address, key));
    let master = SecretString::new(gateway.master_key().to_owned());
    let master = wicketgate::crypto::MasterKey::parse(&master).unwrap();
    let entropy = Arc::new(wicketgate::entropy::OsEntropy) as _;
    let keys = vec![("test".parse().unwrap(), master)];
    let keyring = wicketgate::kms::Keyring::local(keys, &entropy).unwrap();
    let (store, clock) = (fixture.another().await, Arc::clone(&gateway.clock));
    let vault = wicketgate::vault::Vault::bootstrap(store, keyring, clock, entropy);
    let own = SecretString::new("canary-own-of-alpha-0123456789".to_owned());
    let put = vault.await.unwrap();
    let upstream = "up".parse().unwrap();
    put.put(Tenant::License(alpha), &upstream, &own, "test")
        .await
        .unwrap();
    gateway.changed().await;
    for _ in 0..50 {
        for client in &clients {
            client.call("search", json!({ "q": "a" })).await;
        }
    }
    let seen = gateway.upstream.seen().clone();
    assert_eq!(seen.len(), 100);
    for (at, request) in seen.iter().enumerate() {
        let wanted = if at % 2 == 0 {
            own.expose().as_str()
        } else {
            SECRET
        };
        let keys: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, _)| name == "x-api-key")
            .collect();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].1, wanted, "request {at}");
        assert!(
            request
                .headers
                .iter()
                .all(|(name, _)| name != "authorization" && name != "cookie")
        );
    }
    gateway.stop().await;
    fixture.remove().await;
}

async fn x_09_a_panic_before_sending_harms_nobody_else(fixture: &Fixture) {
    const PANICS: u32 = 6;
    let trap = Arc::new(Trap {
        clock: SystemClock::new(),
        left: AtomicU32::new(0),
    });
    let mut gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = Arc::clone(&trap) as _;
        setup.rest = "      limit: 10000/s\n      max_concurrent: 2\n".into();
        setup.plans = "  pro: { tools: [\"*\"], per_day: 8 }\n".into();
    })
    .await;
    let (_, alpha) = gateway.issue("pro").await;
    let (_, beta) = gateway.issue("pro").await;
    let clients = [&alpha, &beta].map(|key| Client::modern(gateway.address, key));
    // Beta's call is at the upstream all the while, and holds one of its two places.
    let gate = Arc::new(Notify::new());
    gateway.upstream.behave(Behaviour::Held(Arc::clone(&gate)));
    let params = json!({ "name": "search", "arguments": { "q": "b" } });
    let message = clients[1].message(&json!(5), "tools/call", params);
    let mut wire = Wire::connect(gateway.address).await;
    wire.send(clients[1].request(&message).as_bytes()).await;
    gateway.upstream.arrival().await;
    trap.left.store(PANICS, Ordering::SeqCst);
    for left in (0..PANICS).rev() {
        let answer = clients[0].call("search", json!({ "q": "a" })).await;
        assert!(
            answer.status == 500 && !answer.body.contains("fault"),
            "{}",
            answer.body
        );
        assert_eq!(
            trap.left.load(Ordering::SeqCst),
            left,
            "it was between the two"
        );
    }
    assert_eq!(gateway.upstream.count(), 1, "nothing was sent");
    let good = Behaviour::Json(r#"{"ok":true}"#.into());
    gateway.upstream.behave(good);
    gate.notify_one();
    let answer = wire.answer().await.expect("beta's answer");
    assert!(is_good(&answer.json()), "{}", answer.body);
    // All places are free again: more calls than there are, by both.
    let both = clients
        .iter()
        .map(|client| client.call("search", json!({ "q": "c" })));
    for answer in futures_util::future::join_all(both).await {
        assert!(is_good(&answer.json()), "{}", answer.body);
    }
    // Each panic is charged to alpha, once; and nothing of it to beta.
    for (client, left) in clients.iter().zip([8 - PANICS - 1, 8 - 2]) {
        for _ in 0..left {
            assert!(is_good(
                &client.call("search", json!({ "q": "d" })).await.json()
            ));
        }
        let over = client.call("search", json!({ "q": "e" })).await;
        assert!(!is_good(&over.json()), "{}", over.body);
    }
    gateway.stop().await;
}

async fn x_11_metrics_name_no_tenant(fixture: &Fixture) {
    let mut gateway = on(fixture).await;
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin);
    let series = async || {
        let text = once(gateway.admin, &ask).await.unwrap().body;
        let names = text.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<String> = names
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
            .collect();
        (text.clone(), names)
    };
    let mut sizes = Vec::new();
    let mut secrets = vec![SECRET.to_owned()];
    for round in 0..3 {
        for _ in 0..20 {
            let (license, key) = gateway.issue("pro").await;
            let client = Client::modern(gateway.address, &key);
            let odd = format!("odd-{license}");
            client.call("search", json!({ "q": "a" })).await;
            client.call(&odd, json!({})).await;
            client.rpc(&odd, json!({})).await;
            let path = format!("GET /{odd} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address);
            once(gateway.address, &path).await;
            Client::modern(gateway.address, &format!("{key}x"))
                .call("search", json!({}))
                .await;
            secrets.extend([license.to_string(), key, odd]);
        }
        let (text, names) = series().await;
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in round {round}");
        }
        sizes.push(names.len());
    }
    assert!(sizes[0] > 20, "{sizes:?}");
    assert_eq!(sizes[0], sizes[2], "more tenants are no more series");
    gateway.stop().await;
}
