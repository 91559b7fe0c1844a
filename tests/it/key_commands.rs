//! `key status|rotate|rewrap|verify|destroy` as people and programs use them, and that no writer
//! leaves a row behind under a key that was replaced.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wicketgate::{
    ids::{LicenseId, RevocationId},
    names::Label,
    secret::SecretString,
    store::{Fence, RevocationRecord, StoreError, Tenant},
    vault::{Issuer, NewGrant, Vault},
};

use crate::support::{
    database::{Fixture, on_both},
    key_site::{KeySite, own},
};

on_both! {
    keys_are_shown_rotated_and_destroyed
    no_row_appears_under_a_key_that_was_replaced
    a_revocation_is_not_queued_under_a_key_that_was_replaced
    an_emergency_reports_what_was_queued
}

fn text(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

async fn keys_are_shown_rotated_and_destroyed(fixture: &Fixture) {
    let mut site = KeySite::on(fixture).await;
    let operator = &site.operator;
    let shown = operator.run("key status").done();
    // The tests' own server is used as its superuser.
    let fence = fixture.url().map_or("not offered", |_| "bypassed");
    assert!(shown.out.contains(fence), "{}", shown.out);
    assert!(
        shown.out.contains("CANARY") && shown.out.contains("test"),
        "{}",
        shown.out
    );
    operator.run("key rotate").refused(2);
    operator.run("key rotate --all --emergency").refused(2);
    operator.run("key rotate --tenant nobody").refused(1);

    let rotated = operator
        .run("key rotate --tenant operator --json")
        .done()
        .json();
    assert_eq!(
        (&rotated["begun"], &rotated["resealed"]),
        (&json!(1), &json!(1)),
        "{rotated}"
    );
    let retired = rotated["retired"][0].as_str().unwrap().to_owned();
    let people = operator.run("key rotate --tenant operator").done();
    assert!(people.out.contains("retired 1 old keys"), "{}", people.out);
    let verified = operator.run("key verify").done();
    assert!(verified.out.contains("credentials"), "{}", verified.out);

    let unsaid = operator.run(&format!("key destroy {retired}")).refused(1);
    assert!(unsaid.err.contains("--yes"), "{}", unsaid.err);
    operator.run(&format!("key destroy {retired} --yes")).done();
    let again = operator
        .run(&format!("key destroy {retired} --yes"))
        .refused(1);
    assert!(again.err.contains("destroyed already"), "{}", again.err);
    let used = operator.run("key destroy test --yes").refused(1);
    assert!(used.err.contains("configured"), "{}", used.err);

    site.new_master_key();
    let operator = &site.operator;
    let warned = operator.run("key status").done();
    assert!(warned.err.contains("key rewrap"), "{}", warned.err);
    let rewrapped = operator.run("key rewrap --json").done().json();
    assert_eq!(rewrapped["master_key"], "next");
    assert_eq!(
        (&rewrapped["root_secrets"], &rewrapped["data_keys"]),
        (&json!(1), &json!(2))
    );
    operator.place.edit(", { id: test, env: KEY }", "");
    let forgotten = operator.run("key destroy test --yes").done();
    assert!(
        forgotten.out.contains("may now be deleted"),
        "{}",
        forgotten.out
    );
    let keys = site.status()["master_keys"].as_array().unwrap().clone();
    assert_eq!(
        (keys.len(), &keys[0]["id"], &keys[0]["kind"]),
        (1, &json!("next"), &json!("env"))
    );
    site.verified();
    let entries = site.store.audit_tail(100).await.unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    for action in [
        "key.rotate",
        "key.retire",
        "key.destroy",
        "key.rewrap",
        "key.forget",
    ] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    site.store.close().await;
}

/// Writers hold the data key active that they seal with: whatever is written while keys are
/// replaced is under the new one in the end, without a further look.
async fn no_row_appears_under_a_key_that_was_replaced(fixture: &Fixture) {
    let site = KeySite::on(fixture).await;
    let tenant = Tenant::License(LicenseId::from_bytes([7; 16]));
    let rotator = site.vault(&[("test", "KEY")]).await;
    rotator
        .put(tenant, &own(), &text("first"), "test")
        .await
        .unwrap();
    let mut writers = JoinSet::new();
    for number in 0..3 {
        let vault: Vault = site.vault(&[("test", "KEY")]).await;
        writers.spawn(async move {
            let label: Label = format!("l{number}").parse().unwrap();
            for round in 0..15 {
                let new = NewGrant {
                    access: Some(text(&format!("{number}-{round}"))),
                    refresh: None,
                    issuer: Issuer::of("https://provider.test/token", "client"),
                    scopes: Vec::new(),
                    expires: None,
                    shortfalls: 0,
                };
                // Three attempts may all meet a rotation: nothing is stored then, and it is said.
                match vault.put_grant(tenant, &own(), &label, &new, "test").await {
                    Ok(_) => {}
                    Err(error) => assert!(format!("{error:?}").contains("Conflict"), "{error:?}"),
                }
            }
        });
    }
    let mut rotations = 0;
    while !writers.is_empty() {
        let done = rotator
            .rotate(Fence::Of(tenant), "test", &|_| ())
            .await
            .unwrap();
        assert!(done.faults.is_empty(), "{done:?}");
        rotations += 1;
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(rotations > 1);
    // A retired key has nothing under it, and no more than one key seals.
    let last = rotator
        .rotate(Fence::Of(tenant), "test", &|_| ())
        .await
        .unwrap();
    assert_eq!(last.resealed, last.verified);
    let shown = site.status();
    assert_eq!(shown["outdated"]["credentials"], 0, "{shown}");
    let states = shown["data_keys"].as_array().unwrap();
    let active = states.iter().find(|of| of["state"] == "active").unwrap();
    assert_eq!(
        (&active["keys"], &active["tenants"]),
        (&json!(2), &json!(2))
    );
    assert!(
        !states.iter().any(|of| of["state"] == "decrypt_only"),
        "{shown}"
    );
    site.verified();
    site.store.close().await;
}

async fn a_revocation_is_not_queued_under_a_key_that_was_replaced(fixture: &Fixture) {
    let site = KeySite::on(fixture).await;
    let vault = site.vault(&[("test", "KEY")]).await;
    let tenant = Tenant::License(LicenseId::from_bytes([7; 16]));
    vault.put(tenant, &own(), &text("x"), "test").await.unwrap();
    let old = site
        .store
        .active_data_key(Tenant::Operator)
        .await
        .unwrap()
        .unwrap();
    vault.rotate(Fence::Whole, "test", &|_| ()).await.unwrap();
    let stamp = fixture.stamp();
    let revocation = RevocationRecord {
        id: RevocationId::generate(stamp.at, &*fixture.entropy),
        subject: tenant.to_string(),
        upstream: own(),
        data_key: old.id,
        sealed: vec![1],
        attempts: 0,
        next: stamp.at,
        created: stamp.at,
        expires: stamp.at,
    };
    let label = Label::default_label();
    let deleted = site
        .store
        .delete_credential(&own(), tenant, &label, Some((&revocation, 1)), &stamp)
        .await;
    assert_eq!(deleted, Err(StoreError::Conflict));
    assert_eq!(site.store.due_revocations(stamp.at).await.unwrap(), []);
    assert_eq!(site.verified()["credentials"], 2, "and nothing is deleted");
    site.store.close().await;
}

async fn an_emergency_reports_what_was_queued(fixture: &Fixture) {
    let site = KeySite::on(fixture).await;
    let vault = Arc::new(site.vault(&[("test", "KEY")]).await);
    let (id, _) = site.issue("leaky");
    let new = NewGrant {
        access: Some(text("access")),
        refresh: Some(text("CANARY-refresh")),
        issuer: Issuer::of("https://provider.test/token", "client"),
        scopes: Vec::new(),
        expires: None,
        shortfalls: 0,
    };
    let label = Label::default_label();
    let tenant = Tenant::License(id);
    vault
        .put_grant(tenant, &own(), &label, &new, "test")
        .await
        .unwrap();
    let ran = site
        .operator
        .run("key rotate --tenant leaky --emergency --json")
        .done();
    assert!(!ran.shows("CANARY"));
    let said = ran.json();
    assert_eq!(
        (&said["begun"], &said["retired"].as_array().unwrap().len()),
        (&json!(1), &1)
    );
    let account = &said["disconnected"][0];
    assert_eq!(account["upstream"], "own");
    assert!(
        account["revocation"].as_str().unwrap().starts_with("rev_"),
        "{said}"
    );
    assert_eq!(said["to_replace"], json!([]));
    let none: Vec<Value> = Vec::new();
    let again = site
        .operator
        .run("key rotate --tenant leaky --emergency --json")
        .done()
        .json();
    assert_eq!(again["disconnected"], json!(none));
    let verified = site.verified();
    assert_eq!(
        (&verified["credentials"], &verified["revocations"]),
        (&json!(1), &json!(1))
    );
    site.store.close().await;
}
