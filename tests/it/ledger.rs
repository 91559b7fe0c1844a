//! The license's day: exact at the limit, and never over it, on both databases.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::poll;
use wicketgate::{
    clock::Clock,
    ids::{LicenseId, ReplicaId},
    ledger::{Ledger, LedgerError, Reservation},
    quota::Tier,
};

use crate::support::database::{Fixture, NOON, on_both, per_day};

on_both! {
    concurrent_callers_get_exactly_the_limit
    two_processes_share_the_limit_exactly
    a_crash_gives_nothing_back
    closing_gives_unspent_calls_back
    callers_that_go_away_lose_nothing
    a_new_day_begins_at_midnight
    a_lowered_limit_holds_at_the_next_call
    a_lowered_limit_counts_what_others_used
    a_refund_can_be_spent_again
    without_the_database_only_the_block_serves
    quiet_licenses_are_forgotten
    a_steady_call_needs_no_database
}

const LICENSE: LicenseId = LicenseId::from_bytes([5; 16]);

async fn used(fixture: &Fixture) -> u64 {
    let day = NOON.day();
    let days = fixture.store.usage(LICENSE, day, day).await.unwrap();
    days.first().map_or(0, |day| day.used)
}

/// Spends until the day is exhausted; how many calls that were.
async fn spend_all(ledger: &Ledger, limit: u32) -> u32 {
    let mut spent = 0;
    loop {
        match ledger.reserve(LICENSE, &per_day(limit), 1).await {
            Ok(reservation) => {
                reservation.settle();
                spent += 1;
                assert!(spent <= limit);
            }
            Err(LedgerError::Exhausted(_)) => return spent,
            Err(LedgerError::Unavailable) => panic!("unavailable after {spent}"),
        }
    }
}

async fn take(ledger: &Ledger, limit: u32, count: usize) -> Vec<Reservation> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(ledger.reserve(LICENSE, &per_day(limit), 1).await.unwrap());
    }
    taken
}

async fn concurrent_callers_get_exactly_the_limit(fixture: &Fixture) {
    let ledger = Arc::new(fixture.ledger().await);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { ledger.reserve(LICENSE, &per_day(137), 1).await })
        })
        .collect();
    let (mut held, mut refused) = (Vec::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(reservation) => held.push(reservation),
            Err(LedgerError::Exhausted(exhausted)) => {
                assert_eq!(exhausted.tier, Tier::LicenseDay);
                assert_eq!(exhausted.retry_after, Duration::from_hours(12));
                refused += 1;
            }
            Err(LedgerError::Unavailable) => panic!("unavailable"),
        }
    }
    assert_eq!((held.len(), refused), (137, 63));
    assert_eq!(used(fixture).await, 137);
}

async fn two_processes_share_the_limit_exactly(fixture: &Fixture) {
    let ledgers = [
        Arc::new(fixture.ledger().await),
        Arc::new(fixture.ledger().await),
    ];
    let tasks: Vec<_> = (0..240)
        .map(|number| {
            let ledger = Arc::clone(&ledgers[number % 2]);
            tokio::spawn(async move {
                ledger
                    .reserve(LICENSE, &per_day(300), 1)
                    .await
                    .map(Reservation::settle)
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let [first, second] = ledgers;
    let (first, second) = (first.close().await, second.close().await);
    assert_eq!(first.failed + second.failed, 0);
    assert_eq!(used(fixture).await, 240);
    assert_eq!(spend_all(&fixture.ledger().await, 300).await, 60);
    assert_eq!(used(fixture).await, 300);
}

async fn a_crash_gives_nothing_back(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    take(&ledger, 1_000, 12).await;
    drop(ledger);
    let counted = used(fixture).await;
    assert!((13..=62).contains(&counted), "{counted}");
    let lease = fixture.store.open_leases().await.unwrap()[0];
    assert_eq!((lease.license, lease.granted), (LICENSE, counted));
    let rest = spend_all(&fixture.ledger().await, 1_000).await;
    assert_eq!(u64::from(rest), 1_000 - counted);
}

async fn closing_gives_unspent_calls_back(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let held = take(&ledger, 1_000, 12).await;
    let before = used(fixture).await;
    let given = ledger.close().await;
    assert_eq!(
        (given.leases, given.units, given.failed),
        (1, before - 12, 0)
    );
    assert_eq!(used(fixture).await, 12);
    let late = ledger
        .reserve(LICENSE, &per_day(1_000), 1)
        .await
        .unwrap_err();
    assert_eq!(late, LedgerError::Unavailable);
    // Too late to be counted, and no harm.
    held.into_iter().for_each(Reservation::refund);
    assert_eq!(ledger.close().await.leases, 0);
    assert_eq!(used(fixture).await, 12);
    assert_eq!(fixture.store.open_leases().await.unwrap(), []);
}

async fn callers_that_go_away_lose_nothing(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let (mut went, allowance) = (0, per_day(500));
    for _ in 0..60 {
        // Polled once, which starts the refill, and dropped.
        let mut call = pin!(ledger.reserve(LICENSE, &allowance, 1));
        if let std::task::Poll::Ready(done) = poll!(call.as_mut()) {
            done.unwrap().refund();
        } else {
            went += 1;
        }
    }
    assert!(went > 0);
    assert_eq!(spend_all(&ledger, 500).await, 500);
}

async fn a_new_day_begins_at_midnight(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let mut held = take(&ledger, 1_000, 30).await;
    fixture.clock.advance(Duration::from_hours(12));
    let today = fixture.clock.now().day();
    ledger
        .reserve(LICENSE, &per_day(1_000), 1)
        .await
        .unwrap()
        .settle();
    // Its day is over: void.
    held.pop().unwrap().refund();
    drop(held);
    let given = ledger.close().await;
    assert_eq!(given.failed, 0);
    assert_eq!(used(fixture).await, 30);
    let days = fixture.store.usage(LICENSE, today, today).await.unwrap();
    assert_eq!(days[0].used, 1);
    assert_eq!(fixture.store.open_leases().await.unwrap(), []);
}

async fn a_lowered_limit_holds_at_the_next_call(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let mut held = take(&ledger, 2_000, 20).await;
    let refused = ledger.reserve(LICENSE, &per_day(10), 1).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Exhausted(_)));
    assert_eq!(used(fixture).await, 20);
    // What comes back is over the lowered limit, too.
    held.pop().unwrap().refund();
    let refused = ledger.reserve(LICENSE, &per_day(10), 1).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Exhausted(_)));
    assert_eq!(take(&ledger, 21, 2).await.len(), 2);
    assert_eq!(spend_all(&ledger, 21).await, 0);
    assert_eq!(used(fixture).await, 21);
}

