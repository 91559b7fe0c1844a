//! Q-07, Q-08: a call with an `idempotency_key` through the real program. It is sent once, whoever
//! repeats it and where; everybody gets the same answer.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};
use tokio::task::JoinSet;

use crate::support::{
    client::Client,
    gateway::Setup,
    operator::{Operator, away_from_midnight},
    postgres::Database,
    upstream::{Behaviour, SECRET, Upstream},
};

const KEY: &str = "CANARY-client-key-51c0";
/// Longest time of a call of `pay`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn paying(setup: &mut Setup) {
    setup.plans = "  pro: { per_day: 1000, tools: [\"*\"] }\n".into();
    setup.tools = r"        - name: pay
          description: Pays somebody.
          once: { header: Idempotency-Key }
          timeout: 3s
          request: { method: POST, path: /v1/payments, body: { amount: $amount, to: $to } }
          input:
            type: object
            additionalProperties: false
            required: [amount]
            properties:
              amount: { type: integer, minimum: 1, maximum: 1000 }
              to: { type: string, maxLength: 64 }
"
    .into();
}

/// What the model is told, and whether it is an error.
#[track_caller]
pub(crate) fn said(answer: &crate::support::wire::Answer) -> (String, bool) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = &answer.json()["result"];
    let text = result["content"][0]["text"].as_str();
    (
        text.unwrap_or_else(|| panic!("{}", answer.body)).to_owned(),
        result["isError"].as_bool().unwrap(),
    )
}

pub(crate) async fn pay(client: &Client, key: &str, amount: u32) -> (String, bool) {
    let arguments = json!({ "amount": amount, "to": "ann", "idempotency_key": key });
    said(&client.call("pay", arguments).await)
}

fn told(text: &str) -> (String, bool) {
    (text.to_owned(), false)
}

/// Runs SQL on the operator's database.
pub(crate) async fn execute(operator: &Operator, database: Option<&Database>, sql: &'static str) {
    let changed = if let Some(database) = database {
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let done = sqlx::raw_sql(sql).execute(&mut connection).await;
        done.unwrap().rows_affected()
    } else {
        let path = operator.place.path("data/wicketgate.db");
        let url = format!("sqlite://{}", path.display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let done = sqlx::raw_sql(sql).execute(&mut connection).await;
        done.unwrap().rows_affected()
    };
    println!("{changed} rows changed");
}

fn mark(upstream: &Upstream, at: usize) -> String {
    let seen = upstream.seen();
    let headers = &seen[at].headers;
    let found = headers.iter().find(|(name, _)| name == "idempotency-key");
    found.expect("the header").1.clone()
}

macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(None).await;
            }
        )*}

        mod postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let database = crate::support::postgres::Database::create().await;
                super::$test(Some(&database)).await;
                database.remove().await;
            }
        )*}
    };
}

pub(crate) use on_both;

on_both! {
    q_07_twenty_at_once_are_one
    q_07_a_restart_and_a_reload_change_nothing
    q_08_the_same_key_with_other_arguments_is_refused
    tenants_share_no_key_and_no_answer
    an_answer_is_in_no_table_in_clear
    a_long_answer_is_not_kept_and_not_asked_for_again
}

