//! What the store promises about a license's day, on both databases.

use wicketgate::{
    clock::{Clock, Day},
    ids::{LeaseId, LicenseId, ReplicaId, UsageBatchId},
    quota::{Meter, Window},
    store::{
        DayUsage, LeaseRequest, Returned, StoreError, ToolUsage, UsageBatch, UsageFilter,
        WindowUsage,
    },
};

use crate::support::database::{Fixture, NOON, on_both};

on_both! {
    a_lease_never_exceeds_what_is_left
    unspent_calls_come_back_once
    a_lease_can_be_enlarged_and_cut
    concurrent_leases_share_the_day_exactly
    meters_have_windows_of_their_own
    less_than_is_needed_is_not_granted
    uses_are_added_once_and_listed_by_pages
    what_was_used_long_ago_is_removed
}

const LICENSE: LicenseId = LicenseId::from_bytes([3; 16]);

fn wish(fixture: &Fixture, limit: u32) -> LeaseRequest {
    LeaseRequest {
        lease: LeaseId::generate(fixture.clock.now(), &*fixture.entropy),
        license: LICENSE,
        meter: Meter::CallsDay,
        window: NOON.day().into(),
        limit,
        need: 1,
        unspent: 0,
        replica: ReplicaId::from_bytes([9; 16]),
        now: NOON,
    }
}

async fn used(fixture: &Fixture) -> Vec<DayUsage> {
    let day = NOON.day();
    let next = Day::from_number(day.number() + 1);
    fixture.store.usage(LICENSE, day, next).await.unwrap()
}

fn today(used: u64) -> Vec<DayUsage> {
    vec![DayUsage {
        day: NOON.day(),
        used,
    }]
}

async fn a_lease_never_exceeds_what_is_left(fixture: &Fixture) {
    let store = &fixture.store;
    let mut granted = Vec::new();
    for _ in 0..4 {
        let grant = store.lease_calls(&wish(fixture, 10), |_| 4).await.unwrap();
        granted.push(grant.granted);
    }
    assert_eq!(granted, [4, 4, 2, 0]);
    assert_eq!(used(fixture).await, today(10));
    let lowered = store.lease_calls(&wish(fixture, 5), |_| 4).await.unwrap();
    assert_eq!((lowered.granted, lowered.used), (0, 10));
    let zero = store.lease_calls(&wish(fixture, 0), |_| 4).await.unwrap();
    assert_eq!(zero.granted, 0);
    assert_eq!(store.open_leases().await.unwrap().len(), 3);
}

async fn unspent_calls_come_back_once(fixture: &Fixture) {
    let store = &fixture.store;
    let wish = wish(fixture, 10);
    store.lease_calls(&wish, |_| 10).await.unwrap();
    let more_than_granted = store.close_lease(wish.lease, 11, NOON).await.unwrap();
    assert_eq!(more_than_granted, Returned::AlreadyClosed);
    let close = async || store.close_lease(wish.lease, 7, NOON).await.unwrap();
    assert_eq!(close().await, Returned::Returned);
    assert_eq!(close().await, Returned::AlreadyClosed);
    assert_eq!(used(fixture).await, today(3));
    assert_eq!(store.open_leases().await.unwrap(), []);
    let again = store.lease_calls(&wish, |_| 1).await;
    assert_eq!(again, Err(StoreError::Conflict));
    assert_eq!(used(fixture).await, today(3));
}

async fn a_lease_can_be_enlarged_and_cut(fixture: &Fixture) {
    let store = &fixture.store;
    let mut wish = wish(fixture, 100);
    store.lease_calls(&wish, |left| left / 10).await.unwrap();
    store.lease_calls(&wish, |left| left / 10).await.unwrap();
    assert_eq!(used(fixture).await, today(19));
    let lease = store.open_leases().await.unwrap()[0];
    assert_eq!((lease.id, lease.granted), (wish.lease, 19));
    (wish.unspent, wish.limit) = (9, 5);
    let grant = store.lease_calls(&wish, |_| 50).await.unwrap();
    assert_eq!((grant.granted, grant.used), (0, 10));
    assert_eq!(store.open_leases().await.unwrap()[0].granted, 10);
}

async fn concurrent_leases_share_the_day_exactly(fixture: &Fixture) {
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (store, wish) = (fixture.store.clone(), wish(fixture, 100));
            tokio::spawn(async move { store.lease_calls(&wish, |_| 3).await })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap().unwrap().granted;
    }
    assert_eq!(total, 100);
    assert_eq!(used(fixture).await, today(100));
}

