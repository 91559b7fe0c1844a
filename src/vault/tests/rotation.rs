//! New data keys: what is sealed follows, nothing else changes.

use std::collections::BTreeSet;

use super::*;
use crate::store::{DataKeyState, Destruction, Fence, Under};

const SILENT: Watch<'static> = &|_| ();

fn tenant(number: u8) -> Tenant {
    Tenant::License(LicenseId::from_bytes([number; 16]))
}

fn grant(access: &str, refresh: &str) -> NewGrant {
    NewGrant {
        access: Some(secret(access)),
        refresh: Some(secret(refresh)),
        issuer: Issuer::of("https://provider.test/token", "client"),
        scopes: Vec::new(),
        expires: None,
        shortfalls: 0,
    }
}

async fn keys(world: &World) -> BTreeSet<(DataKeyId, &'static str)> {
    let all = world
        .store
        .sealed_data_keys(Fence::Whole, "")
        .await
        .unwrap();
    let all = all.into_iter().map(|row| row.record.unwrap());
    all.map(|key| (key.id, key.state.as_str())).collect()
}

async fn outdated(world: &World) -> usize {
    let credentials = world
        .store
        .sealed_credentials(Fence::Whole, Under::Outdated, "");
    let revocations = world.store.sealed_revocations(Under::Outdated, "");
    credentials.await.unwrap().len() + revocations.await.unwrap().len()
}

#[tokio::test]
async fn a_rotation_moves_every_row_and_keeps_its_generation() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    vault
        .put(Tenant::Operator, &ads(), &secret("operator"), "cli")
        .await
        .unwrap();
    for number in 1..=3 {
        let own = secret(&format!("own {number}"));
        vault
            .put(tenant(number), &ads(), &own, "cli")
            .await
            .unwrap();
    }
    // Something that a provider is still to be told: it is the operator's.
    let bank: UpstreamName = "bank".parse().unwrap();
    vault
        .put_grant(tenant(1), &bank, &label(), &grant("a", "r"), "cli")
        .await
        .unwrap();
    vault
        .delete(tenant(1), &bank, &label(), "cli")
        .await
        .unwrap();
    let (before, infos) = (keys(&world).await, world.store.credentials().await.unwrap());
    assert_eq!(before.len(), 4);

    let one = vault.rotate(Fence::Of(tenant(2)), "cli", SILENT).await;
    let one = one.unwrap();
    let counts = (one.begun, one.resealed, one.verified, one.retired.len());
    assert_eq!(counts, (1, 1, 1, 1));

    let all = vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!((all.begun, all.resumed), (4, 0));
    assert_eq!((all.resealed, all.verified), (5, 5));
    assert!(all.faults.is_empty());
    let after = keys(&world).await;
    for (id, _) in &before {
        assert!(after.contains(&(*id, "retired")), "{id}");
    }
    assert_eq!(Box::pin(outdated(&world)).await, 0);
    assert_eq!(world.store.credentials().await.unwrap(), infos);
    let verified = vault.verify(SILENT).await.unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
    assert_eq!((verified.credentials, verified.revocations), (4, 1));
    assert_eq!((verified.data_keys, verified.canaries), (9, 1));
    assert_eq!(read(&vault).await.unwrap(), "operator");
    let actions = world.store.audit_tail(100).await.unwrap();
    let count = |action: &str| actions.iter().filter(|e| e.action == action).count();
    assert_eq!((count("key.rotate"), count("key.retire")), (5, 2));
}

#[tokio::test]
async fn a_rotation_that_was_interrupted_is_finished_not_begun_anew() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    for number in 1..=4 {
        let own = secret(&format!("own {number}"));
        vault
            .put(tenant(number), &ads(), &own, "cli")
            .await
            .unwrap();
    }
    let (mut begun, both) = (Rotated::default(), [1, 2]);
    for number in both {
        let whose = Fence::Of(tenant(number));
        let renewed =
            vault.renew_keys(whose, rotate::Unfinished::Counts, &mut begun, "cli", SILENT);
        renewed.await.unwrap();
    }
    assert_eq!((begun.begun, Box::pin(outdated(&world)).await), (2, 2));
    let rest = vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!((rest.resumed, rest.begun, rest.resealed), (2, 2, 4));
    assert_eq!(
        (rest.retired.len(), Box::pin(outdated(&world)).await),
        (4, 0)
    );
    assert_eq!(keys(&world).await.len(), 8);
}