async fn a_lowered_limit_counts_what_others_used(fixture: &Fixture) {
    let (ours, theirs) = (fixture.ledger().await, fixture.ledger().await);
    take(&ours, 10_000, 2).await;
    take(&theirs, 10_000, 98).await;
    assert!(used(fixture).await > 100);
    // We know of few calls only, and have some left; the day has more.
    let refused = ours.reserve(LICENSE, &per_day(90), 1).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Exhausted(_)));
}

async fn without_the_database_only_the_block_serves(fixture: &Fixture) {
    let replica = ReplicaId::from_bytes([1; 16]);
    let (clock, entropy) = (fixture.clock.clone(), fixture.entropy.clone());
    let store = fixture.another().await;
    let ledger = Ledger::new(store.clone(), clock, entropy, replica);
    take(&ledger, 1_000, 1).await;
    store.close().await;
    let mut served = 0;
    let refused = loop {
        match ledger.reserve(LICENSE, &per_day(1_000), 1).await {
            Ok(_) => served += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((served, refused), (9, LedgerError::Unavailable));
    let again = ledger.reserve(LICENSE, &per_day(1_000), 1).await;
    assert_eq!(again.unwrap_err(), LedgerError::Unavailable);
    assert_eq!(ledger.close().await.failed, 1);
    // What was leased stays counted; the rest is there for another process.
    assert_eq!(spend_all(&fixture.ledger().await, 1_000).await, 990);
}

async fn a_refund_can_be_spent_again(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    for _ in 0..5 {
        let only = ledger.reserve(LICENSE, &per_day(1), 1).await.unwrap();
        assert_eq!(spend_all(&ledger, 1).await, 0);
        only.refund();
    }
    assert_eq!(spend_all(&ledger, 1).await, 1);
}

async fn quiet_licenses_are_forgotten(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let held = take(&ledger, 1_000, 10).await;
    fixture.clock.advance(Duration::from_secs(301));
    ledger.sweep().await;
    assert_eq!(ledger.remembered(), 1, "a call is under way");
    drop(held);
    assert_eq!(ledger.sweep().await.leases, 1);
    assert_eq!(ledger.remembered(), 0);
    assert_eq!(used(fixture).await, 10);
    assert_eq!(take(&ledger, 1_000, 1).await.len(), 1);
}

async fn a_steady_call_needs_no_database(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    take(&ledger, 100_000, 1).await;
    // Ready at the first poll: there was nothing to wait for.
    let (mut steady, allowance) = (0, per_day(100_000));
    for _ in 0..49 {
        let mut call = pin!(ledger.reserve(LICENSE, &allowance, 1));
        if let std::task::Poll::Ready(done) = poll!(call.as_mut()) {
            done.unwrap().settle();
            steady += 1;
        }
    }
    assert_eq!(steady, 49);
    assert_eq!(used(fixture).await, 50);
}