async fn q_07_twenty_at_once_are_one(database: Option<&Database>) {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    let mut gateways = vec![operator.serve().await];
    if database.is_some() {
        gateways.push(operator.serve().await);
    }
    upstream.behave(Behaviour::After(Duration::from_millis(400)));
    let mut callers = JoinSet::new();
    for at in 0..20 {
        let client = Client::modern(gateways[at % gateways.len()].public, &key);
        callers.spawn(async move { pay(&client, KEY, 7).await });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers, vec![told(r#"{"ok":true}"#); 20]);
    assert_eq!(upstream.count(), 1);
    let body: Value = serde_json::from_str(&upstream.seen()[0].body).unwrap();
    assert_eq!(
        body,
        json!({ "amount": 7, "to": "ann" }),
        "the key stays here"
    );
    // Another key is another call.
    let other = Client::modern(gateways[0].public, &key);
    assert_eq!(pay(&other, "another", 7).await, told(r#"{"ok":true}"#));
    assert_eq!(upstream.count(), 2);
    for gateway in &mut gateways {
        assert_eq!(gateway.stop().await, Some(0));
    }
    assert_eq!(operator.used(), 2, "an answer that is repeated is free");
}

async fn q_07_a_restart_and_a_reload_change_nothing(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    let first = r#"{"payment":1,"sum":1.10}"#;
    upstream.behave(Behaviour::Json(first.into()));
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    assert_eq!(pay(&client, KEY, 7).await, told(first));
    upstream.behave(Behaviour::Status(422, "{}".into()));
    let refused = pay(&client, "refused", 7).await;
    assert!(refused.1 && refused.0.contains("status 422"), "{refused:?}");
    upstream.behave(Behaviour::Json(r#"{"payment":2}"#.into()));
    gateway.signal("HUP");
    assert_eq!(pay(&client, KEY, 7).await, told(first));
    assert_eq!(gateway.stop().await, Some(0));

    let mut gateway = operator.serve().await;
    for client in [
        Client::modern(gateway.public, &key),
        Client::legacy(gateway.public, &key),
    ] {
        // Beside the arguments, and with those in another order.
        let beside = json!({ "name": "pay", "arguments": { "to": "ann", "amount": 7 },
            "_meta": { "wicketgate/idempotency-key": KEY } });
        let answer = client.rpc("tools/call", beside).await;
        assert_eq!(said(&answer), told(first));
        let structured = &answer.json()["result"]["structuredContent"];
        assert_eq!(structured["payment"], 1, "{}", answer.body);
        let again = pay(&client, "refused", 7).await;
        let cut = |(text, is_error): &(String, bool)| {
            (text.split("Reference").next().map(str::to_owned), *is_error)
        };
        assert_eq!(cut(&again), cut(&refused), "a refusal is an answer too");
    }
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
}

async fn q_08_the_same_key_with_other_arguments_is_refused(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    assert_eq!(pay(&client, KEY, 7).await, told(r#"{"ok":true}"#));
    let (text, is_error) = pay(&client, KEY, 8).await;
    assert!(is_error && text.contains("with other arguments"), "{text}");
    assert!(!text.contains(KEY), "{text}");
    // Two names for one call are none.
    let params = json!({ "name": "pay", "arguments": { "amount": 7, "idempotency_key": "a" },
        "_meta": { "wicketgate/idempotency-key": "b" } });
    let (text, is_error) = said(&client.rpc("tools/call", params).await);
    assert!(is_error && text.contains("must be the same"), "{text}");
    for odd in ["", "a b", "\u{e9}", &"x".repeat(129)] {
        let (text, is_error) = pay(&client, odd, 7).await;
        assert!(is_error && text.contains("rejected"), "{text}");
    }
    assert_eq!(upstream.count(), 1);
    // Only where it is offered is it one of the arguments.
    let listed = client.rpc("tools/list", json!({})).await.json();
    for tool in listed["result"]["tools"].as_array().unwrap() {
        let offered = tool["inputSchema"]["properties"].get("idempotency_key");
        assert_eq!(offered.is_some(), tool["name"] == "pay", "{tool}");
    }
    assert_eq!(gateway.stop().await, Some(0));
    assert!(gateway.stdout().contains("idempotency_key_reused"));
}

async fn tenants_share_no_key_and_no_answer(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let (alpha, beta) = (operator.issue("pro"), operator.issue("pro"));
    let mut gateway = operator.serve().await;
    let alpha = Client::modern(gateway.public, &alpha);
    let beta = Client::modern(gateway.public, &beta);
    upstream.behave(Behaviour::Json(r#"{"of":"CANARY-A"}"#.into()));
    assert_eq!(pay(&alpha, KEY, 7).await, told(r#"{"of":"CANARY-A"}"#));
    upstream.behave(Behaviour::Json(r#"{"of":"CANARY-B"}"#.into()));
    assert_eq!(pay(&beta, KEY, 7).await, told(r#"{"of":"CANARY-B"}"#));
    assert_eq!(upstream.count(), 2);
    let marks = [mark(&upstream, 0), mark(&upstream, 1)];
    assert_ne!(marks[0], marks[1]);
    for mark in &marks {
        assert_eq!(mark.len(), 32);
        assert!(mark.bytes().all(|b| b.is_ascii_hexdigit()), "{mark}");
    }
    // Somebody with the database copies one's answer into the other's row: it does not open there.
    let copied = "UPDATE once_calls SET sealed = (SELECT sealed FROM once_calls ORDER BY begun_ms \
                  DESC LIMIT 1) WHERE begun_ms = (SELECT MIN(begun_ms) FROM once_calls)";
    execute(&operator, database, copied).await;
    let (text, is_error) = pay(&alpha, KEY, 7).await;
    assert!(is_error && text.contains("not kept"), "{text}");
    // And gives the other's row away: it is nobody's then, and nothing is sent.
    let given = "UPDATE once_calls SET tenant = (SELECT tenant FROM once_calls ORDER BY begun_ms \
                 LIMIT 1)";
    execute(&operator, database, given).await;
    let (text, is_error) = pay(&beta, KEY, 7).await;
    assert!(is_error && text.contains("under way"), "{text}");
    assert_eq!(upstream.count(), 2);
    assert_eq!(gateway.stop().await, Some(0));
    let logged = gateway.stderr();
    assert!(logged.contains("once.answer_does_not_open"), "{logged}");
    assert!(!logged.contains("CANARY"), "{logged}");
}

async fn an_answer_is_in_no_table_in_clear(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    upstream.behave(Behaviour::Json(r#"{"iban":"CANARY-answer-77d1"}"#.into()));
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let arguments = json!({ "amount": 7, "to": "CANARY-argument-90aa", "idempotency_key": KEY });
    for _ in 0..2 {
        let (text, is_error) = said(&client.call("pay", arguments.clone()).await);
        assert!(!is_error && text.contains("CANARY-answer"), "{text}");
    }
    assert_eq!(upstream.count(), 1);
    let mut kept = operator.place.all_bytes();
    if let Some(database) = database {
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        for table in sqlx::query(tables)
            .fetch_all(&mut connection)
            .await
            .unwrap()
        {
            let table: String = table.get(0);
            let rows = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
            for row in sqlx::query(rows).fetch_all(&mut connection).await.unwrap() {
                kept.extend(row.get::<String, _>(0).into_bytes());
            }
        }
    }
    assert_eq!(gateway.stop().await, Some(0));
    kept.extend(operator.place.all_bytes());
    for canary in [
        "CANARY-answer",
        "CANARY-argument",
        "CANARY-client-key",
        SECRET,
    ] {
        let hex = data_encoding::HEXLOWER.encode(canary.as_bytes());
        for form in [canary.as_bytes(), hex.as_bytes()] {
            let found = kept.windows(form.len()).any(|bytes| bytes == form);
            assert!(!found, "{canary}");
        }
    }
    let some = b"once_calls";
    let searched = database.is_some() || kept.windows(some.len()).any(|bytes| bytes == some);
    assert!(searched, "the tables were among what was searched");
}

async fn a_long_answer_is_not_kept_and_not_asked_for_again(database: Option<&Database>) {
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), paying);
    let key = operator.issue("pro");
    let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(64 * 1024));
    upstream.behave(Behaviour::Json(long.clone()));
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    assert_eq!(pay(&client, KEY, 7).await, told(&long));
    let (text, is_error) = pay(&client, KEY, 7).await;
    assert!(is_error && text.contains("not kept"), "{text}");
    assert_eq!(upstream.count(), 1);
    assert_eq!(gateway.stop().await, Some(0));
}
