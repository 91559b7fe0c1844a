//! Q-07 where something gets lost: the client, the answer, the connection, the process, the store. A
//! call that may have left is never sent again; one that did not leaves its key free.

use std::sync::Arc;

use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use crate::{
    once::{TIMEOUT, execute, on_both, pay, paying},
    support::{
        client::Client,
        operator::Operator,
        postgres::Database,
        upstream::{Behaviour, Upstream},
        wire::Wire,
    },
};

const KEY: &str = "order-4711";
const PAID: &str = r#"{"ok":true}"#;

on_both! {
    a_crash_leaves_the_outcome_unknown
    a_call_that_never_left_frees_its_key
    without_the_store_nothing_is_sent
}

fn paid() -> (String, bool) {
    (PAID.to_owned(), false)
}

async fn a_crash_leaves_the_outcome_unknown(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    upstream.behave(Behaviour::Held(Arc::default()));
    let gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let params = json!({ "name": "pay",
        "arguments": { "amount": 7, "to": "ann", "idempotency_key": KEY } });
    let message = client.message(&json!(1), "tools/call", params);
    let mut wire = Wire::connect(gateway.public).await;
    wire.send(client.request(&message).as_bytes()).await;
    upstream.arrival().await;
    gateway.kill();
    assert!(wire.answer().await.is_none());

    upstream.behave(Behaviour::Json(PAID.into()));
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let since = Instant::now();
    let (text, is_error) = pay(&client, KEY, 7).await;
    assert!(is_error && text.contains("is under way"), "{text}");
    assert!(since.elapsed() >= TIMEOUT, "it waited as long as it might");
    // As when the time of the lost call is over.
    execute(&operator, database, "UPDATE once_calls SET due_ms = 1").await;
    for _ in 0..2 {
        let (text, is_error) = pay(&client, KEY, 7).await;
        assert!(is_error && text.contains("outcome is not known"), "{text}");
    }
    assert_eq!(upstream.count(), 1, "never sent again");
    assert_eq!(pay(&client, "a-new-key", 7).await, paid());
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
}

async fn a_call_that_never_left_frees_its_key(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closed = format!("http://{closed}");
    let base = format!("http://{}", upstream.address);
    operator.place.edit(&base, &closed);
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    for amount in [7, 8] {
        let (text, is_error) = pay(&client, KEY, amount).await;
        assert!(is_error && text.contains("cannot be reached"), "{text}");
    }
    assert_eq!(gateway.stop().await, Some(0));

    operator.place.edit(&closed, &base);
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    // An API that does not know us has done nothing either.
    upstream.behave(Behaviour::Status(401, "{}".into()));
    let (text, is_error) = pay(&client, KEY, 9).await;
    assert!(is_error && text.contains("does not accept"), "{text}");
    upstream.behave(Behaviour::Json(PAID.into()));
    for _ in 0..2 {
        assert_eq!(pay(&client, KEY, 9).await, paid());
    }
    let marks: Vec<_> = upstream
        .seen()
        .iter()
        .flat_map(|seen| seen.headers.clone())
        .filter(|(name, _)| name == "idempotency-key")
        .collect();
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[0], marks[1], "the API knows it for the same call");
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
}

async fn without_the_store_nothing_is_sent(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let away = "ALTER TABLE once_calls RENAME TO elsewhere";
    execute(&operator, database, away).await;
    let arguments = json!({ "amount": 7, "idempotency_key": KEY });
    let answer = client.call("pay", arguments.clone()).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(upstream.count(), 0);
    let without = client.call("pay", json!({ "amount": 7 })).await;
    assert_eq!(without.status, 200, "{}", without.body);
    let back = "ALTER TABLE elsewhere RENAME TO once_calls";
    execute(&operator, database, back).await;
    let answer = client.call("pay", arguments).await;
    assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lost_its_answer_gets_it_when_it_asks_again() {
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, paying);
    let key = operator.issue("pro");
    let mut gateway = operator.serve().await;
    for client in [
        Client::modern(gateway.public, &key),
        Client::legacy(gateway.public, &key),
    ] {
        let held = Arc::new(Notify::new());
        upstream.behave(Behaviour::Held(Arc::clone(&held)));
        let name = format!("{:?}", client.speaks).replace(['(', ')', '"'], "-");
        let before = upstream.count();
        let params = json!({ "name": "pay",
            "arguments": { "amount": 7, "to": "ann", "idempotency_key": name } });
        let message = client.message(&json!(1), "tools/call", params);
        let mut wire = Wire::connect(gateway.public).await;
        wire.send(client.request(&message).as_bytes()).await;
        upstream.arrival().await;
        drop(wire);
        upstream.behave(Behaviour::Json(r#"{"ok":false}"#.into()));
        let again = tokio::spawn({
            let (client, name) = (client.clone(), name.clone());
            async move { pay(&client, &name, 7).await }
        });
        held.notify_one();
        assert_eq!(again.await.unwrap(), paid());
        assert_eq!(upstream.count(), before + 1);
    }
    assert_eq!(upstream.dropped(), 0, "what was sent is not taken back");
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_taken_effect_is_not_sent_again() {
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, paying);
    let key = operator.issue("pro");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    for (name, behaviour, first) in [
        ("failed", Behaviour::Status(500, "{}".into()), "status 500"),
        ("late", Behaviour::Held(Arc::default()), "in time"),
    ] {
        upstream.behave(behaviour);
        let (text, is_error) = pay(&client, name, 7).await;
        assert!(is_error && text.contains(first), "{text}");
        upstream.behave(Behaviour::Json(PAID.into()));
        let (text, is_error) = pay(&client, name, 7).await;
        assert!(is_error && text.contains("outcome is not known"), "{text}");
    }
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
}