async fn meters_have_windows_of_their_own(fixture: &Fixture) {
    let store = &fixture.store;
    let day = wish(fixture, 10);
    let month = LeaseRequest {
        meter: Meter::CallsMonth,
        window: NOON.day().month().into(),
        ..wish(fixture, 100)
    };
    let cost = LeaseRequest {
        meter: Meter::CostDay,
        ..wish(fixture, 1_000)
    };
    for (wish, units) in [(day, 3), (month, 30), (cost, 300)] {
        let grant = store.lease_calls(&wish, |_| units).await.unwrap();
        assert_eq!(grant.granted, units);
    }
    store.close_lease(month.lease, 10, NOON).await.unwrap();
    let windows = store.windows(LICENSE, NOON.day(), NOON.day()).await;
    let counted = |meter, window: Window, used, leased| WindowUsage {
        meter,
        window,
        used,
        leased,
    };
    let expected = vec![
        counted(Meter::CallsDay, day.window, 3, 3),
        counted(Meter::CallsMonth, month.window, 20, 0),
        counted(Meter::CostDay, cost.window, 300, 300),
    ];
    assert_eq!(windows.unwrap(), expected);
    assert_eq!(used(fixture).await, today(3));
}

async fn less_than_is_needed_is_not_granted(fixture: &Fixture) {
    let store = &fixture.store;
    let need = |need| LeaseRequest {
        need,
        ..wish(fixture, 10)
    };
    let grant = store.lease_calls(&need(7), |_| 1).await.unwrap();
    assert_eq!((grant.granted, grant.used), (7, 7));
    let grant = store.lease_calls(&need(7), |_| 7).await.unwrap();
    assert_eq!((grant.granted, grant.used), (0, 7));
    let grant = store.lease_calls(&need(3), |_| 1).await.unwrap();
    assert_eq!((grant.granted, grant.used), (3, 10));
}

fn row(day: i64, license: u8, tool: &str, answered: u64) -> ToolUsage {
    ToolUsage {
        day: Day::from_number(NOON.day().number() + day),
        license: LicenseId::from_bytes([license; 16]),
        tool: tool.parse().unwrap(),
        answered,
        failed: 1,
        refused: 2,
        cost: 7 * answered,
    }
}

fn uses(from: i64, to: i64) -> UsageFilter {
    let day = |number| Day::from_number(NOON.day().number() + number);
    UsageFilter {
        from: day(from),
        to: day(to),
        license: None,
        after: None,
        limit: 2,
    }
}

/// All pages.
async fn listed(fixture: &Fixture, mut filter: UsageFilter) -> Vec<ToolUsage> {
    let mut all = Vec::new();
    loop {
        let page = fixture.store.tool_usage(&filter).await.unwrap();
        let Some(last) = page.last() else { return all };
        let last = &last.usage;
        filter.after = Some((last.day, last.license, last.tool.clone()));
        all.extend(page.into_iter().map(|listed| listed.usage));
    }
}

async fn uses_are_added_once_and_listed_by_pages(fixture: &Fixture) {
    let store = &fixture.store;
    let batch = |rows| UsageBatch {
        id: UsageBatchId::generate(NOON, &*fixture.entropy),
        rows,
    };
    let first = batch(vec![
        row(0, 1, "search", 5),
        row(0, 1, "write", 1),
        row(0, 2, "search", 1),
        row(1, 1, "search", 1),
    ]);
    for _ in 0..3 {
        store.add_usage(&first, NOON).await.unwrap();
    }
    let second = batch(vec![row(0, 1, "search", 4)]);
    store.add_usage(&second, NOON).await.unwrap();
    let all = listed(fixture, uses(0, 1)).await;
    let sums: Vec<_> = all
        .iter()
        .map(|row| (row.answered, row.failed, row.cost))
        .collect();
    assert_eq!(sums, [(9, 2, 63), (1, 1, 7), (1, 1, 7), (1, 1, 7)]);
    assert_eq!(listed(fixture, uses(1, 1)).await, [row(1, 1, "search", 1)]);
    let one = UsageFilter {
        license: Some(LicenseId::from_bytes([2; 16])),
        ..uses(0, 9)
    };
    assert_eq!(listed(fixture, one).await, [row(0, 2, "search", 1)]);
}

async fn what_was_used_long_ago_is_removed(fixture: &Fixture) {
    let store = &fixture.store;
    let batch = UsageBatch {
        id: UsageBatchId::generate(NOON, &*fixture.entropy),
        rows: vec![row(-1, 1, "search", 1), row(0, 1, "search", 1)],
    };
    store.add_usage(&batch, NOON).await.unwrap();
    let wish = wish(fixture, 10);
    let yesterday = LeaseRequest {
        lease: LeaseId::generate(NOON, &*fixture.entropy),
        window: Day::from_number(NOON.day().number() - 1).into(),
        ..wish
    };
    store.lease_calls(&wish, |_| 1).await.unwrap();
    store.lease_calls(&yesterday, |_| 1).await.unwrap();
    let later = fixture
        .clock
        .now()
        .plus(std::time::Duration::from_millis(1));
    assert_eq!(store.prune_usage(NOON, NOON, NOON).await.unwrap(), 2);
    assert_eq!(listed(fixture, uses(-9, 9)).await, [row(0, 1, "search", 1)]);
    assert_eq!(used(fixture).await, today(1));
    // Two leases and the batch, but nothing of today.
    assert_eq!(store.prune_usage(later, later, later).await.unwrap(), 3);
    assert_eq!(used(fixture).await, today(1));
}
