//! `subscriptions/listen`: what is told, to whom, and how a stream ends.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::{Duration, Instant, sleep};
use wicketgate::{clock::ManualClock, ids::LicenseId};

use crate::support::{
    client::Client,
    database::{Fixture, NOON},
    gateway::TestGateway,
    protocol,
    wire::{Answer, Wire},
};

const NOW: &str = "2026-07-28";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn ask(client: &Client, id: &Value, notifications: &Value) -> (Wire, Answer) {
    let params = json!({ "notifications": notifications });
    let message = client.message(id, "subscriptions/listen", params);
    let mut wire = Wire::connect(client.address).await;
    wire.send(client.request(&message).as_bytes()).await;
    let head = wire.head().await.unwrap();
    (wire, head)
}

/// Opens a stream; gives it and the acknowledgement.
async fn open(client: &Client, id: &Value, notifications: &Value) -> (Wire, Value) {
    let (mut wire, head) = ask(client, id, notifications).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    let first = wire.event().await.unwrap();
    protocol::fits(NOW, "SubscriptionsAcknowledgedNotification", &first);
    (wire, first)
}

fn is_change(event: &Value) -> bool {
    protocol::fits(NOW, "ToolListChangedNotification", event);
    event["method"] == "notifications/tools/list_changed"
}

