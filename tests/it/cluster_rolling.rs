//! Replicas are replaced one after the other while customers call: nobody notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::support::{
    client::Client,
    cluster::{
        Cluster, REPLICAS,
        traffic::{Spent, Traffic},
    },
    upstream::Behaviour,
};

const ROUNDS: usize = 10;
const CALLERS: usize = 40;
const STREAMS: usize = 24;

/// What became of streams.
#[derive(Debug, Default)]
struct Streams {
    opened: u64,
    /// With their own request's result.
    completed: u64,
    /// Without it.
    cut: u64,
    /// Still open when everything was over.
    open: u64,
}

/// Keeps one `subscriptions/listen` open: whenever it ends, opens the next.
async fn listener(client: Client, over: Arc<AtomicBool>) -> Streams {
    let mut seen = Streams::default();
    while !over.load(Ordering::Relaxed) {
        let mut wire = client.listen().await;
        seen.opened += 1;
        loop {
            match timeout(Duration::from_millis(100), wire.event()).await {
                Err(_) if over.load(Ordering::Relaxed) => {
                    seen.open += 1;
                    return seen;
                }
                Err(_) => {}
                Ok(Some(event)) if event["result"]["resultType"] == "complete" => {
                    assert_eq!(event["id"], "sub-1");
                    seen.completed += 1;
                    break;
                }
                Ok(Some(event)) => println!("a stream was told {event}"),
                Ok(None) => {
                    seen.cut += 1;
                    break;
                }
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn f_12_ten_rolling_restarts_under_load_fail_no_call_and_end_every_stream() {
    let mut cluster = Cluster::start(|setup| {
        setup.limits += "  subscriptions_per_license: 100\n";
    })
    .await;
    // Calls take a while, so that some are always under way.
    cluster
        .upstream
        .behave(Behaviour::After(Duration::from_millis(60)));
    let key = cluster.key("pro").await;
    let over = Arc::new(AtomicBool::new(false));
    let mut listeners = JoinSet::new();
    for _ in 0..STREAMS {
        let client = Client::modern(cluster.through(), &key);
        listeners.spawn(listener(client, Arc::clone(&over)));
    }
    let pace = Duration::from_millis(200);
    let traffic = Traffic::begin(cluster.through(), &[&key], CALLERS, pace, Spent::Insist);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for at in 0..REPLICAS {
            cluster.stop(at).await;
            cluster.restart(at).await;
        }
    }
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let (calls, _) = traffic.stop().await;
    let mut streams = Streams::default();
    while let Some(one) = listeners.join_next().await {
        let one = one.expect("a listener that does not panic");
        streams.opened += one.opened;
        streams.completed += one.completed;
        streams.cut += one.cut;
        streams.open += one.open;
    }
    println!(
        "F-12: {} restarts in {took:?}: {} calls sent, {} failed, the slowest {:?}; {} streams \
         opened, {} ended with their result, {} cut, {} still open",
        ROUNDS * REPLICAS,
        calls.sent(),
        calls.failed(),
        calls.slowest,
        streams.opened,
        streams.completed,
        streams.cut,
        streams.open,
    );
    for line in cluster.balancer_troubles() {
        println!("{line}");
    }
    assert_eq!(calls.failed(), 0, "{calls:?}");
    assert!(calls.answered > 1_000, "{calls:?}");
    assert_eq!(streams.cut, 0, "{streams:?}");
    assert!(streams.completed >= 50, "{streams:?}");
    assert_eq!(streams.opened, streams.completed + streams.open);
    // A call was made once each.
    assert_eq!(cluster.upstream_saw(), calls.answered);
}
