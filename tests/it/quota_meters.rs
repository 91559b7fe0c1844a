//! A license's month and cost beside its day: exact, all or none, on both databases.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use wicketgate::{
    clock::Clock,
    ids::LicenseId,
    ledger::{Ledger, LedgerError},
    license::Allowance,
    quota::{Exhausted, Meter, Tier},
};

use crate::support::database::{Fixture, NOON, on_both, per_day};

on_both! {
    a_budget_is_exact_in_units
    a_month_ends_at_its_last_midnight
    a_refused_call_takes_from_no_window
    a_refund_gives_all_windows_back
    a_costly_call_that_does_not_fit_leaves_the_rest_to_others
    a_steady_costly_call_needs_no_database
    q_01_three_ledgers_give_out_exactly_the_limit
}

const LICENSE: LicenseId = LicenseId::from_bytes([4; 16]);

fn limits(day: u32, month: Option<u32>, cost: Option<u32>) -> Allowance {
    Allowance {
        per_month: month.and_then(NonZeroU32::new),
        cost_per_day: cost.and_then(NonZeroU32::new),
        ..per_day(day)
    }
}

/// Spends until a window refuses; how many calls that were, and what it said.
async fn spend(ledger: &Ledger, allowance: &Allowance, cost: u32) -> (u32, Exhausted) {
    let mut calls = 0;
    loop {
        match ledger.reserve(LICENSE, allowance, cost).await {
            Ok(reservation) => reservation.settle(),
            Err(LedgerError::Exhausted(exhausted)) => return (calls, exhausted),
            Err(LedgerError::Unavailable) => panic!("unavailable after {calls}"),
        }
        calls += 1;
    }
}

/// Used of the day, the month and the budget.
async fn used(fixture: &Fixture) -> [u64; 3] {
    let day = fixture.clock.now().day();
    let windows = fixture.store.windows(LICENSE, day, day).await.unwrap();
    [Meter::CallsDay, Meter::CallsMonth, Meter::CostDay].map(|meter| {
        let found = windows.iter().find(|counted| counted.meter == meter);
        found.map_or(0, |counted| counted.used)
    })
}

async fn a_budget_is_exact_in_units(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let budget = limits(1_000, None, Some(100));
    let (sevens, said) = spend(&ledger, &budget, 7).await;
    assert_eq!((sevens, said.tier), (14, Tier::LicenseCost));
    assert_eq!(said.retry_after, Duration::from_hours(12));
    let (ones, said) = spend(&ledger, &budget, 1).await;
    assert_eq!((ones, said.tier), (2, Tier::LicenseCost));
    // Free tools cost nothing, and more than the whole budget is never there.
    ledger.reserve(LICENSE, &budget, 0).await.unwrap().settle();
    let beyond = limits(1_000, None, Some(5));
    assert_eq!(spend(&fixture.ledger().await, &beyond, 7).await.0, 0);
    ledger.close().await;
    println!("budget 100: {sevens} calls of 7 and {ones} of 1");
    assert_eq!(used(fixture).await, [17, 0, 100]);
}

async fn a_month_ends_at_its_last_midnight(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let monthly = limits(1_000, Some(40), None);
    let (calls, said) = spend(&ledger, &monthly, 1).await;
    assert_eq!((calls, said.tier), (40, Tier::LicenseMonth));
    let rest = fixture.clock.now().until_next_month();
    assert_eq!(said.retry_after, rest);
    fixture.clock.advance(Duration::from_hours(24));
    assert_eq!(
        spend(&ledger, &monthly, 1).await.0,
        0,
        "a new day, no new month"
    );
    let rest = fixture.clock.now().until_next_month();
    fixture
        .clock
        .advance(rest.saturating_sub(Duration::from_millis(1)));
    let (calls, said) = spend(&ledger, &monthly, 1).await;
    assert_eq!((calls, said.retry_after_seconds()), (0, 1));
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(fixture.clock.now().to_string(), "2026-12-01T00:00:00Z");
    assert_eq!(spend(&ledger, &monthly, 1).await.0, 40);
    assert_eq!(ledger.close().await.failed, 0);
    assert_eq!(used(fixture).await, [40, 40, 0]);
}

async fn a_refused_call_takes_from_no_window(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let all = limits(3, Some(500), Some(500));
    assert_eq!(spend(&ledger, &all, 7).await.1.tier, Tier::LicenseDay);
    for _ in 0..200 {
        ledger.reserve(LICENSE, &all, 7).await.unwrap_err();
    }
    assert_eq!(ledger.close().await.failed, 0);
    assert_eq!(used(fixture).await, [3, 3, 21]);
}

async fn a_refund_gives_all_windows_back(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let all = limits(1, Some(1), Some(7));
    for _ in 0..20 {
        let only = ledger.reserve(LICENSE, &all, 7).await.unwrap();
        assert_eq!(spend(&ledger, &all, 7).await.0, 0);
        only.refund();
    }
    assert_eq!(spend(&ledger, &all, 7).await.0, 1);
    assert_eq!(used(fixture).await, [1, 1, 7]);
}

async fn a_costly_call_that_does_not_fit_leaves_the_rest_to_others(fixture: &Fixture) {
    let (ours, theirs) = (fixture.ledger().await, fixture.ledger().await);
    let budget = limits(1_000, None, Some(20));
    ours.reserve(LICENSE, &budget, 15).await.unwrap().settle();
    assert_eq!(spend(&ours, &budget, 7).await.0, 0);
    // The five that are left are nobody's: another process has them all.
    assert_eq!(spend(&theirs, &budget, 1).await.0, 5);
}

async fn a_steady_costly_call_needs_no_database(fixture: &Fixture) {
    let ledger = fixture.ledger().await;
    let all = limits(100_000, Some(1_000_000), Some(1_000_000));
    let first = ledger.reserve(LICENSE, &all, 20).await.unwrap();
    first.settle();
    let mut steady = 0;
    for _ in 0..49 {
        let mut call = std::pin::pin!(ledger.reserve(LICENSE, &all, 20));
        if let std::task::Poll::Ready(done) = futures_util::poll!(call.as_mut()) {
            done.unwrap().settle();
            steady += 1;
        }
    }
    assert_eq!(steady, 49, "ready at the first poll");
}

/// Sixty-four callers at each of three processes, each until it is refused.
async fn q_01_three_ledgers_give_out_exactly_the_limit(fixture: &Fixture) {
    let all = limits(100, Some(10_000), Some(10_000));
    let mut tasks = Vec::new();
    let mut ledgers = Vec::new();
    for _ in 0..3 {
        ledgers.push(Arc::new(fixture.ledger().await));
    }
    for ledger in &ledgers {
        for _ in 0..64 {
            let ledger = Arc::clone(ledger);
            tasks.push(tokio::spawn(async move { spend(&ledger, &all, 3).await.0 }));
        }
    }
    let mut calls = 0;
    for task in tasks {
        calls += task.await.unwrap();
    }
    for ledger in &ledgers {
        assert_eq!(ledger.close().await.failed, 0);
    }
    println!("64 callers at each of 3 ledgers, limit 100: {calls} calls");
    assert_eq!(calls, 100);
    assert_eq!(NOON.day(), fixture.clock.now().day());
    assert_eq!(used(fixture).await, [100, 100, 300]);
}
