//! What the store promises about calls that must not run twice, on both databases, and as a role whom
//! row-level security holds.

use std::time::Duration;

use futures_util::future::join_all;
use wicketgate::{
    clock::Timestamp,
    crypto::TokenDigest,
    ids::ReplicaId,
    store::{OnceBegun, OnceOutcome, OnceRecord, OnceState, Tenant},
};

use crate::{
    store_connections::tenant,
    support::database::{Fixture, NOON, on_both_and_fenced},
};

on_both_and_fenced! {
    one_of_many_sends
    what_came_of_it_is_said_once
    a_key_that_was_freed_counts_as_new
    a_day_later_a_key_is_new
    a_row_of_another_tenant_is_nobodys
}

pub(crate) fn record(fixture: &Fixture, tenant: Tenant, byte: u8) -> OnceRecord {
    OnceRecord {
        digest: TokenDigest::from_bytes([byte; 32]),
        tenant,
        arguments: TokenDigest::from_bytes([0xa0; 32]),
        replica: ReplicaId::generate(NOON, &*fixture.entropy),
        begun: NOON,
        due: later(60),
        ends: later(86_400),
    }
}

fn later(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

async fn one_of_many_sends(fixture: &Fixture) {
    let of = tenant(fixture);
    let wishes: Vec<_> = (0..20).map(|_| record(fixture, of, 1)).collect();
    let other = fixture.another().await;
    let asked = wishes.iter().enumerate().map(|(at, wish)| match at % 2 {
        0 => fixture.store.begin_once(wish),
        _ => other.begin_once(wish),
    });
    let mut mine = 0;
    for answer in join_all(asked).await {
        match answer.unwrap() {
            OnceBegun::Mine => mine += 1,
            OnceBegun::Theirs(found) => {
                let found = found.unwrap();
                assert_eq!((found.state, found.due), (OnceState::Begun, later(60)));
                assert_eq!(found.arguments, wishes[0].arguments);
            }
        }
    }
    assert_eq!(mine, 1);
    other.close().await;
}

async fn what_came_of_it_is_said_once(fixture: &Fixture) {
    let of = tenant(fixture);
    for (byte, outcome, state, sealed) in [
        (
            1,
            OnceOutcome::Kept(&[7; 9]),
            OnceState::Done,
            Some(vec![7; 9]),
        ),
        (2, OnceOutcome::Unkept, OnceState::DoneUnkept, None),
        (3, OnceOutcome::Unknown, OnceState::Unknown, None),
    ] {
        let (mine, store) = (record(fixture, of, byte), &fixture.store);
        assert_eq!(store.begin_once(&mine).await.unwrap(), OnceBegun::Mine);
        // Whoever did not begin it has nothing to say.
        let other = record(fixture, of, byte);
        assert!(!store.end_once(&other, OnceOutcome::Freed).await.unwrap());
        assert!(store.end_once(&mine, outcome).await.unwrap());
        for again in [OnceOutcome::Unknown, OnceOutcome::Freed] {
            assert!(!store.end_once(&mine, again).await.unwrap());
        }
        let found = store
            .once(of, &mine.digest, later(1))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((found.state, found.sealed), (state, sealed));
    }
}

async fn a_key_that_was_freed_counts_as_new(fixture: &Fixture) {
    let (of, store) = (tenant(fixture), &fixture.store);
    let mine = record(fixture, of, 1);
    assert_eq!(store.begin_once(&mine).await.unwrap(), OnceBegun::Mine);
    assert!(store.end_once(&mine, OnceOutcome::Freed).await.unwrap());
    assert_eq!(store.once(of, &mine.digest, NOON).await.unwrap(), None);
    let next = record(fixture, of, 1);
    assert_eq!(store.begin_once(&next).await.unwrap(), OnceBegun::Mine);
}

async fn a_day_later_a_key_is_new(fixture: &Fixture) {
    let (of, store) = (tenant(fixture), &fixture.store);
    let mine = record(fixture, of, 1);
    assert_eq!(store.begin_once(&mine).await.unwrap(), OnceBegun::Mine);
    assert!(
        store
            .end_once(&mine, OnceOutcome::Kept(&[7]))
            .await
            .unwrap()
    );
    let mut next = record(fixture, of, 1);
    next.begun = later(86_399);
    let theirs = store.begin_once(&next).await.unwrap();
    assert!(matches!(theirs, OnceBegun::Theirs(Some(_))), "{theirs:?}");
    (next.begun, next.ends) = (later(86_400), later(2 * 86_400));
    assert_eq!(
        store.once(of, &mine.digest, next.begun).await.unwrap(),
        None
    );
    assert_eq!(store.begin_once(&next).await.unwrap(), OnceBegun::Mine);
    let found = store.once(of, &mine.digest, next.begun).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.state, found.sealed), (OnceState::Begun, None));
    let kept = record(fixture, of, 2);
    assert_eq!(store.begin_once(&kept).await.unwrap(), OnceBegun::Mine);
    assert_eq!(store.prune_once(later(86_399)).await.unwrap(), 0);
    assert_eq!(store.prune_once(later(86_400)).await.unwrap(), 1);
    assert_eq!(store.once(of, &kept.digest, NOON).await.unwrap(), None);
}

async fn a_row_of_another_tenant_is_nobodys(fixture: &Fixture) {
    let (alpha, beta, store) = (tenant(fixture), tenant(fixture), &fixture.store);
    let mine = record(fixture, alpha, 1);
    assert_eq!(store.begin_once(&mine).await.unwrap(), OnceBegun::Mine);
    let theirs = record(fixture, beta, 1);
    // The database says no, or the statement does.
    let begun = store.begin_once(&theirs).await;
    assert!(
        matches!(begun, Err(_) | Ok(OnceBegun::Theirs(None))),
        "{begun:?}"
    );
    assert_eq!(store.once(beta, &mine.digest, NOON).await.unwrap(), None);
    assert!(!store.end_once(&theirs, OnceOutcome::Freed).await.unwrap());
    let found = store.once(alpha, &mine.digest, NOON).await.unwrap();
    assert_eq!(found.unwrap().state, OnceState::Begun);
}
