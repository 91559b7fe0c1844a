//! What the store promises about licenses, keys and credentials, on both databases.

use std::time::Duration;

use wicketgate::{
    clock::Clock,
    crypto::{LicenseKey, Pepper},
    ids::{CredentialId, DataKeyId, LicenseId},
    license::{License, LicenseStatus},
    names::Label,
    store::{
        CredentialInfo, CredentialKind, CredentialRecord, CredentialState, DataKeyRecord,
        DataKeyState, KeyChange, KeyRecord, LicenseFilter, Removal, StatusChange, StoreError,
        Tenant,
    },
};

use crate::support::database::{Fixture, NOON, on_both};

on_both! {
    a_license_is_found_by_its_key
    a_key_that_expired_finds_nothing
    a_failed_change_leaves_nothing_behind
    revoked_is_final
    keys_rotate_with_overlap
    licenses_are_listed_by_plan_and_status
    a_credential_changes_only_from_the_known_generation
    many_writers_and_readers_all_succeed
}

fn license(fixture: &Fixture, plan: &str) -> License {
    License {
        id: LicenseId::generate(fixture.clock.now(), &*fixture.entropy),
        name: "Ada Lovelace, \"Ltd\"; DROP TABLE licenses".to_owned(),
        plan: plan.parse().unwrap(),
        tools: Some(vec!["ads.*".parse().unwrap()]),
        overrides: wicketgate::license::Overrides::default(),
        status: LicenseStatus::Active,
        created: NOON,
        expires: Some(NOON.plus(Duration::from_hours(24))),
    }
}

fn key(fixture: &Fixture) -> KeyRecord {
    let key = LicenseKey::generate(&*fixture.entropy);
    KeyRecord {
        digest: Pepper::new(&[1; 32]).digest(&key),
        hint: key.hint(),
        created: NOON,
        expires: None,
    }
}

async fn stored(fixture: &Fixture, plan: &str) -> (License, KeyRecord) {
    let (license, key) = (license(fixture, plan), key(fixture));
    let stamp = fixture.stamp();
    let done = fixture.store.insert_license(&license, &key, &stamp).await;
    done.unwrap();
    (license, key)
}

async fn a_license_is_found_by_its_key(fixture: &Fixture) {
    let (license, key) = stored(fixture, "gold").await;
    let other = stored(fixture, "gold").await.0;
    let store = &fixture.store;
    let found = store.license_by_digest(&key.digest, NOON).await.unwrap();
    assert_eq!(found, Some(license.clone()));
    assert_eq!(
        store.license(license.id).await.unwrap(),
        Some(license.clone())
    );
    assert_eq!(store.license_keys(license.id).await.unwrap(), [key]);
    assert_ne!(license.id, other.id);
    let unknown = self::key(fixture).digest;
    assert_eq!(store.license_by_digest(&unknown, NOON).await.unwrap(), None);
}

