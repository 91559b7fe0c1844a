use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    entropy::SeededEntropy,
    store::{StoreTarget, UsageFilter},
};

const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

fn license(number: usize) -> LicenseId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    LicenseId::from_bytes(bytes)
}

fn note(log: &UsageLog, number: usize, happened: Happened, cost: u32) {
    let tool = "search".parse().unwrap();
    log.note(license(number), NOON.day(), &tool, happened, cost);
}

async fn sums(store: &Store) -> (usize, u64, u64) {
    let filter = UsageFilter {
        from: NOON.day(),
        to: NOON.day(),
        license: None,
        after: None,
        limit: 10_000,
    };
    let rows = store.tool_usage(&filter).await.unwrap();
    let answered = rows.iter().map(|row| row.usage.answered).sum();
    let cost = rows.iter().map(|row| row.usage.cost).sum();
    (rows.len(), answered, cost)
}

#[tokio::test]
async fn what_the_store_did_not_take_is_written_later_and_once() {
    let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
    let (clock, entropy) = (ManualClock::new(NOON), SeededEntropy::new(7));
    let log = UsageLog::default();
    for number in 0..=BATCH {
        note(&log, number, Happened::Answered, 7);
    }
    // No tables yet: the store refuses.
    log.write(&store, &clock, &entropy).await;
    assert_eq!(log.state().waiting.len(), 2);
    note(&log, 0, Happened::Answered, 7);
    note(&log, 0, Happened::Refused, 7);
    store.migrate(NOON).await.unwrap();
    // One of them arrived although we heard otherwise.
    let arrived = log.state().waiting[0].clone();
    store.add_usage(&arrived, NOON).await.unwrap();
    log.write(&store, &clock, &entropy).await;
    log.write(&store, &clock, &entropy).await;
    assert!(log.state().waiting.is_empty());
    let calls = BATCH as u64 + 2;
    assert_eq!(sums(&store).await, (BATCH + 1, calls, 7 * calls));
}

#[tokio::test]
async fn a_large_log_asks_to_be_written_and_is_bounded() {
    let log = UsageLog::default();
    for number in 0..LARGE {
        note(&log, number, Happened::Answered, 1);
    }
    log.is_large().await;
    for number in LARGE..MOST + 3 {
        note(&log, number, Happened::Answered, 1);
    }
    let (rows, lost) = {
        let state = log.state();
        (state.rows, state.lost)
    };
    assert_eq!((rows, lost), (MOST, 3));
    // What is known is added up on.
    note(&log, 0, Happened::Failed, 1);
    assert_eq!(log.state().lost, 3);
}

#[test]
fn a_write_that_is_given_up_loses_nothing() {
    let log = UsageLog::default();
    note(&log, 1, Happened::Answered, 1);
    let (clock, entropy) = (ManualClock::new(NOON), SeededEntropy::new(7));
    let batches = log.take(|| UsageBatchId::generate(clock.now(), &entropy));
    drop(Writing { log: &log, batches });
    assert_eq!(log.state().waiting.len(), 1);
}
