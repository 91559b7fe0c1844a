//! What the store promises about connected accounts, on both databases, and as a role whom row-level
//! security holds.

use std::time::Duration;

use futures_util::future::join_all;
use wicketgate::{
    clock::{Clock, Timestamp},
    crypto::TokenDigest,
    ids::{CredentialId, DataKeyId, LicenseId, ReplicaId, RevocationId},
    names::{Label, ScopeName, UpstreamName},
    store::{
        AttemptRecord, CredentialInfo, CredentialKind, CredentialRecord, CredentialState,
        DataKeyRecord, DataKeyState, Lease, MOST_LABELS, Removal, RevocationOutcome,
        RevocationRecord, ScopeUse, StoreError, Tenant,
    },
};

use crate::support::database::{Fixture, NOON, on_both_and_fenced};

on_both_and_fenced! {
    a_lease_is_for_one
    a_renewal_counts_once
    a_refusal_is_of_one_generation
    an_attempt_is_spent_once
    revocations_are_due_claimed_and_closed
    scope_uses_keep_the_newest
    a_tenant_has_sixteen_labels_whoever_is_faster
    only_an_active_key_seals
    the_vault_is_sealed_for_everybody
    tenants_do_not_meet
}

/// A tenant that is a license; none is stored, the store does not ask.
pub(crate) fn tenant(fixture: &Fixture) -> Tenant {
    Tenant::License(LicenseId::generate(fixture.clock.now(), &*fixture.entropy))
}

pub(crate) fn upstream() -> UpstreamName {
    "up".parse().unwrap()
}

fn scope(text: &str) -> ScopeName {
    text.parse().unwrap()
}

