//! What the store promises about a license's day, on both databases.

use wicketgate::{
    clock::{Clock, Day},
    ids::{LeaseId, LicenseId, ReplicaId},
    store::{DayUsage, LeaseRequest, Returned, StoreError},
};

use crate::support::database::{Fixture, NOON, on_both};

on_both! {
    a_lease_never_exceeds_what_is_left
    unspent_calls_come_back_once
    a_lease_can_be_enlarged_and_cut
    concurrent_leases_share_the_day_exactly
}

const LICENSE: LicenseId = LicenseId::from_bytes([3; 16]);

fn wish(fixture: &Fixture, limit: u32) -> LeaseRequest {
    LeaseRequest {
        lease: LeaseId::generate(fixture.clock.now(), &*fixture.entropy),
        license: LICENSE,
        day: NOON.day(),
        limit,
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