async fn a_key_that_expired_finds_nothing(fixture: &Fixture) {
    let (license, mut key) = (license(fixture, "gold"), key(fixture));
    let end = NOON.plus(Duration::from_secs(1));
    key.expires = Some(end);
    let store = &fixture.store;
    let stamp = fixture.stamp();
    store.insert_license(&license, &key, &stamp).await.unwrap();
    assert!(
        store
            .license_by_digest(&key.digest, NOON)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .license_by_digest(&key.digest, end)
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_failed_change_leaves_nothing_behind(fixture: &Fixture) {
    let key = stored(fixture, "gold").await.1;
    let store = &fixture.store;
    let before = store.epoch().await.unwrap();
    let second = license(fixture, "gold");
    let refused = store.insert_license(&second, &key, &fixture.stamp()).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert_eq!(store.license(second.id).await.unwrap(), None);
    assert_eq!(store.epoch().await.unwrap(), before);
    assert_eq!(store.audit_tail(10).await.unwrap().len(), 1);
}

async fn revoked_is_final(fixture: &Fixture) {
    let id = stored(fixture, "gold").await.0.id;
    let store = &fixture.store;
    let set = async |status| {
        fixture.clock.advance(Duration::from_millis(1));
        let stamp = fixture.stamp();
        store
            .set_license_status(id, status, "unpaid", &stamp)
            .await
            .unwrap()
    };
    let epoch = store.epoch().await.unwrap();
    let changed = |from| StatusChange::Changed { from };
    assert_eq!(set(LicenseStatus::Active).await, StatusChange::Unchanged);
    assert_eq!(store.epoch().await.unwrap(), epoch);
    assert_eq!(
        set(LicenseStatus::Suspended).await,
        changed(LicenseStatus::Active)
    );
    assert_eq!(
        set(LicenseStatus::Active).await,
        changed(LicenseStatus::Suspended)
    );
    assert_eq!(
        set(LicenseStatus::Revoked).await,
        changed(LicenseStatus::Active)
    );
    assert_eq!(set(LicenseStatus::Active).await, StatusChange::Final);
    assert_eq!(store.epoch().await.unwrap(), epoch + 3);
    let added = store
        .add_key(id, &key(fixture), None, &fixture.stamp())
        .await;
    assert_eq!(added.unwrap(), KeyChange::Final);

    let newest = &store.audit_tail(1).await.unwrap()[0];
    assert_eq!(newest.action, "license.status");
    assert_eq!(newest.subject, id.to_string());
    assert_eq!(newest.detail["reason"], "unpaid");
    assert_eq!(newest.detail["to"], "revoked");

    let nobody = LicenseId::from_bytes([0; 16]);
    let stamp = fixture.stamp();
    let change = store.set_license_status(nobody, LicenseStatus::Revoked, "", &stamp);
    assert_eq!(change.await.unwrap(), StatusChange::NotFound);
}

async fn keys_rotate_with_overlap(fixture: &Fixture) {
    let (license, old) = stored(fixture, "gold").await;
    let store = &fixture.store;
    let new = key(fixture);
    let end = NOON.plus(Duration::from_hours(1));
    let stamp = fixture.stamp();
    let added = store.add_key(license.id, &new, Some(end), &stamp);
    assert_eq!(
        added.await.unwrap(),
        KeyChange::Added {
            retiring: 1,
            ended: 0,
        }
    );
    for key in [&old, &new] {
        let found = store.license_by_digest(&key.digest, NOON).await.unwrap();
        assert_eq!(found.map(|l| l.id), Some(license.id));
    }
    assert!(
        store
            .license_by_digest(&old.digest, end)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .license_by_digest(&new.digest, end)
            .await
            .unwrap()
            .is_some()
    );
}

async fn licenses_are_listed_by_plan_and_status(fixture: &Fixture) {
    let gold = stored(fixture, "gold").await.0;
    fixture.clock.advance(Duration::from_millis(1));
    let iron = stored(fixture, "iron").await.0;
    let store = &fixture.store;
    let stamp = fixture.stamp();
    let change = store.set_license_status(iron.id, LicenseStatus::Suspended, "", &stamp);
    change.await.unwrap();
    let list = async |filter: LicenseFilter| {
        let found = store.licenses(&filter).await.unwrap();
        found.into_iter().map(|l| l.id).collect::<Vec<_>>()
    };
    let all = LicenseFilter::default();
    assert_eq!(list(all.clone()).await, [gold.id, iron.id]);
    let plan = Some("gold".parse().unwrap());
    assert_eq!(
        list(LicenseFilter {
            plan,
            ..all.clone()
        })
        .await,
        [gold.id]
    );
    let status = Some(LicenseStatus::Suspended);
    assert_eq!(
        list(LicenseFilter {
            status,
            ..all.clone()
        })
        .await,
        [iron.id]
    );
    let after = Some(gold.id);
    assert_eq!(
        list(LicenseFilter {
            after,
            ..all.clone()
        })
        .await,
        [iron.id]
    );
    let limit = Some(1);
    assert_eq!(list(LicenseFilter { limit, ..all }).await, [gold.id]);
}

fn data_key(fixture: &Fixture, tenant: Tenant) -> DataKeyRecord {
    DataKeyRecord {
        id: DataKeyId::generate(NOON, &*fixture.entropy),
        tenant,
        master_key: "a".to_owned(),
        state: DataKeyState::Active,
        wrapped: vec![1],
        created: NOON,
    }
}

async fn a_credential_changes_only_from_the_known_generation(fixture: &Fixture) {
    let store = &fixture.store;
    let upstream = "ads".parse().unwrap();
    let data_key = data_key(fixture, Tenant::Operator);
    store.insert_data_key(&data_key).await.unwrap();
    let label = Label::default_label();
    let mut record = CredentialRecord {
        info: CredentialInfo {
            id: CredentialId::generate(NOON, &*fixture.entropy),
            upstream: "ads".parse().unwrap(),
            tenant: Tenant::Operator,
            label: Label::default_label(),
            kind: CredentialKind::Static,
            state: CredentialState::Active,
            generation: 1,
            hint: None,
            scopes: vec![
                "read".parse().unwrap(),
                "https://a.example/b".parse().unwrap(),
            ],
            shortfalls: 2,
            expires: Some(NOON),
            created: NOON,
            updated: NOON,
        },
        data_key: data_key.id,
        sealed: vec![0, 1, 255],
    };
    let put = async |record: &CredentialRecord, replaces| {
        let stamp = fixture.stamp();
        store.put_credential(record, replaces, &stamp).await
    };
    let read = async || {
        store
            .credential(&upstream, Tenant::Operator, &label)
            .await
            .unwrap()
    };
    assert_eq!(read().await, None);
    put(&record, None).await.unwrap();
    assert_eq!(read().await, Some(record.clone()));
    assert_eq!(put(&record, None).await, Err(StoreError::Conflict));
    record.info.generation = 2;
    record.sealed = vec![7];
    put(&record, Some(1)).await.unwrap();
    assert_eq!(put(&record, Some(1)).await, Err(StoreError::Conflict));
    assert_eq!(read().await, Some(record.clone()));
    assert_eq!(store.credentials().await.unwrap(), [record.info]);
    for expected in [Removal::Removed, Removal::NotFound] {
        let stamp = fixture.stamp();
        let removal = store.delete_credential(&upstream, Tenant::Operator, &label, None, &stamp);
        assert_eq!(removal.await.unwrap(), expected);
    }
    assert_eq!(store.epoch().await.unwrap(), 3);
}

async fn many_writers_and_readers_all_succeed(fixture: &Fixture) {
    let (first, key) = stored(fixture, "gold").await;
    let tasks: Vec<_> = (0..48)
        .map(|_| {
            let (license, new) = (license(fixture, "gold"), self::key(fixture));
            let (store, stamp, digest) = (fixture.store.clone(), fixture.stamp(), key.digest);
            tokio::spawn(async move {
                store.insert_license(&license, &new, &stamp).await?;
                store.license_by_digest(&digest, NOON).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), Some(first.clone()));
    }
    assert_eq!(fixture.store.epoch().await.unwrap(), 49);
}
