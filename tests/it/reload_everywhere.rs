//! `wicketgate reload`: every replica reads its own files, and the command tells how that went.

use std::{fs, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{
    operator::{Operator, Serving},
    postgres::Private,
    upstream::Upstream,
};

const CANARY: &str = "CANARY-in-a-bad-file-9d2e";

async fn reloads(serving: &Serving) -> u64 {
    let metrics = serving.ask("/metrics").await.unwrap().body;
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("wicketgate_reloads_total "));
    count.unwrap().parse().unwrap()
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_reloads_and_says_how_that_went() {
    let (upstream, database) = (Upstream::start().await, Private::start());
    let mut operator = Operator::of(&upstream, Some(&database.url()), |_| {});
    let alone = operator.run("reload --json").done().json();
    assert_eq!(alone["replicas"], Value::Array(Vec::new()));

    // The second has files of its own, as on another machine.
    let elsewhere = operator.place.path("elsewhere.yaml");
    fs::copy(operator.place.path("wicketgate.yaml"), &elsewhere).unwrap();
    let mut first = operator.serve().await;
    operator.export("WICKETGATE_CONFIG", elsewhere.to_str().unwrap());
    let mut second = operator.serve().await;
    let own = operator.place.path("wicketgate.yaml");
    operator.export("WICKETGATE_CONFIG", own.to_str().unwrap());
    let listed = operator.run("replicas --json").done().json();
    assert_eq!(rows(&listed).len(), 2, "{listed}");
    for row in rows(&listed) {
        assert_eq!(row["status"], "live");
        assert_eq!(row["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(row["fault"], Value::Null);
        assert_eq!(row["configuration"].as_str().unwrap().len(), 64);
    }

    let done = operator.run("reload --json").done().json();
    assert_eq!(rows(&done["replicas"]).len(), 2, "{done}");
    for row in rows(&done["replicas"]) {
        assert_eq!(row["answer"], "reloaded", "{done}");
    }
    assert_eq!((reloads(&first).await, reloads(&second).await), (1, 1));

    // A bad file at one: it serves on, and everybody is told which and why, without its content.
    let text = fs::read_to_string(&elsewhere).unwrap();
    fs::write(&elsewhere, text.replace("10000/min", CANARY)).unwrap();
    let refused = operator.run("reload");
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(
        refused.err.contains("1 of 2 replicas refused"),
        "{}",
        refused.err
    );
    assert!(refused.out.contains("elsewhere.yaml:"), "{}", refused.out);
    assert!(refused.out.contains("reloaded"), "{}", refused.out);
    let listed = operator.run("replicas").done().out;
    assert!(listed.contains("elsewhere.yaml:"), "{listed}");
    for said in [refused.out, refused.err, listed] {
        assert!(!said.contains(CANARY), "{said}");
    }
    assert_eq!(second.ask("/readyz").await.unwrap().status, 200);

    // Mended, the file is noticed within a second, and the fault is gone.
    let before = reloads(&second).await;
    fs::write(&elsewhere, text).unwrap();
    let since = Instant::now();
    while reloads(&second).await == before {
        assert!(since.elapsed() < Duration::from_secs(5), "never noticed");
        sleep(Duration::from_millis(20)).await;
    }
    println!("a mended file was served after {:?}", since.elapsed());
    operator.run("reload").done();
    let listed = operator.run("replicas --json").done().json();
    assert!(
        rows(&listed).iter().all(|row| row["fault"].is_null()),
        "{listed}"
    );

    // One that does not answer is named; one that ended is not waited for.
    second.signal("STOP");
    let silent = operator.run("reload --wait 1");
    assert_eq!(silent.code, 1, "{}", silent.out);
    assert!(
        silent.err.contains("1 of 2 replicas did not answer"),
        "{}",
        silent.err
    );
    second.signal("CONT");
    assert_eq!(second.stop().await, Some(0));
    let done = operator.run("reload --json").done().json();
    assert_eq!(rows(&done["replicas"]).len(), 1, "{done}");
    assert_eq!(first.stop().await, Some(0));
}