#[tokio::test]
async fn a_row_that_does_not_open_keeps_its_key_and_is_named() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let put = vault
        .put(Tenant::Operator, &ads(), &secret("x"), "cli")
        .await;
    let id = put.unwrap().id;
    let mut record = world.record().await;
    let last = record.sealed.len() - 1;
    record.sealed[last] ^= 1;
    world.overwrite(&record, 1).await;
    let rotated = vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!((rotated.resealed, rotated.retired.len()), (0, 0));
    assert_eq!(rotated.faults.count, 1);
    let fault = &rotated.faults.first[0];
    assert_eq!((fault.table, &fault.id), ("credentials", &id.to_string()));
    let verified = vault.verify(SILENT).await.unwrap();
    assert_eq!(verified.faults, rotated.faults);
    // Nobody else's old key stays for it.
    let other = secret("y");
    vault.put(tenant(7), &ads(), &other, "cli").await.unwrap();
    let theirs = world.store.credential(&ads(), tenant(7), &label()).await;
    let theirs = theirs.unwrap().unwrap().data_key;
    let rotated = vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!(
        (rotated.begun, rotated.resumed, rotated.faults.count),
        (1, 1, 1)
    );
    assert_eq!(rotated.retired, [theirs]);
    // Once it is gone the next run finishes.
    vault
        .delete(Tenant::Operator, &ads(), &label(), "cli")
        .await
        .unwrap();
    let rotated = vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!((rotated.resumed, rotated.retired.len()), (1, 2));
}