fn is_end(event: &Value, id: &Value) {
    protocol::result(NOW, "SubscriptionsListenResult", event);
    assert_eq!(&event["id"], id);
    assert_eq!(&event["result"]["_meta"][SUBSCRIPTION], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn t47_the_acknowledgement_comes_first_and_ids_keep_their_type() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let everything = json!({ "toolsListChanged": true, "promptsListChanged": true,
        "resourcesListChanged": true, "resourceSubscriptions": ["file:///x"], "taskIds": ["t"] });
    for (id, asked, honoured) in [
        (json!("a"), &everything, json!({ "toolsListChanged": true })),
        (json!(7), &json!({ "promptsListChanged": true }), json!({})),
        (json!(0), &json!({ "toolsListChanged": false }), json!({})),
        (json!("7"), &json!({}), json!({})),
    ] {
        let (_, first) = open(&client, &id, asked).await;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(first["params"]["notifications"], honoured);
        assert_eq!(first["params"]["_meta"][SUBSCRIPTION], id);
    }
    for wrong in [json!(null), json!([]), json!("all")] {
        let (_, head) = ask(&client, &json!(1), &wrong).await;
        assert_eq!(head.status, 400, "{wrong}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_reload_tells_those_whose_list_changed_and_nobody_else() {
    let mut gateway = TestGateway::start().await;
    let (_, pro) = gateway.issue("pro").await;
    let (_, small) = gateway.issue("small").await;
    let (pro, small) = (
        Client::modern(gateway.address, &pro),
        Client::modern(gateway.address, &small),
    );
    let tools = json!({ "toolsListChanged": true });
    let (mut all, _) = open(&pro, &json!("all"), &tools).await;
    let (mut few, _) = open(&small, &json!(2), &tools).await;
    let (mut other, _) = open(&pro, &json!(3), &json!({ "promptsListChanged": true })).await;

    // Nothing that a list shows.
    gateway.rewrite(|setup| setup.limits = "  session: 9999/min\n".into());
    gateway.reload().unwrap();
    // A tool that the small plan does not see.
    gateway.rewrite(|setup| {
        setup.tools = "        - name: extra\n          description: One more.\n          \
            request: { path: /x }\n          \
            input: { type: object, additionalProperties: false }\n"
            .into();
    });
    gateway.reload().unwrap();
    let event = all.event().await.unwrap();
    assert!(is_change(&event));
    assert_eq!(event["params"]["_meta"][SUBSCRIPTION], "all");
    // One that it does.
    gateway.rewrite(|setup| {
        setup.plans = "  pro: { tools: [\"*\"] }\n  small: { tools: [\"up.get_any\"] }\n".into();
    });
    gateway.reload().unwrap();
    let event = few.event().await.unwrap();
    assert!(is_change(&event));
    assert_eq!(event["params"]["_meta"][SUBSCRIPTION], 2);

    // Nothing else was told to anybody: what comes next is the end.
    let ends = async {
        is_end(&all.event().await.unwrap(), &json!("all"));
        is_end(&few.event().await.unwrap(), &json!(2));
        is_end(&other.event().await.unwrap(), &json!(3));
    };
    tokio::join!(gateway.stop(), ends);
}

/// What `license` would do if it could change plans: another process writes to the file.
async fn entitle(fixture: &Fixture, id: LicenseId, column: &str, value: &str) {
    let path = fixture.file().unwrap().display().to_string();
    let mut raw = SqliteConnection::connect(&format!("sqlite://{path}"))
        .await
        .unwrap();
    let sql = format!("UPDATE licenses SET {column} = $1 WHERE id = $2");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(value)
        .bind(id.to_string())
        .execute(&mut raw)
        .await
        .unwrap();
    sqlx::query("UPDATE change_epoch SET value = value + 1")
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_licenses_entitlement_is_told_to_that_license() {
    let fixture = Fixture::sqlite().await;
    let mut gateway = TestGateway::with(|setup| setup.target = fixture.target()).await;
    let (id, key) = gateway.issue("small").await;
    let (_, other) = gateway.issue("small").await;
    let client = Client::modern(gateway.address, &key);
    let mut stream = client.listen().await;
    let mut unconcerned = Client::modern(gateway.address, &other).listen().await;
    let names = async || {
        let list = client.rpc("tools/list", json!({})).await.json();
        list["result"]["tools"].as_array().unwrap().len()
    };
    assert_eq!(names().await, 2);
    entitle(&fixture, id, "plan", "pro").await;
    assert!(is_change(&stream.event().await.unwrap()));
    assert_eq!(names().await, 6);
    entitle(&fixture, id, "tools", r#"["up.note"]"#).await;
    assert!(is_change(&stream.event().await.unwrap()));
    assert_eq!(names().await, 1);
    let ends = async {
        is_end(&unconcerned.event().await.unwrap(), &json!("sub-1"));
        is_end(&stream.event().await.unwrap(), &json!("sub-1"));
    };
    tokio::join!(gateway.stop(), ends);
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_the_store_did_not_answer_is_repeated() {
    const AWAY: &str = "ALTER TABLE licenses RENAME TO away";
    const BACK: &str = "ALTER TABLE away RENAME TO licenses";
    let (fixture, clock) = (Fixture::sqlite().await, Arc::new(ManualClock::new(NOON)));
    let gateway = TestGateway::with(|setup| {
        setup.target = fixture.target();
        setup.clock = clock.clone();
    })
    .await;
    let expires = NOON.plus(Duration::from_mins(1));
    let (_, key) = gateway.issue_until("pro", Some(expires)).await;
    gateway.changed().await;
    let mut stream = Client::modern(gateway.address, &key).listen().await;

    let path = fixture.file().unwrap().display().to_string();
    let mut raw = SqliteConnection::connect(&format!("sqlite://{path}"))
        .await
        .unwrap();
    sqlx::query(AWAY).execute(&mut raw).await.unwrap();
    let lookups = &gateway.running().gateway().metrics.authentication_lookups;
    let before = lookups.get();
    clock.advance(Duration::from_mins(1));
    // The reload is an occasion to look, and finds no answer; nothing else changes after it.
    gateway.reload().unwrap();
    let start = Instant::now();
    while lookups.get() < before + 2 {
        assert!(start.elapsed() < Duration::from_secs(10), "looked up once");
        sleep(Duration::from_millis(10)).await;
    }
    sqlx::query(BACK).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    is_end(&stream.event().await.unwrap(), &json!("sub-1"));
    drop(gateway);
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m_21_a_license_holds_eight_streams_and_no_more() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let (_, other) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(client.listen().await);
    }
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let refused = client.rpc("subscriptions/listen", params.clone()).await;
    assert_eq!(refused.status, 429);
    protocol::error(NOW, 42900, &refused.json());
    let error = &refused.json()["error"];
    assert_eq!(error["data"]["tier"], "subscriptions");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("8 subscriptions")
    );
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            >= 1
    );
    // Its calls go on, and so does everybody else.
    assert_eq!(client.call("search", json!({ "q": "a" })).await.status, 200);
    drop(Client::modern(gateway.address, &other).listen().await);

    streams.pop();
    let start = Instant::now();
    loop {
        let (_wire, head) = ask(&client, &json!(9), &params["notifications"]).await;
        if head.status == 200 {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "no place came free"
        );
        sleep(Duration::from_millis(10)).await;
    }
    drop(streams);
    let lines = gateway.stop().await;
    let limited = lines.iter().find(|line| line["outcome"] == "limited");
    assert_eq!(limited.unwrap()["error"], "subscriptions");
}

#[tokio::test(flavor = "multi_thread")]
async fn f_19_fifty_streams_get_their_result_at_shutdown() {
    let mut gateway = TestGateway::with(|setup| {
        setup.limits = "  session: 10000/min\n  subscriptions_per_license: 64\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let mut streams = Vec::new();
    for id in 0..50 {
        let id = json!(id);
        let (wire, _) = open(&client, &id, &json!({ "toolsListChanged": true })).await;
        streams.push((id, wire));
    }
    let start = Instant::now();
    let ends = async {
        for (id, wire) in &mut streams {
            is_end(&wire.event().await.unwrap(), id);
        }
    };
    let (lines, ()) = tokio::join!(gateway.stop(), ends);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "no waiting for streams"
    );
    assert_eq!(lines.len(), 50);
    assert!(
        lines
            .iter()
            .all(|line| line["outcome"] == "ok" && line["status"] == 200)
    );
}
