//! `wicketgate replicas`: who serves now, and what.

use clap::Args;
use serde_json::{Value, json};

use super::{failure::Failure, license::expiry::minute, open::Desk, output};
use crate::{clock::Timestamp, store::ReplicaRecord};

/// So many digits of a digest are for people.
const DIGITS: usize = 12;

/// List the gateway processes that use this store
///
/// Each writes every five seconds that it lives. One that ends takes its row away; one that ended
/// without a word is shown as `lost` for a day.
#[derive(Debug, Args)]
pub struct ReplicasArgs {}

/// The list.
pub async fn run(desk: &Desk, _: &ReplicasArgs) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let store = desk.prepared(&loaded).await?;
    let (replicas, now) = (store.replicas().await?, store.time(&*desk.clock).await?);
    store.close().await;
    let machine: Vec<_> = replicas.iter().map(|it| to_json(it, now)).collect();
    let rows = replicas.iter().map(|it| {
        [
            it.id.to_string(),
            status(it, now).to_owned(),
            it.version.clone(),
            minute(it.started),
            format!("{} s ago", now.since(it.seen).as_secs()),
            short(&it.config).to_owned(),
            it.fault.clone().unwrap_or_default(),
        ]
    });
    let head = [
        "id",
        "status",
        "version",
        "since",
        "seen",
        "configuration",
        "fault",
    ];
    desk.output.show(&machine, output::table(head, rows));
    if replicas.is_empty() {
        desk.output.note("no gateway uses this store now");
    }
    Ok(())
}

/// A replica as `--json` shows it.
fn to_json(replica: &ReplicaRecord, now: Timestamp) -> Value {
    json!({
        "id": replica.id,
        "status": status(replica, now),
        "version": replica.version,
        "since": replica.started.to_string(),
        "seen": replica.seen.to_string(),
        "configuration": replica.config,
        "fault": replica.fault,
    })
}

fn status(replica: &ReplicaRecord, now: Timestamp) -> &'static str {
    if replica.is_living(now) {
        "live"
    } else {
        "lost"
    }
}

/// The beginning of a digest.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..DIGITS).unwrap_or(digest)
}