/// What renews a grant may come from its provider only once: a data key that is rotated at that
/// very moment must not lose it.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_renewed_while_its_data_key_is_rotated() {
    let world = World::new().await;
    let vault = Arc::new(world.vault(&[("a", 1)]).await.unwrap());
    vault
        .put_grant(tenant(1), &ads(), &label(), &grant("a0", "r0"), "cli")
        .await
        .unwrap();
    let rotator = {
        let vault = world.vault(&[("a", 1)]).await.unwrap();
        tokio::spawn(async move {
            for _ in 0..60 {
                vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
            }
        })
    };
    let mut renewals = 0;
    while !rotator.is_finished() || renewals < 20 {
        let all = vault.read_again(tenant(1), &ads()).await.unwrap();
        let new = grant(&format!("a{}", renewals + 1), &format!("r{}", renewals + 1));
        let change = vault.renewed(&all[0], &new).await.unwrap();
        assert_eq!(change, GrantChange::Stored, "{renewals}");
        renewals += 1;
    }
    rotator.await.unwrap();
    let last = vault.read_again(tenant(1), &ads()).await.unwrap();
    let Material::Grant(tokens) = &last[0].material else {
        panic!("a grant")
    };
    let refresh = tokens.refresh.as_ref().unwrap().expose();
    assert_eq!(*refresh, format!("r{renewals}"));
    assert!(vault.verify(SILENT).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn an_emergency_disconnects_accounts_and_tells_their_providers() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let (mine, theirs) = (tenant(1), tenant(2));
    let bank: UpstreamName = "bank".parse().unwrap();
    for whose in [mine, theirs] {
        vault
            .put_grant(whose, &ads(), &label(), &grant("a", "leaked"), "cli")
            .await
            .unwrap();
        vault.put(whose, &bank, &secret("k"), "cli").await.unwrap();
    }
    // It works while all opening is stopped, as one would in an emergency.
    vault.seal("cli").await.unwrap();
    let done = vault
        .rotate_in_emergency(mine, "cli", SILENT)
        .await
        .unwrap();
    let told: Vec<_> = done.disconnected.iter().map(|d| d.revocation).collect();
    assert_eq!((done.disconnected.len(), done.to_replace.len()), (1, 1));
    assert_eq!((done.rotated.begun, done.rotated.retired.len()), (1, 1));
    let due = world.store.due_revocations(NOW).await.unwrap();
    assert_eq!(told, [Some(due[0].id)]);
    assert_eq!((due.len(), &due[0].subject), (1, &mine.to_string()));
    let told = vault.open_revocation(&due[0]).await.unwrap();
    assert_eq!(told.refresh.unwrap().expose(), "leaked");
    vault.unseal("cli").await.unwrap();
    assert_eq!(vault.remembered(mine, &ads()).await.unwrap().len(), 0);
    assert_eq!(vault.remembered(theirs, &ads()).await.unwrap().len(), 1);
    assert_eq!(vault.remembered(mine, &bank).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_a_retired_key_that_nothing_needs_is_destroyed() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    vault
        .put(Tenant::Operator, &ads(), &secret("x"), "cli")
        .await
        .unwrap();
    let old = world.record().await;
    let destroy = async |id| {
        let stamp = Stamp::new("cli", &*world.clock, &*world.entropy);
        world.store.destroy_data_key(id, &stamp).await.unwrap()
    };
    let in_use = Destruction::NotRetired(DataKeyState::Active);
    assert_eq!(destroy(old.data_key).await, in_use);
    assert_eq!(
        destroy(DataKeyId::from_bytes([9; 16])).await,
        Destruction::NotFound
    );
    vault.rotate(Fence::Whole, "cli", SILENT).await.unwrap();
    assert_eq!(destroy(old.data_key).await, Destruction::Destroyed);
    let gone = Destruction::NotRetired(DataKeyState::Destroyed);
    assert_eq!(destroy(old.data_key).await, gone);
    assert_eq!(read(&vault).await.unwrap(), "x");
    // What a backup brings back stays sealed.
    let fresh = world.vault(&[("a", 1)]).await.unwrap();
    let refused = fresh.open_record(old).await.unwrap_err();
    assert_eq!(refused, VaultError::Damaged("data key is missing"));
    assert!(fresh.verify(SILENT).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_master_key_is_forgotten_when_nothing_is_under_it() {
    let world = World::new().await;
    let old = world.vault(&[("a", 1)]).await.unwrap();
    for number in 1..=120 {
        old.key_for(tenant(number)).await.unwrap();
    }
    let forget = async || {
        let stamp = Stamp::new("cli", &*world.clock, &*world.entropy);
        world.store.forget_master_key("a", &stamp).await.unwrap()
    };
    let both = world.vault(&[("b", 2), ("a", 1)]).await.unwrap();
    assert_eq!(forget().await, Destruction::Needed { rows: 121 });
    let rewrapped = both.rewrap("cli", SILENT).await.unwrap();
    assert_eq!((rewrapped.root_secrets, rewrapped.data_keys), (1, 120));

    let ring = ring(&[("b", 2)]);
    let found = inventory(&world.store, &ring).await.unwrap();
    let shown: Vec<_> = found
        .master_keys
        .iter()
        .map(|key| (key.id.as_str(), key.canary))
        .collect();
    assert_eq!(shown, [("b", Canary::Opens), ("a", Canary::NotConfigured)]);
    let counts: Vec<_> = found
        .master_keys
        .iter()
        .map(|key| (key.root_secrets, key.data_keys))
        .collect();
    assert_eq!(counts, [(1, 120), (0, 0)]);
    let new = world.vault(&[("b", 2)]).await.unwrap();
    let verified = new.verify(SILENT).await.unwrap();
    assert_eq!((verified.data_keys, verified.canaries), (120, 1));
    assert!(verified.faults.is_empty());
    assert_eq!(forget().await, Destruction::Destroyed);
    assert_eq!(forget().await, Destruction::NotFound);
}
