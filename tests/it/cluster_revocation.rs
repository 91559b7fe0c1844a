//! How soon a revocation holds on every replica: measured over a thousand of them.
//!
//! `WICKETGATE_REGENERATE=1 cargo test --test it cluster_revocation` writes the histogram into
//! `docs/benchmarks.md`.

use std::{fmt::Write as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};
use wicketgate::ids::LicenseId;

use crate::support::{
    client::Client,
    cluster::{Cluster, REPLICAS},
    wire::Wire,
};

const REVOCATIONS: usize = 1_000;
/// How many are under way at once; all of them are asked for again and again.
const AT_ONCE: usize = 8;
/// How often each replica is asked.
const LOOK: Duration = Duration::from_millis(10);
/// Upper bounds of the histogram, in milliseconds.
const BOUNDS: [u64; 12] = [10, 20, 50, 100, 200, 300, 400, 500, 600, 800, 1_000, 5_000];
const MARKS: [&str; 2] = [
    "<!-- revocations: written by `WICKETGATE_REGENERATE=1 cargo test --test it cluster_revocation` -->\n",
    "<!-- /revocations -->\n",
];

/// One connection to one replica, and a request that asks whether the key still counts.
struct Asking {
    wire: Wire,
    request: String,
}

impl Asking {
    async fn of(address: SocketAddr, key: &str) -> Self {
        let client = Client::modern(address, key);
        let message = client.message(&json!(1), "tools/list", json!({}));
        Self {
            wire: Wire::connect(address).await,
            request: client.request(&message),
        }
    }

    async fn status(&mut self) -> u16 {
        self.wire.send(self.request.as_bytes()).await;
        self.wire.answer().await.expect("an answer").status
    }
}

/// From the committed revocation to this replica's first refusal.
async fn until_refused(mut asking: Asking, committed: Instant) -> Duration {
    loop {
        match asking.status().await {
            401 => return committed.elapsed(),
            200 => sleep(LOOK).await,
            other => panic!("{other}"),
        }
        assert!(committed.elapsed() < Duration::from_secs(10), "never");
    }
}

/// The slowest of the replicas.
async fn one(cluster: Arc<Cluster>, license: LicenseId, key: String) -> Duration {
    let mut all = Vec::new();
    for address in cluster.addresses() {
        let mut asking = Asking::of(address, &key).await;
        assert_eq!(asking.status().await, 200);
        all.push(asking);
    }
    cluster.revoke(license).await;
    let committed = Instant::now();
    let mut waiting: JoinSet<_> = all
        .into_iter()
        .map(|asking| until_refused(asking, committed))
        .collect();
    let mut slowest = Duration::ZERO;
    while let Some(took) = waiting.join_next().await {
        slowest = slowest.max(took.expect("a replica that refuses"));
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_revocations_hold_on_every_replica_within_a_second() {
    let cluster = Arc::new(Cluster::start(|_| ()).await);
    let licenses = cluster.issue("pro", REVOCATIONS).await;
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (license, key) in licenses {
        let (cluster, room) = (Arc::clone(&cluster), Arc::clone(&room));
        running.spawn(async move {
            let _place = room.acquire_owned().await.expect("room");
            one(cluster, license, key).await
        });
    }
    let mut took = Vec::with_capacity(REVOCATIONS);
    while let Some(one) = running.join_next().await {
        took.push(one.expect("a revocation that holds"));
    }
    took.sort_unstable();
    assert_eq!(took.len(), REVOCATIONS);
    let text = report(&took);
    println!("{text}");
    keep(&text);
    assert!(
        at(&took, 990) < Duration::from_secs(1),
        "p99 {:?}",
        at(&took, 990)
    );
    assert!(took[REVOCATIONS - 1] < Duration::from_secs(5));
}

/// So many of a thousand are at most that.
fn at(sorted: &[Duration], of_thousand: usize) -> Duration {
    sorted[(sorted.len() * of_thousand).div_ceil(1_000).max(1) - 1]
}

fn report(sorted: &[Duration]) -> String {
    let mut text = format!(
        "{REVOCATIONS} revocations, {REPLICAS} replicas, {AT_ONCE} at once, each replica asked every \
         {LOOK:?} on a connection of its own; debug build. From the commit to the last replica's first \
         401: p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms.\n\n| within ms | revocations |  |\n| ---: | ---: | --- |\n",
        at(sorted, 500).as_millis(),
        at(sorted, 900).as_millis(),
        at(sorted, 990).as_millis(),
        at(sorted, 1_000).as_millis(),
    );
    let mut before = 0;
    for bound in BOUNDS {
        let within = sorted.partition_point(|took| took.as_millis() < u128::from(bound));
        let here = within - before;
        before = within;
        let bar = "▪".repeat((here * 40).div_ceil(sorted.len()));
        writeln!(text, "| {bound} | {here} | {bar} |").expect("text");
    }
    text
}

/// Writes it into the document, when asked to.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for the developer, not for the program"
)]
fn keep(text: &str) {
    if std::env::var("WICKETGATE_REGENERATE").is_err() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
    let document = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = document.split_once(MARKS[0]).expect("the first mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("the second mark");
    let whole = format!("{before}{}{text}{}{after}", MARKS[0], MARKS[1]);
    std::fs::write(&path, whole).expect("the document");
}
