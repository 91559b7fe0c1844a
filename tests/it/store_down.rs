//! The database goes away under a running gateway: callers are told to come back, in time, never
//! that their key is wrong; no call goes out uncounted; and it recovers by itself.

use std::{fs, time::Duration};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::support::{
    client::Client,
    gateway::Setup,
    load::load,
    operator::{Operator, Serving, away_from_midnight},
    postgres::Private,
    upstream::Upstream,
};

/// No caller waits longer for a database that does not answer, with a little for this machine.
const ANSWER: Duration = Duration::from_secs(3);
/// How long after the database's return calls succeed again.
const RECOVERY: Duration = Duration::from_secs(4);

fn plans(setup: &mut Setup) {
    setup.limits = "  session: 100000/min\n".into();
    setup.plans = "  counted: { per_day: 100000, tools: [\"*\"] }\n  \
                   free: { tools: [\"*\"] }\n  \
                   tight: { per_day: 5, tools: [\"*\"] }\n"
        .into();
}

/// Calls until the outage is over for this client: every answer is a 200 or, in time, a 503 with
/// `Retry-After`.
async fn outage(client: &Client, calls: usize) -> (usize, usize, Duration) {
    let (mut answered, mut unavailable, mut slowest) = (0, 0, Duration::ZERO);
    for _ in 0..calls {
        let since = Instant::now();
        let answer = client.call("search", json!({ "q": "x" })).await;
        slowest = slowest.max(since.elapsed());
        match answer.status {
            200 => answered += 1,
            503 => {
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait));
                unavailable += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    (answered, unavailable, slowest)
}

async fn recovers(gateway: &Serving, client: &Client) -> Duration {
    let since = Instant::now();
    loop {
        let answer = client.call("search", json!({ "q": "x" })).await;
        if answer.status == 200 {
            let ready = gateway.ask("/readyz").await.unwrap();
            assert_eq!(ready.status, 200, "{}", ready.body);
            return since.elapsed();
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(since.elapsed() < RECOVERY, "still down");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn comes_and_goes(down: &str, up: &str) {
    away_from_midnight().await;
    let (upstream, mut database) = (Upstream::start().await, Private::start());
    let operator = Operator::of(&upstream, Some(&database.url()), plans);
    let counted = operator.issue("counted");
    let free = operator.issue("free");
    let mut gateway = operator.serve().await;
    let counted_client = Client::modern(gateway.public, &counted);
    let free_client = Client::modern(gateway.public, &free);
    let new_client = Client::modern(gateway.public, &operator.issue("free"));
    for client in [&counted_client, &free_client] {
        assert_eq!(outage(client, 2).await.0, 2);
    }

    database.order(down);
    let began = Instant::now();
    // A key that is remembered is believed for a moment; a key that is not is never called wrong,
    // unless it is no key at all.
    assert_eq!(outage(&new_client, 1).await.1, 1);
    let stranger = Client::modern(gateway.public, &free.replace("wgl_", "wgl_x"));
    assert_eq!(
        stranger.call("search", json!({ "q": "x" })).await.status,
        401
    );
    while outage(&free_client, 1).await.1 == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "a key is believed for at most five seconds without the database"
        );
        sleep(Duration::from_millis(100)).await;
    }
    let believed = began.elapsed();
    let ready = gateway.ask("/readyz").await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(gateway.ask("/livez").await.unwrap().status, 200);
    let seen = upstream.count();
    // Many at once: they wait side by side, not one after the other.
    let since = Instant::now();
    let callers = (0..40).map(|n| {
        let client = if n % 2 == 0 {
            &free_client
        } else {
            &counted_client
        };
        outage(client, 1)
    });
    let all = futures_util::future::join_all(callers).await;
    let crowd = since.elapsed();
    let unavailable: usize = all.iter().map(|one| one.1).sum();
    let slowest = all.iter().map(|one| one.2).max().unwrap();
    println!(
        "{down}: keys believed for {believed:?}, then {unavailable} of 40 answered 503, the \
         slowest after {slowest:?}, all after {crowd:?}"
    );
    assert_eq!(unavailable, 40);
    assert!(slowest < ANSWER, "{slowest:?}");
    assert_eq!(upstream.count(), seen, "a call went out uncounted");

    database.order(up);
    let back = recovers(&gateway, &counted_client).await;
    assert_eq!(outage(&free_client, 20).await.0, 20);
    assert_eq!(outage(&counted_client, 20).await.0, 20);
    let crowd = load(&[gateway.public], &counted, 50, 4).await;
    println!("{up}: error-free after {back:?}; then {crowd:?}");
    assert_eq!(crowd.answered, 200, "the pool is whole: {crowd:?}");
    assert!(gateway.alive());
    assert_eq!(gateway.stop().await, Some(0));
    let logs = gateway.stdout() + &gateway.stderr();
    assert!(!logs.contains(&counted) && !logs.contains(&free));
}

#[tokio::test(flavor = "multi_thread")]
async fn f_02_a_stopped_server() {
    comes_and_goes("stop", "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f_03_a_server_that_hangs() {
    comes_and_goes("freeze", "thaw").await;
}

/// The server takes no changes any more, as after a failover: what is leased is spent, what needs a
/// block is refused, and nothing goes out uncounted.
#[tokio::test(flavor = "multi_thread")]
async fn f_04_a_server_that_became_read_only() {
    away_from_midnight().await;
    let (upstream, database) = (Upstream::start().await, Private::start());
    let operator = Operator::of(&upstream, Some(&database.url()), plans);
    let keys = ["counted", "counted", "free"].map(|plan| operator.issue(plan));
    let mut gateway = operator.serve().await;
    let [leased, fresh, free] = keys.map(|key| Client::modern(gateway.public, &key));
    assert_eq!(outage(&leased, 1).await.0, 1);
    let mut server = PgConnection::connect(&database.url()).await.unwrap();
    let mut read_only = async |value: &'static str| {
        server
            .execute("SET default_transaction_read_only = off")
            .await
            .unwrap();
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        let set = sqlx::raw_sql(sqlx::AssertSqlSafe(set));
        set.execute(&mut server).await.unwrap();
        server.execute("SELECT pg_reload_conf()").await.unwrap();
    };
    read_only("on").await;
    let state = async || {
        let ready = gateway.ask("/readyz").await.unwrap();
        assert_eq!(ready.status, 200, "{}", ready.body);
        let components = ready.json()["components"].clone();
        components["store_writes"]["state"].clone()
    };
    let since = Instant::now();
    while state().await != "degraded" {
        assert!(since.elapsed() < Duration::from_secs(12), "never told");
        sleep(Duration::from_millis(100)).await;
    }
    let told = since.elapsed();

    let seen = upstream.count();
    let (none, refused, slowest) = outage(&fresh, 3).await;
    assert_eq!((none, refused), (0, 3), "no block, no call");
    assert!(slowest < ANSWER, "{slowest:?}");
    assert_eq!(upstream.count(), seen, "a call went out uncounted");
    assert_eq!(outage(&free, 5).await.0, 5);
    let (spent, refused, _) = outage(&leased, 60).await;
    assert!(
        spent < 60 && refused > 0,
        "{spent} went out within the block"
    );
    assert_eq!(upstream.count(), seen + 5 + spent);
    println!("read-only: told after {told:?}; {spent} calls of the block, {refused} of 60 refused");

    read_only("off").await;
    recovers(&gateway, &fresh).await;
    assert_eq!(outage(&leased, 5).await.0, 5);
    assert_eq!(gateway.stop().await, Some(0));
    // One before, those of the block, the one that recovered, five after.
    assert_eq!(operator.used(), 1 + u64::try_from(spent).unwrap() + 1 + 5);
}

/// Another process keeps the write lock: reading goes on, what must be counted is refused.
#[tokio::test(flavor = "multi_thread")]
async fn f_07_a_database_that_cannot_be_written_lets_no_uncounted_call_out() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, plans);
    let (counted, free) = (operator.issue("tight"), operator.issue("free"));
    let mut gateway = operator.serve().await;
    let counted = Client::modern(gateway.public, &counted);
    let free = Client::modern(gateway.public, &free);
    assert_eq!(outage(&counted, 1).await.0, 1);

    // For longer than anybody waits for it.
    let path = operator.place.path("data/wicketgate.db");
    let url = format!("sqlite://{}", path.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let seen = upstream.count();
    let (answered, unavailable, slowest) = outage(&counted, 3).await;
    println!("write-locked: {unavailable} of 3 counted calls answered 503, slowest {slowest:?}");
    assert_eq!((answered, unavailable), (0, 3));
    assert!(slowest < ANSWER);
    assert_eq!(upstream.count(), seen);
    // Reading and what needs no count goes on.
    assert_eq!(outage(&free, 5).await.0, 5);
    assert_eq!(gateway.ask("/readyz").await.unwrap().status, 200);

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    recovers(&gateway, &counted).await;
    assert_eq!(gateway.stop().await, Some(0));
    assert_eq!(operator.used(), 2, "refused calls cost nothing");
    assert!(fs::metadata(path).unwrap().len() > 0);
}