fn later(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

/// A tenant's active data key, stored.
pub(crate) async fn data_key(fixture: &Fixture, tenant: Tenant) -> DataKeyId {
    let record = new_key(fixture, tenant);
    fixture.store.insert_data_key(&record).await.unwrap();
    record.id
}

fn new_key(fixture: &Fixture, tenant: Tenant) -> DataKeyRecord {
    DataKeyRecord {
        id: DataKeyId::generate(fixture.clock.now(), &*fixture.entropy),
        tenant,
        master_key: "k1".to_owned(),
        state: DataKeyState::Active,
        wrapped: vec![7; 60],
        created: NOON,
    }
}

/// A grant of generation 1, not stored.
fn grant(fixture: &Fixture, tenant: Tenant, label: &str, data_key: DataKeyId) -> CredentialRecord {
    CredentialRecord {
        info: CredentialInfo {
            id: CredentialId::generate(fixture.clock.now(), &*fixture.entropy),
            upstream: upstream(),
            tenant,
            label: label.parse().unwrap(),
            kind: CredentialKind::Grant,
            state: CredentialState::Active,
            generation: 1,
            hint: Some("ann".to_owned()),
            scopes: vec![scope("read"), scope("https://example.com/write")],
            shortfalls: 0,
            expires: Some(later(3_600)),
            created: NOON,
            updated: NOON,
        },
        data_key,
        sealed: vec![1; 80],
    }
}

/// The same a generation later.
fn renewed(record: &CredentialRecord, byte: u8) -> CredentialRecord {
    let mut next = record.clone();
    next.info.generation += 1;
    next.sealed = vec![byte; 80];
    next
}

/// A stored grant of a tenant of its own.
pub(crate) async fn stored(fixture: &Fixture, tenant: Tenant) -> CredentialRecord {
    let key = data_key(fixture, tenant).await;
    let record = grant(fixture, tenant, "default", key);
    put(fixture, &record, None).await.unwrap();
    record
}

async fn put(
    fixture: &Fixture,
    record: &CredentialRecord,
    replaces: Option<u64>,
) -> Result<(), StoreError> {
    let stamp = fixture.stamp();
    fixture.store.put_credential(record, replaces, &stamp).await
}

async fn refuse(fixture: &Fixture, info: &CredentialInfo) -> bool {
    let stamp = fixture.stamp();
    fixture.store.grant_refused(info, &stamp).await.unwrap()
}

async fn read(fixture: &Fixture, record: &CredentialRecord) -> CredentialRecord {
    let info = &record.info;
    let found = (fixture.store).credential(&info.upstream, info.tenant, &info.label);
    found.await.unwrap().unwrap()
}

async fn a_lease_is_for_one(fixture: &Fixture) {
    let store = &fixture.store;
    let record = stored(fixture, tenant(fixture)).await;
    let replica = || ReplicaId::generate(fixture.clock.now(), &*fixture.entropy);
    let (a, b) = (replica(), replica());
    let lease = async |info: &CredentialInfo, owner, now: u64| {
        let asked = store.lease_grant(info, owner, later(now), later(now + 30));
        asked.await.unwrap()
    };
    assert_eq!(lease(&record.info, a, 0).await, Lease::Ours);
    assert_eq!(lease(&record.info, b, 1).await, Lease::NotOurs);
    // Not even by whoever holds it: the first asker is at it.
    assert_eq!(lease(&record.info, a, 1).await, Lease::NotOurs);
    store.release_grant(&record.info, b).await.unwrap();
    assert_eq!(lease(&record.info, b, 29).await, Lease::NotOurs);
    assert_eq!(lease(&record.info, b, 30).await, Lease::Ours, "it is over");
    store.release_grant(&record.info, b).await.unwrap();
    assert_eq!(lease(&record.info, a, 31).await, Lease::Ours);

    let next = renewed(&record, 2);
    store.renew_grant(&next, 1).await.unwrap();
    assert_eq!(
        lease(&record.info, b, 32).await,
        Lease::NotOurs,
        "it moved on"
    );
    assert_eq!(
        lease(&next.info, b, 32).await,
        Lease::Ours,
        "renewing gave it back"
    );
    let another = CredentialInfo {
        tenant: tenant(fixture),
        ..next.info.clone()
    };
    assert_eq!(lease(&another, a, 99).await, Lease::NotOurs);
    assert!(refuse(fixture, &next.info).await);
    assert_eq!(lease(&next.info, a, 99).await, Lease::NotOurs, "not active");

    // Many at once: one.
    let record = stored(fixture, tenant(fixture)).await;
    let other = fixture.another().await;
    let all = (0..10).map(|n| {
        let (store, info, owner) = (
            if n % 2 == 0 { store } else { &other },
            &record.info,
            replica(),
        );
        store.lease_grant(info, owner, NOON, later(30))
    });
    let leases: Vec<_> = join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ours = leases.iter().filter(|lease| **lease == Lease::Ours).count();
    assert_eq!(ours, 1, "{leases:?}");
    other.close().await;
}

async fn a_renewal_counts_once(fixture: &Fixture) {
    let store = &fixture.store;
    let record = stored(fixture, tenant(fixture)).await;
    let epoch = store.epoch().await.unwrap();
    let other = fixture.another().await;
    let candidates: Vec<_> = (0..8).map(|n| renewed(&record, n)).collect();
    let all = candidates.iter().enumerate().map(|(n, next)| {
        let store = if n % 2 == 0 { store } else { &other };
        store.renew_grant(next, 1)
    });
    let done = join_all(all).await;
    let winners: Vec<_> = (0..8).filter(|n| done[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{done:?}");
    assert!(
        done.iter()
            .all(|one| matches!(one, Ok(()) | Err(StoreError::Conflict)))
    );
    assert_eq!(read(fixture, &record).await, candidates[winners[0]]);
    assert_eq!(
        store.epoch().await.unwrap(),
        epoch,
        "no other replica forgets"
    );
    other.close().await;
}

async fn a_refusal_is_of_one_generation(fixture: &Fixture) {
    let store = &fixture.store;
    let record = stored(fixture, tenant(fixture)).await;
    let next = renewed(&record, 2);
    store.renew_grant(&next, 1).await.unwrap();
    assert!(!refuse(fixture, &record.info).await);
    assert_eq!(
        read(fixture, &record).await.info.state,
        CredentialState::Active
    );
    let epoch = store.epoch().await.unwrap();
    assert!(refuse(fixture, &next.info).await);
    let found = read(fixture, &record).await;
    assert_eq!(found.info.state, CredentialState::NeedsReconnect);
    assert_eq!(
        (found.info.generation, found.sealed),
        (2, next.sealed.clone())
    );
    assert!(
        store.epoch().await.unwrap() > epoch,
        "other replicas hear of it"
    );
    // Connected anew.
    let anew = renewed(&next, 3);
    put(fixture, &anew, Some(2)).await.unwrap();
    assert_eq!(read(fixture, &record).await, anew);
}

async fn an_attempt_is_spent_once(fixture: &Fixture) {
    let store = &fixture.store;
    let (ours, other) = (tenant(fixture), tenant(fixture));
    let attempt = |byte: u8| AttemptRecord {
        state: TokenDigest::from_bytes([byte; 32]),
        tenant: ours,
        upstream: upstream(),
        label: Label::default_label(),
        scopes: vec![scope("read"), scope("write")],
        browser: TokenDigest::from_bytes([9; 32]),
        created: NOON,
        expires: later(600),
    };
    let first = attempt(1);
    store.insert_attempt(&first).await.unwrap();
    let spend = |state: TokenDigest, tenant, now| async move {
        let spent = store.spend_attempt(&state, tenant, now);
        spent.await.unwrap()
    };
    assert_eq!(spend(first.state, other, NOON).await, None);
    assert_eq!(spend(first.state, Tenant::Operator, NOON).await, None);
    assert_eq!(spend(attempt(2).state, ours, NOON).await, None);
    assert_eq!(
        spend(first.state, ours, later(599)).await,
        Some(first.clone())
    );
    assert_eq!(spend(first.state, ours, later(599)).await, None, "once");
    let late = attempt(3);
    store.insert_attempt(&late).await.unwrap();
    assert_eq!(spend(late.state, ours, later(600)).await, None, "too late");
    assert!(
        store.insert_attempt(&late).await.is_err(),
        "a state is used once"
    );

    let raced = attempt(4);
    store.insert_attempt(&raced).await.unwrap();
    let all = (0..8).map(|_| spend(raced.state, ours, NOON));
    let raced = join_all(all).await;
    assert_eq!(raced.iter().flatten().count(), 1);
    store.prune_sessions(later(601), NOON).await.unwrap();
    store.insert_attempt(&late).await.unwrap();
}

async fn revocations_are_due_claimed_and_closed(fixture: &Fixture) {
    let store = &fixture.store;
    let record = stored(fixture, tenant(fixture)).await;
    let operators = data_key(fixture, Tenant::Operator).await;
    let revocation = RevocationRecord {
        id: RevocationId::generate(fixture.clock.now(), &*fixture.entropy),
        subject: record.info.tenant.to_string(),
        upstream: upstream(),
        data_key: operators,
        sealed: vec![5; 64],
        attempts: 0,
        next: later(10),
        created: NOON,
        expires: later(1_000),
    };
    let info = &record.info;
    let delete = async || {
        let (stamp, label) = (fixture.stamp(), &info.label);
        let gone = store.delete_credential(
            &info.upstream,
            info.tenant,
            label,
            Some((&revocation, info.generation)),
            &stamp,
        );
        gone.await.unwrap()
    };
    let (stamp, older) = (fixture.stamp(), Some((&revocation, info.generation + 1)));
    let moved_on = store.delete_credential(&info.upstream, info.tenant, &info.label, older, &stamp);
    assert_eq!(moved_on.await, Err(StoreError::Conflict), "it was renewed");
    assert_eq!(delete().await, Removal::Removed);
    assert_eq!(delete().await, Removal::NotFound);
    assert_eq!(store.due_revocations(later(9)).await.unwrap(), []);
    let due = store.due_revocations(later(10)).await.unwrap();
    assert_eq!(due, [revocation], "queued once");
    let claims = (0..6).map(|_| store.claim_revocation(&due[0], later(70)));
    let claims: Vec<_> = join_all(claims)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(claims.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(store.due_revocations(later(69)).await.unwrap(), []);
    let again = store.due_revocations(later(70)).await.unwrap();
    assert_eq!(again[0].attempts, 1);
    assert!(!store.claim_revocation(&due[0], later(99)).await.unwrap());
    let close = store.close_revocation(again[0].id, RevocationOutcome::Revoked, later(71));
    close.await.unwrap();
    assert_eq!(store.due_revocations(later(9_999)).await.unwrap(), []);
    assert!(!store.claim_revocation(&again[0], later(99)).await.unwrap());
}

async fn scope_uses_keep_the_newest(fixture: &Fixture) {
    let store = &fixture.store;
    let (a, b) = (tenant(fixture), tenant(fixture));
    let used = |tenant, name: &str, seconds| ScopeUse {
        tenant,
        upstream: upstream(),
        scope: scope(name),
        last: later(seconds),
    };
    let first = [
        used(a, "read", 50),
        used(a, "write", 10),
        used(b, "read", 20),
    ];
    store.note_scope_uses(&first).await.unwrap();
    let second = [used(a, "read", 40), used(a, "write", 60)];
    store.note_scope_uses(&second).await.unwrap();
    store.note_scope_uses(&[]).await.unwrap();
    let mut wanted = [
        used(a, "read", 50),
        used(a, "write", 60),
        used(b, "read", 20),
    ];
    wanted.sort_by_key(|one| (one.tenant.to_string(), one.scope.clone()));
    assert_eq!(store.scope_uses(NOON).await.unwrap(), wanted);
    let since = store.scope_uses(later(50)).await.unwrap();
    assert_eq!(since, [used(a, "read", 50), used(a, "write", 60)]);
    assert_eq!(store.prune_scope_uses(later(50)).await.unwrap(), 1);
    assert_eq!(store.scope_uses(NOON).await.unwrap(), since);
}

async fn a_tenant_has_sixteen_labels_whoever_is_faster(fixture: &Fixture) {
    let store = &fixture.store;
    let tenant = tenant(fixture);
    let key = data_key(fixture, tenant).await;
    let record = |n: usize| grant(fixture, tenant, &format!("account-{n}"), key);
    for n in 0..MOST_LABELS - 1 {
        put(fixture, &record(n), None).await.unwrap();
    }
    let other = fixture.another().await;
    let (one, two) = (record(20), record(21));
    let (stamp, stamp_two) = (fixture.stamp(), fixture.stamp());
    let both = tokio::join!(
        store.put_credential(&one, None, &stamp),
        other.put_credential(&two, None, &stamp_two),
    );
    assert!(
        matches!(
            both,
            (Ok(()), Err(StoreError::Conflict)) | (Err(StoreError::Conflict), Ok(()))
        ),
        "{both:?}"
    );
    let all = store.credentials_of(tenant, &upstream()).await.unwrap();
    assert_eq!(all.len(), MOST_LABELS);
    // Replacing one is no new one.
    let next = renewed(&all[0], 4);
    put(fixture, &next, Some(1)).await.unwrap();
    other.close().await;
}

async fn only_an_active_key_seals(fixture: &Fixture) {
    let store = &fixture.store;
    let (ours, other) = (tenant(fixture), tenant(fixture));
    let old = data_key(fixture, ours).await;
    let record = grant(fixture, ours, "default", old);
    put(fixture, &record, None).await.unwrap();
    // A second one that would seal is not taken.
    store
        .insert_data_key(&new_key(fixture, ours))
        .await
        .unwrap();
    assert_eq!(store.active_data_key(ours).await.unwrap().unwrap().id, old);

    let new = new_key(fixture, ours);
    let rotated = store.rotate_data_key(old, &new, &fixture.stamp()).await;
    rotated.unwrap();
    let next = renewed(&record, 2);
    assert_eq!(
        put(fixture, &next, Some(1)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.renew_grant(&next, 1).await, Err(StoreError::Conflict));
    assert_eq!(read(fixture, &record).await, record);
    let under_new = CredentialRecord {
        data_key: new.id,
        ..next
    };
    put(fixture, &under_new, Some(1)).await.unwrap();
    // Another tenant's key seals nothing of ours.
    let foreign = data_key(fixture, other).await;
    let stolen = CredentialRecord {
        data_key: foreign,
        ..renewed(&under_new, 3)
    };
    assert_eq!(
        put(fixture, &stolen, Some(2)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.data_key(foreign, ours).await.unwrap(), None);
    assert!(store.data_key(foreign, other).await.unwrap().is_some());
}

async fn the_vault_is_sealed_for_everybody(fixture: &Fixture) {
    let store = &fixture.store;
    let other = fixture.another().await;
    let set = async |since| {
        store
            .set_vault_sealed(since, &fixture.stamp())
            .await
            .unwrap()
    };
    assert_eq!(other.vault_sealed().await.unwrap(), None);
    assert!(!set(None).await);
    let epoch = store.epoch().await.unwrap();
    assert!(set(Some(NOON)).await);
    assert!(
        store.epoch().await.unwrap() > epoch,
        "other replicas hear of it"
    );
    assert!(!set(Some(later(5))).await, "it is already");
    assert_eq!(other.vault_sealed().await.unwrap(), Some(NOON));
    assert!(set(None).await);
    assert_eq!(other.vault_sealed().await.unwrap(), None);
    other.close().await;
}

async fn tenants_do_not_meet(fixture: &Fixture) {
    let store = &fixture.store;
    let (a, b) = (tenant(fixture), tenant(fixture));
    let (of_a, of_b) = (stored(fixture, a).await, stored(fixture, b).await);
    let records = |tenant| store.credentials_of(tenant, &of_a.info.upstream);
    assert_eq!(records(a).await.unwrap(), std::slice::from_ref(&of_a));
    assert_eq!(records(b).await.unwrap(), std::slice::from_ref(&of_b));
    assert_eq!(records(Tenant::Operator).await.unwrap(), []);
    assert_eq!(
        store.credentials_by_tenant(b).await.unwrap(),
        std::slice::from_ref(&of_b.info)
    );
    // With the other's id in hand.
    let mut forged = renewed(&of_a, 6);
    forged.info.tenant = b;
    forged.data_key = of_b.data_key;
    let forge = store
        .put_credential(&forged, Some(1), &fixture.stamp())
        .await;
    assert_eq!(forge, Err(StoreError::Conflict));
    assert_eq!(
        store.renew_grant(&forged, 1).await,
        Err(StoreError::Conflict)
    );
    forged.info.generation = 1;
    assert!(!refuse(fixture, &forged.info).await);
    assert_eq!(read(fixture, &of_a).await, of_a);
    assert_eq!(
        store.credentials().await.unwrap().len(),
        2,
        "the operator sees all"
    );
}
