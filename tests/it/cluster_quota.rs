//! The day of a license through the load balancer: exact under many callers, never over when gateways
//! are killed, whatever happens to Redis or PostgreSQL.

use std::time::Duration;

use sqlx::Row as _;
use tokio::time::{Instant, sleep};

use crate::support::{
    cluster::{
        Cluster, REPLICAS,
        traffic::{Spent, Traffic},
    },
    operator::away_from_midnight,
};

const CALLERS: usize = 300;
const DAY: u64 = 900;
/// Larger than what is called before the last kill.
const LONG_DAY: u64 = 6_000;
const KILLS: usize = 6;

fn plans(setup: &mut crate::support::gateway::Setup) {
    setup.plans = format!(
        "  day: {{ per_day: {DAY}, tools: [\"*\"] }}\n  \
         long: {{ per_day: {LONG_DAY}, tools: [\"*\"] }}\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_01_300_callers_through_the_load_balancer_get_exactly_the_day() {
    away_from_midnight().await;
    let mut cluster = Cluster::start(plans).await;
    let key = cluster.key("day").await;
    let pace = Duration::from_millis(1);
    let traffic = Traffic::begin(cluster.through(), &[&key], CALLERS, pace, Spent::Leave);
    let (calls, took) = traffic.all().await;
    let spread: Vec<usize> = (0..REPLICAS)
        .map(|at| cluster.access_log(at).lines().count())
        .collect();
    println!(
        "Q-01: {CALLERS} callers, {DAY} a day, in {took:?}: {calls:?}, the upstream saw {}, \
         requests of each gateway {spread:?}, 503 for {:?}",
        cluster.upstream_saw(),
        cluster.unavailable()
    );
    assert_eq!((calls.answered, calls.day), (DAY, CALLERS as u64));
    // On a machine with other work the store may be late for a moment; such a call costs nothing.
    assert_eq!(calls.sent(), DAY + CALLERS as u64 + calls.unavailable);
    assert_eq!(cluster.upstream_saw(), DAY);
    assert!(spread.iter().all(|lines| *lines > 100), "{spread:?}");
    for at in 0..REPLICAS {
        cluster.stop(at).await;
    }
    let counted = cluster.counted().await;
    assert_eq!((counted.used, counted.in_open_leases), (DAY, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_01_a_kill_each_second_never_gives_more_than_the_day() {
    away_from_midnight().await;
    let mut cluster = Cluster::start(plans).await;
    let key = cluster.key("long").await;
    let pace = Duration::from_millis(250);
    let traffic = Traffic::begin(cluster.through(), &[&key], CALLERS, pace, Spent::Leave);
    for round in 0..KILLS {
        let second = Instant::now() + Duration::from_secs(1);
        let at = round % REPLICAS;
        cluster.kill(at);
        cluster.restart(at).await;
        tokio::time::sleep_until(second).await;
    }
    let killed = cluster.upstream_saw();
    assert!(killed > 0 && killed < LONG_DAY, "{killed} before the last");
    let (calls, took) = traffic.all().await;
    for at in 0..REPLICAS {
        cluster.stop(at).await;
    }
    let (seen, counted) = (cluster.upstream_saw(), cluster.counted().await);
    // What the dead processes held is spent as far as the store knows, and nobody else may have it.
    println!(
        "Q-01: {KILLS} kills in {took:?}: {calls:?}, the upstream saw {seen} ({killed} at the last \
         kill) of {LONG_DAY}, counted {}, in leases of dead processes {}",
        counted.used, counted.in_open_leases
    );
    assert_eq!(calls.other, 0, "{calls:?}");
    assert!(calls.answered <= seen && seen <= LONG_DAY);
    assert!(seen <= counted.used && counted.used <= LONG_DAY);
    assert_eq!(
        counted.used, LONG_DAY,
        "the rest was spent to the last call"
    );
    assert!(
        LONG_DAY - seen <= counted.in_open_leases,
        "under by more than what the dead held"
    );
}

/// Which fault PostgreSQL has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Stopped,
    Stalled,
    ReadOnly,
}

#[tokio::test(flavor = "multi_thread")]
async fn f_02_f_03_f_04_a_database_in_trouble_never_gives_more_than_the_day() {
    away_from_midnight().await;
    let mut cluster = Cluster::start(plans).await;
    for fault in [Fault::Stopped, Fault::Stalled, Fault::ReadOnly] {
        let key = cluster.key("day").await;
        let (before, used) = (cluster.upstream_saw(), cluster.counted().await.used);
        let pace = Duration::from_millis(500);
        let traffic = Traffic::begin(cluster.through(), &[&key], 100, pace, Spent::Leave);
        while cluster.upstream_saw() < before + 200 {
            sleep(Duration::from_millis(5)).await;
        }
        begins(&mut cluster, fault).await;
        // Longer than anything that was remembered may count.
        sleep(Duration::from_secs(7)).await;
        let silent = cluster.upstream_saw();
        sleep(Duration::from_secs(1)).await;
        let still = cluster.upstream_saw() - silent;
        ends(&mut cluster, fault).await;
        let since = Instant::now();
        let (calls, took) = traffic.all().await;
        let seen = cluster.upstream_saw() - before;
        let counted = cluster.counted().await.used - used;
        println!(
            "{fault:?}: in {took:?} ({:?} after its end): {calls:?}, the upstream saw {seen} of \
             {DAY}, {} of them in the fault, {still} in its last second; counted {counted}",
            since.elapsed(),
            silent - before
        );
        assert_eq!(calls.other, 0, "never 401 or 500: {calls:?}");
        assert!(calls.unavailable > 0, "{calls:?}");
        assert!(calls.answered <= seen && seen <= counted && counted <= DAY);
        assert_eq!(counted, DAY, "after the fault the rest could be spent");
        if fault != Fault::ReadOnly {
            assert_eq!(still, 0, "trusted longer than five seconds");
        }
    }
}

async fn begins(cluster: &mut Cluster, fault: Fault) {
    match fault {
        Fault::Stopped => cluster.postgres.order("stop"),
        Fault::Stalled => cluster.postgres.order("freeze"),
        Fault::ReadOnly => read_only(cluster, "on").await,
    }
}

async fn ends(cluster: &mut Cluster, fault: Fault) {
    match fault {
        Fault::Stopped => cluster.postgres.order("start"),
        Fault::Stalled => cluster.postgres.order("thaw"),
        Fault::ReadOnly => read_only(cluster, "off").await,
    }
}

/// As after a failover to a replica: from now on every transaction of every connection reads only.
async fn read_only(cluster: &Cluster, value: &str) {
    let mut connection = cluster.administrator().await;
    let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
    for sql in [sql.as_str(), "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .expect("a setting");
    }
    let shown = sqlx::query("SHOW default_transaction_read_only")
        .fetch_one(&mut connection)
        .await;
    println!("read-only: {}", shown.expect("a row").get::<String, _>(0));
}
