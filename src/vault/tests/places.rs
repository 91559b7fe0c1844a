//! A sealed secret is bound to where it is stored, to its last bit.

use super::*;
use crate::{
    crypto::seal,
    store::{CredentialInfo, CredentialKind, RevocationRecord},
};

/// Two licenses, two upstreams, two labels: every row under a data key of its tenant.
async fn stored(vault: &Vault, tenant: Tenant, upstream: &str) -> CredentialRecord {
    let upstream: UpstreamName = upstream.parse().unwrap();
    let text = secret(&format!("secret of {tenant} at {upstream}"));
    vault.put(tenant, &upstream, &text, "cli").await.unwrap();
    let record = vault.store.credential(&upstream, tenant, &label()).await;
    record.unwrap().unwrap()
}

/// Each dimension by itself: everything else is as it was sealed.
#[tokio::test]
async fn a_ciphertext_opens_nowhere_but_in_its_own_row() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let (alpha, beta) = (
        Tenant::License(LicenseId::from_bytes([1; 16])),
        Tenant::License(LicenseId::from_bytes([2; 16])),
    );
    let mine = stored(&vault, alpha, "ads").await;
    let elsewhere = stored(&vault, alpha, "bank").await;
    let theirs = stored(&vault, beta, "ads").await;
    let opens = async |info: &CredentialInfo, sealed: &[u8]| {
        let record = CredentialRecord {
            info: info.clone(),
            data_key: mine.data_key,
            sealed: sealed.to_vec(),
        };
        vault.open_sealed(&record).await.map(|_| ())
    };
    let refused = Err(VaultError::Damaged("credential"));
    assert_eq!(opens(&mine.info, &mine.sealed).await, Ok(()));

    let mut row = mine.info.clone();
    row.id = elsewhere.info.id;
    assert_eq!(opens(&row, &mine.sealed).await, refused, "another row");

    let mut upstream = mine.info.clone();
    upstream.upstream = elsewhere.info.upstream.clone();
    assert_eq!(
        opens(&upstream, &mine.sealed).await,
        refused,
        "another upstream"
    );

    for generation in [0, 2, u64::MAX] {
        let mut changed = mine.info.clone();
        changed.generation = generation;
        assert_eq!(opens(&changed, &mine.sealed).await, refused, "{generation}");
    }

    let mut purpose = mine.info.clone();
    purpose.kind = CredentialKind::Grant;
    assert_eq!(
        opens(&purpose, &mine.sealed).await,
        refused,
        "another purpose"
    );

    // Another license: its own data key is asked for, and this one is not its.
    let missing = Err(VaultError::Damaged("data key is missing"));
    let mut license = mine.info.clone();
    license.tenant = beta;
    assert_eq!(
        opens(&license, &mine.sealed).await,
        missing,
        "another license"
    );
    license.tenant = Tenant::Operator;
    assert_eq!(opens(&license, &mine.sealed).await, missing, "the operator");
    assert_eq!(
        opens(&theirs.info, &mine.sealed).await,
        missing,
        "their row"
    );

    // The tenant is bound also where the key is the same: sealed with beta's key for alpha's place.
    let (_, key) = vault.key_for(beta).await.unwrap();
    let (tenant, id) = (alpha.to_string(), theirs.info.id.to_string());
    let place = open::place_of(&theirs.info, &tenant, &id);
    let forged = key.seal(&place, b"x", &*world.entropy);
    assert_eq!(opens(&theirs.info, &forged).await, refused);

    // Another table and column, under the same key: what tells a provider of an end.
    let id = crate::ids::RevocationId::generate(NOW, &*world.entropy);
    let operator = stored(&vault, Tenant::Operator, "ads").await;
    let revocation = RevocationRecord {
        id,
        subject: alpha.to_string(),
        upstream: ads(),
        data_key: operator.data_key,
        sealed: operator.sealed.clone(),
        attempts: 0,
        next: NOW,
        created: NOW,
        expires: NOW,
    };
    let moved = vault.open_revocation(&revocation).await.unwrap_err();
    assert_eq!(moved, VaultError::Damaged("revocation"));
}

#[tokio::test]
async fn k_07_a_sealed_value_of_a_newer_format_is_refused_as_such() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let mut record = stored(&vault, Tenant::Operator, "ads").await;
    for (at, what) in [(2, "format"), (3, "algorithm"), (0, "magic")] {
        let mut changed = record.clone();
        changed.sealed[at] += 1;
        let refused = vault.open_sealed(&changed).await.unwrap_err().to_string();
        assert!(
            refused.contains("not a known sealed format"),
            "{what}: {refused}"
        );
    }
    record.sealed[2] += 1;
    assert!(seal::key_tag(&record.sealed).is_err());
    world.overwrite(&record, 1).await;
    let verified = vault.verify(&|_| ()).await.unwrap();
    assert_eq!(verified.faults.count, 1);
    let reason = &verified.faults.first[0].reason;
    assert!(
        reason.contains("not a sealed value of a known format"),
        "{reason}"
    );
}

#[tokio::test]
async fn k_09_an_older_ciphertext_of_the_same_row_is_refused_while_the_newer_was_seen() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let first = stored(&vault, Tenant::Operator, "ads").await;
    let second = stored(&vault, Tenant::Operator, "ads").await;
    assert_eq!((first.info.generation, second.info.generation), (1, 2));
    read(&vault).await.unwrap();
    // The whole row as it was.
    world.overwrite(&first, 2).await;
    vault.forget();
    assert_eq!(read(&vault).await, Err(VaultError::RolledBack));
    // Its bytes alone, in the newer row.
    let mut mixed = second.clone();
    mixed.sealed.clone_from(&first.sealed);
    world.overwrite(&mixed, 1).await;
    vault.forget();
    assert_eq!(read(&vault).await, Err(VaultError::Damaged("credential")));
    // The limit, as the documentation has it: a process that never saw the newer one cannot know.
    world.overwrite(&first, 2).await;
    let fresh = world.vault(&[("a", 1)]).await.unwrap();
    assert!(read(&fresh).await.is_ok());
}
