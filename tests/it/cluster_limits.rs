//! The minute of a session and of a license through the load balancer: exact over all replicas while
//! Redis is well, within what is said of it when Redis is killed, stalled or emptied.
//!
//! A window gives its limit at once and then one more each sixtieth of a minute over the limit, by the
//! clock of the Redis server. So what passes in a while is the limit and what came back in that while.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{
    cluster::{
        Cluster, REPLICAS,
        traffic::{Spent, Traffic},
    },
    gateway::Setup,
    operator::away_from_midnight,
};

const CALLERS: usize = 300;
/// Of a session or license in a minute: one comes back each second.
const MINUTE: u64 = 60;
/// Of the license whose day is counted.
const DAY: u64 = 600;
const LOOK: Duration = Duration::from_secs(3);

/// Which tier is under test; the other one is out of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Session,
    License,
}

/// 300 callers with one key, for some seconds.
async fn exact(tier: Tier) {
    let cluster = Cluster::start(|setup| {
        match tier {
            Tier::Session => {
                let limits = &setup.limits;
                setup.limits = limits.replace("session: 1000000/min", "session: 60/min");
            }
            Tier::License => {
                setup.plans = format!("  pro: {{ per_minute: {MINUTE}, tools: [\"*\"] }}\n");
            }
        }
        // 300 callers begin at once, on a machine that may have other work: a late answer of Redis
        // is no reason to count without it.
        setup.more += "shared: { redis: { url: { env: REDIS_URL }, timeout: 5s } }\n";
    })
    .await;
    let key = cluster.key("pro").await;
    let pace = Duration::from_millis(400);
    let traffic = Traffic::begin(cluster.through(), &[&key], CALLERS, pace, Spent::Insist);
    sleep(LOOK).await;
    let (calls, took) = traffic.stop().await;
    let back = took.as_secs();
    let refused = match tier {
        Tier::Session => calls.session,
        Tier::License => calls.minute,
    };
    println!(
        "{tier:?} tier: {MINUTE} a minute, {CALLERS} callers over {REPLICAS} replicas for {took:?}: {} \
         answered, {refused} refused of {}; {back} came back meanwhile",
        calls.answered,
        calls.sent()
    );
    assert_eq!(calls.answered, cluster.upstream_saw());
    assert_eq!(
        calls.answered + refused + calls.unavailable,
        calls.sent(),
        "{calls:?}"
    );
    assert!(calls.answered >= MINUTE, "{calls:?}");
    assert!(calls.answered <= MINUTE + back + 1, "{calls:?}");
    assert!(refused > 100, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_02_a_sessions_minute_is_exact_over_all_replicas() {
    exact(Tier::Session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_02_a_licenses_minute_is_exact_over_all_replicas() {
    exact(Tier::License).await;
}

fn plans(setup: &mut Setup) {
    setup.plans = format!(
        "  minute: {{ per_minute: {MINUTE}, tools: [\"*\"] }}\n  \
         day: {{ per_minute: 1000000, per_day: {DAY}, tools: [\"*\"] }}\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f_05_q_04_redis_killed_stalled_and_emptied_costs_no_call_and_no_day() {
    away_from_midnight().await;
    let mut cluster = Cluster::start(plans).await;
    cluster.all_counted().await;
    let (minute, day) = (cluster.key("minute").await, cluster.key("day").await);
    let begin = |key: &str, callers, pace| {
        let pace = Duration::from_millis(pace);
        Traffic::begin(cluster.through(), &[key], callers, pace, Spent::Insist)
    };
    let (minutes, days) = (begin(&minute, 20, 200), begin(&day, 30, 500));
    sleep(LOOK).await;
    cluster.redis.kill();
    sleep(LOOK).await;
    cluster.redis.restart();
    sleep(LOOK).await;
    cluster.redis.freeze();
    sleep(LOOK).await;
    cluster.redis.thaw();
    sleep(LOOK).await;
    cluster.redis.flush_all();
    sleep(LOOK).await;
    let (minutes, took) = minutes.stop().await;
    let (days, _) = days.stop().await;
    // As docs/failure-modes.md says: a window in Redis at first; for each time that it is away (killed,
    // stalled) the shares of all replicas, for each time that it comes to know nothing (restarted,
    // emptied) a window in it; and what comes back meanwhile.
    let replicas = u64::try_from(REPLICAS).unwrap();
    let shares = replicas * (MINUTE / replicas).max(1);
    let most = MINUTE + (shares + MINUTE) + shares + MINUTE + took.as_secs() + 1;
    println!(
        "F-05: killed, back, stalled, back, emptied in {took:?}: the minute's license: {minutes:?}, at \
         most {most}; the day's license: {days:?} of {DAY}; the upstream saw {}; 503 for {:?}",
        cluster.upstream_saw(),
        cluster.unavailable()
    );
    for calls in [&minutes, &days] {
        assert_eq!((calls.unavailable, calls.broken, calls.other), (0, 0, 0));
    }
    assert!((MINUTE..=most).contains(&minutes.answered));
    assert_eq!(days.answered, DAY, "to the call, whatever Redis does");
    assert!(days.day > 0);
    assert_eq!(cluster.upstream_saw(), minutes.answered + DAY);
}
