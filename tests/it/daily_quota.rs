//! A license's day through the real program: exact under many callers, never exceeded by a crash,
//! whole again after an orderly stop.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::support::{
    client::Client,
    gateway::Setup,
    load::{Tally, load},
    operator::{Operator, away_from_midnight},
    postgres::Database,
    upstream::{Behaviour, Upstream},
};

/// The largest block that a process holds of a license's day.
const BLOCK: u64 = 50;

fn plans(setup: &mut Setup) {
    setup.limits = "  session: 100000/min\n".into();
    setup.plans = "  day300: { per_day: 300, tools: [\"*\"] }\n  \
                   day2500: { per_day: 2500, tools: [\"*\"] }\n  \
                   day5000: { per_day: 5000, tools: [\"*\"] }\n  \
                   day3: { per_day: 3, tools: [\"*\"] }\n"
        .into();
}

/// What `used` must be, by the leases that make it up; and the database's own check of itself.
pub(crate) async fn sound(operator: &Operator, database: Option<&Database>) -> u64 {
    const BALANCE: &str = "SELECT \
        (SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) FROM license_windows), \
        (SELECT CAST(COALESCE(SUM(granted - COALESCE(unspent, 0)), 0) AS BIGINT) FROM call_leases)";
    let (used, leased): (i64, i64) = if let Some(database) = database {
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let row = sqlx::query(BALANCE)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        (row.get(0), row.get(1))
    } else {
        let path = operator.place.path("data/wicketgate.db");
        let url = format!("sqlite://{}", path.display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let check = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(check.get::<String, _>(0), "ok");
        let row = sqlx::query(BALANCE)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(used, leased, "a window is the sum of its leases");
    let used = used.try_into().unwrap();
    assert_eq!(operator.used(), used, "`license usage` says what is stored");
    used
}

async fn exactly_the_limit(database: Option<&Database>) {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), plans);
    let key = operator.issue("day300");
    let mut gateway = operator.serve().await;
    let tally = load(&[gateway.public], &key, 200, 1_000).await;
    println!(
        "200 callers, 300 a day: {tally:?}, the upstream saw {}",
        upstream.count()
    );
    let expected = Tally {
        answered: 300,
        refused: 200,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert_eq!(upstream.count(), 300);
    // A second license of the same plan has a day of its own.
    let other = operator.issue("day300");
    assert_eq!(load(&[gateway.public], &other, 4, 5).await.answered, 20);
    assert_eq!(gateway.stop().await, Some(0));
    assert_eq!(sound(&operator, database).await, 320);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_01_two_hundred_callers_get_exactly_the_day_on_sqlite() {
    exactly_the_limit(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_01_two_hundred_callers_get_exactly_the_day_on_postgres() {
    let database = Database::create().await;
    exactly_the_limit(Some(&database)).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_01_two_processes_over_one_database_give_out_one_day() {
    away_from_midnight().await;
    let (upstream, database) = (Upstream::start().await, Database::create().await);
    let operator = Operator::of(&upstream, Some(&database.url()), plans);
    let key = operator.issue("day300");
    let (mut one, mut two) = (operator.serve().await, operator.serve().await);
    let tally = load(&[one.public, two.public], &key, 100, 1_000).await;
    println!(
        "two processes: {tally:?}, the upstream saw {}",
        upstream.count()
    );
    assert_eq!((tally.answered, tally.refused), (300, 200), "{tally:?}");
    assert_eq!(upstream.count(), 300);
    assert_eq!((one.stop().await, two.stop().await), (Some(0), Some(0)));
    assert_eq!(sound(&operator, Some(&database)).await, 300);
    database.remove().await;
}

/// `kill -9` while callers are served, again and again.
async fn a_crash_gives_nothing_back(database: Option<&Database>, rounds: u64, limit: u64) {
    const CALLERS: u32 = 40;
    // In each round there is a crash with half of its share of the day still to be spent.
    let calls = limit / rounds / 2 - u64::from(CALLERS) / 2;
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let url = database.map(Database::url);
    let operator = Operator::of(&upstream, url.as_deref(), plans);
    let key = operator.issue(&format!("day{limit}"));
    let seen = || u64::try_from(upstream.count()).unwrap();
    let mut total = Tally::default();
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        let gateway = operator.serve().await;
        slowest = slowest.max(gateway.ready_after);
        let (target, address, key) = (seen() + calls, gateway.public, key.clone());
        let callers = tokio::spawn(async move { load(&[address], &key, CALLERS, 1_000).await });
        while seen() < target {
            sleep(Duration::from_millis(1)).await;
        }
        gateway.kill();
        total += callers.await.unwrap();
        let (seen, used) = (seen(), sound(&operator, database).await);
        // What was leased and not spent, and what was reserved and had not been sent yet.
        let bound = round * (BLOCK + u64::from(CALLERS));
        println!("kill {round}: the upstream saw {seen}, counted {used}, at most {bound} more");
        assert!(total.answered <= seen, "{total:?}");
        assert!(seen <= used, "a call was made that is not counted");
        assert!(used - seen <= bound, "{used} - {seen} > {bound}");
        assert!(used <= limit);
    }
    let mut gateway = operator.serve().await;
    let rest = load(&[gateway.public], &key, CALLERS, 10_000).await;
    slowest = slowest.max(gateway.ready_after);
    assert_eq!(rest.refused, u64::from(CALLERS), "{rest:?}");
    assert_eq!(gateway.stop().await, Some(0));
    let (seen, used) = (seen(), sound(&operator, database).await);
    println!("in all: the upstream saw {seen} of {limit}, ready after {slowest:?} at most");
    assert!(seen <= limit);
    assert_eq!(used, limit, "the rest could be spent to the last call");
    assert!(limit - seen <= rounds * (BLOCK + u64::from(CALLERS)));
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f_01_twenty_crashes_give_nothing_back_on_sqlite() {
    a_crash_gives_nothing_back(None, 20, 5_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f_01_crashes_give_nothing_back_on_postgres() {
    let database = Database::create().await;
    a_crash_gives_nothing_back(Some(&database), 4, 2_500).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_gives_back_what_was_not_spent() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, plans);
    let key = operator.issue("day2500");
    let mut gateway = operator.serve().await;
    let calm = load(&[gateway.public], &key, 8, 5).await;
    assert_eq!(calm.answered, 40);
    assert!(operator.used() > 40, "the process holds a block in reserve");
    assert_eq!(gateway.stop().await, Some(0));
    assert_eq!(sound(&operator, None).await, 40, "it was given back");

    // The same under load: whoever was served is counted, nobody else is.
    let mut gateway = operator.serve().await;
    let (address, owned) = (gateway.public, key.clone());
    let callers = tokio::spawn(async move { load(&[address], &owned, 20, 10_000).await });
    while upstream.count() < 300 {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(gateway.stop().await, Some(0));
    let busy = callers.await.unwrap();
    let seen = u64::try_from(upstream.count()).unwrap();
    println!("stopped under load: {busy:?}, the upstream saw {seen}");
    assert_eq!(sound(&operator, None).await, seen);
    assert_eq!(calm.answered + busy.answered, seen, "no answer was lost");

    // Another process spends exactly the rest.
    let mut gateway = operator.serve().await;
    let rest = load(&[gateway.public], &key, 20, 10_000).await;
    assert_eq!(rest.answered, 2_500 - seen);
    assert_eq!(upstream.count(), 2_500);
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_05_a_call_that_a_crash_cut_off_is_charged_once() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, plans);
    let key = operator.issue("day3");
    let gateway = operator.serve().await;
    let held = std::sync::Arc::new(tokio::sync::Notify::new());
    upstream.behave(Behaviour::Held(held));
    let address = gateway.public;
    let owned = key.clone();
    let caller = tokio::spawn(async move { load(&[address], &owned, 1, 1).await });
    upstream.arrival().await;
    gateway.kill();
    assert_eq!(caller.await.unwrap().broken, 1);
    assert_eq!(sound(&operator, None).await, 1, "charged, and once");

    upstream.behave(Behaviour::Json(r#"{"ok":true}"#.into()));
    let mut gateway = operator.serve().await;
    let rest = load(&[gateway.public], &key, 1, 10).await;
    assert_eq!((rest.answered, rest.refused), (2, 1));
    assert_eq!(upstream.count(), 3);
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_06_a_call_that_never_left_is_given_back() {
    away_from_midnight().await;
    let upstream = Upstream::start().await;
    let operator = Operator::of(&upstream, None, plans);
    let key = operator.issue("day3");
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let base = format!("http://{}", upstream.address);
    operator.place.edit(&base, &format!("http://{closed}"));
    let mut gateway = operator.serve().await;
    let client = Client::modern(gateway.public, &key);
    let since = Instant::now();
    for _ in 0..8 {
        let answer = client.call("search", json!({ "q": "x" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["result"]["isError"], true, "{}", answer.body);
    }
    assert_eq!(gateway.stop().await, Some(0));
    println!("eight refused connections took {:?}", since.elapsed());
    assert_eq!(sound(&operator, None).await, 0);

    operator.place.edit(&format!("http://{closed}"), &base);
    let mut gateway = operator.serve().await;
    let rest = load(&[gateway.public], &key, 1, 10).await;
    assert_eq!((rest.answered, rest.refused), (3, 1));
    assert_eq!(upstream.count(), 3);
    assert_eq!(gateway.stop().await, Some(0));
}
