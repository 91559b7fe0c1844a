//! What the vault promises, on a database in memory.

use super::*;
use crate::{
    clock::{Clock, ManualClock, Timestamp},
    crypto::{LicenseKey, MasterKey, MasterKeyId, generate_master_key_text},
    entropy::SeededEntropy,
    ids::LicenseId,
    names::Label,
    secret::SecretString,
    store::{CredentialRecord, Removal, Stamp, StoreTarget},
};

const NOW: Timestamp = Timestamp::from_millis(1_795_348_800_000);

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    entropy: SharedEntropy,
}

impl World {
    async fn new() -> Self {
        let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
        store.migrate(NOW).await.unwrap();
        Self {
            store,
            clock: Arc::new(ManualClock::new(NOW)),
            entropy: Arc::new(SeededEntropy::new(1)),
        }
    }

    /// A vault whose keys are named and seeded; the first seals.
    async fn vault(&self, keys: &[(&str, u64)]) -> Result<Vault, VaultError> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let entropy = self.entropy.clone();
        Vault::bootstrap(store, ring(keys), clock, entropy).await
    }

    async fn record(&self) -> CredentialRecord {
        let found = self
            .store
            .credential(&ads(), Tenant::Operator, &label())
            .await;
        found.unwrap().unwrap()
    }

    async fn overwrite(&self, record: &CredentialRecord, replaces: u64) {
        let stamp = Stamp::new("thief", &*self.clock, &*self.entropy);
        let put = self.store.put_credential(record, Some(replaces), &stamp);
        put.await.unwrap();
    }
}

fn ring(keys: &[(&str, u64)]) -> Keyring {
    let id = |text: &str| text.parse::<MasterKeyId>().unwrap();
    let all = keys.iter().map(|(name, seed)| {
        let text = generate_master_key_text(&SeededEntropy::new(*seed));
        (id(name), MasterKey::parse(&text).unwrap())
    });
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(9));
    Keyring::local(all.collect(), &entropy).unwrap()
}

fn label() -> Label {
    Label::default_label()
}

fn ads() -> UpstreamName {
    "ads".parse().unwrap()
}

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

async fn read(vault: &Vault) -> Result<String, VaultError> {
    let act = OperatorAct::at_command_line();
    let opened = vault.operator_open(act, &ads()).await?;
    Ok(String::from_utf8(opened.secret.expose().clone()).unwrap())
}

fn wrong(key: &str) -> VaultError {
    VaultError::WrongMasterKey {
        key: key.to_owned(),
    }
}

#[tokio::test]
async fn what_is_put_opens_and_is_not_stored_in_the_clear() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    assert_eq!(read(&vault).await, Err(VaultError::Missing));
    let info = vault
        .put(Tenant::Operator, &ads(), &secret("CANARY"), "cli")
        .await
        .unwrap();
    assert_eq!(info.generation, 1);
    assert_eq!(read(&vault).await.unwrap(), "CANARY");
    let sealed = world.record().await.sealed;
    assert!(!sealed.windows(6).any(|w| w == b"CANARY"));
    assert!(!format!("{vault:?}{:?}", vault.list().await).contains("CANARY"));

    let info = vault
        .put(Tenant::Operator, &ads(), &secret("second"), "cli")
        .await
        .unwrap();
    assert_eq!(info.generation, 2);
    assert_eq!(read(&vault).await.unwrap(), "second");
    assert_eq!(
        vault
            .delete(Tenant::Operator, &ads(), &label(), "cli")
            .await,
        Ok(Removal::Removed)
    );
    assert_eq!(read(&vault).await, Err(VaultError::Missing));
    assert_eq!(
        vault
            .delete(Tenant::Operator, &ads(), &label(), "cli")
            .await,
        Ok(Removal::NotFound)
    );
}

#[tokio::test]
async fn a_wrong_master_key_is_named_before_anything_is_written() {
    let world = World::new().await;
    let key = LicenseKey::generate(&*world.entropy);
    let first = world.vault(&[("a", 1)]).await.unwrap();
    let digest = first.pepper().digest(&key);
    let rows = world.store.root_secrets().await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(world.vault(&[("a", 2)]).await.unwrap_err(), wrong("a"));
    let unknown = VaultError::UnknownMasterKey { key: "a".into() };
    assert_eq!(world.vault(&[("b", 1)]).await.unwrap_err(), unknown);
    let both = world.vault(&[("b", 3), ("a", 2)]).await;
    assert_eq!(both.unwrap_err(), wrong("a"));
    assert_eq!(world.store.root_secrets().await.unwrap(), rows);
    // The right key finds what it made.
    let again = world.vault(&[("a", 1)]).await.unwrap();
    assert_eq!(again.pepper().digest(&key), digest);
    assert_eq!(again.log_key().digest(b"x"), first.log_key().digest(b"x"));
    assert_eq!(
        again.cursor_key().digest(b"x"),
        first.cursor_key().digest(b"x")
    );
}

#[tokio::test]
async fn a_new_master_key_takes_over_and_the_old_one_can_go() {
    let world = World::new().await;
    let key = LicenseKey::generate(&*world.entropy);
    let old = world.vault(&[("a", 1)]).await.unwrap();
    old.put(Tenant::Operator, &ads(), &secret("CANARY"), "cli")
        .await
        .unwrap();
    let sealed = world.record().await.sealed;

    let both = world.vault(&[("b", 2), ("a", 1)]).await.unwrap();
    let expected = Rewrapped {
        root_secrets: 1,
        data_keys: 1,
        faults: Faults::default(),
    };
    assert_eq!(both.rewrap("cli", &|_| ()).await, Ok(expected));
    let again = both.rewrap("cli", &|_| ()).await;
    assert_eq!(again, Ok(Rewrapped::default()));
    assert_eq!(world.record().await.sealed, sealed, "records stay");

    let new = world.vault(&[("b", 2)]).await.unwrap();
    assert_eq!(read(&new).await.unwrap(), "CANARY");
    assert_eq!(new.pepper().digest(&key), old.pepper().digest(&key));
}

#[tokio::test]
async fn a_credential_is_remembered_until_told_to_forget_or_old() {
    let world = World::new().await;
    let (ours, theirs) = (
        world.vault(&[("a", 1)]).await.unwrap(),
        world.vault(&[("a", 1)]).await.unwrap(),
    );
    ours.put(Tenant::Operator, &ads(), &secret("one"), "cli")
        .await
        .unwrap();
    assert_eq!(read(&ours).await.unwrap(), "one");
    theirs
        .put(Tenant::Operator, &ads(), &secret("two"), "cli")
        .await
        .unwrap();
    assert_eq!(read(&ours).await.unwrap(), "one");
    ours.forget();
    assert_eq!(read(&ours).await.unwrap(), "two");
    theirs
        .put(Tenant::Operator, &ads(), &secret("three"), "cli")
        .await
        .unwrap();
    world.clock.advance(Duration::from_mins(15));
    assert_eq!(read(&ours).await.unwrap(), "three");
    world.store.close().await;
    assert_eq!(read(&ours).await.unwrap(), "three");
    ours.forget();
    let gone = read(&ours).await.unwrap_err();
    assert!(matches!(gone, VaultError::Unavailable(_)), "{gone:?}");
}

#[tokio::test]
async fn a_moved_changed_or_older_ciphertext_does_not_open() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    vault
        .put(Tenant::Operator, &ads(), &secret("one"), "cli")
        .await
        .unwrap();
    let first = world.record().await;
    vault
        .put(Tenant::Operator, &ads(), &secret("two"), "cli")
        .await
        .unwrap();
    assert_eq!(read(&vault).await.unwrap(), "two");

    world.overwrite(&first, 2).await;
    vault.forget();
    assert_eq!(read(&vault).await, Err(VaultError::RolledBack));

    let mut raised = first.clone();
    raised.info.generation = 3;
    world.overwrite(&raised, 1).await;
    assert_eq!(read(&vault).await, Err(VaultError::Damaged("credential")));

    let bank: UpstreamName = "bank".parse().unwrap();
    let info = vault
        .put(Tenant::Operator, &bank, &secret("bank's"), "cli")
        .await
        .unwrap();
    let moved = CredentialRecord {
        info,
        data_key: first.data_key,
        sealed: first.sealed,
    };
    world.overwrite(&moved, 1).await;
    vault.forget();
    let act = OperatorAct::at_command_line();
    let refused = vault.operator_open(act, &bank).await.unwrap_err();
    assert_eq!(refused, VaultError::Damaged("credential"));
}

#[tokio::test]
async fn the_licenses_own_comes_first_then_the_operators() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let (mine, other) = (
        Tenant::License(LicenseId::from_bytes([1; 16])),
        Tenant::License(LicenseId::from_bytes([2; 16])),
    );
    let open = async |tenant| {
        let opened = vault.open_first(&[tenant, Tenant::Operator], &ads()).await;
        String::from_utf8(opened.unwrap().secret.expose().clone()).unwrap()
    };
    vault
        .put(Tenant::Operator, &ads(), &secret("operator"), "cli")
        .await
        .unwrap();
    assert_eq!(open(mine).await, "operator");
    let own = secret("mine");
    vault.put(mine, &ads(), &own, "cli").await.unwrap();
    assert_eq!(open(mine).await, "mine");
    assert_eq!(open(other).await, "operator");
    assert_eq!(vault.list().await.unwrap().len(), 2);
    let gone = vault.delete(mine, &ads(), &label(), "cli").await;
    assert_eq!(
        (gone, open(mine).await),
        (Ok(Removal::Removed), "operator".into())
    );
}

#[tokio::test]
async fn a_missing_root_secret_is_not_replaced() {
    let world = World::new().await;
    let rows = {
        world.vault(&[("a", 1)]).await.unwrap();
        world.store.root_secrets().await.unwrap()
    };
    let stripped = World::new().await;
    for row in rows.iter().filter(|row| row.purpose != "root") {
        stripped.store.insert_root_secret(row).await.unwrap();
    }
    let refused = stripped.vault(&[("a", 1)]).await.unwrap_err();
    assert_eq!(refused, VaultError::Damaged("root secret is missing"));
    assert!(world.clock.now() == NOW);
}

mod places;
mod rotation;

#[tokio::test]
async fn a_credential_may_be_replaced_by_one_of_another_kind() {
    let world = World::new().await;
    let vault = world.vault(&[("a", 1)]).await.unwrap();
    let mine = Tenant::License(LicenseId::from_bytes([1; 16]));
    let grant = NewGrant {
        access: Some(secret("token")),
        refresh: None,
        issuer: Issuer::of("https://provider.test/token", "client"),
        scopes: Vec::new(),
        expires: None,
        shortfalls: 0,
    };
    let kinds = async || {
        let all = vault.remembered(mine, &ads()).await.unwrap();
        let kind = |held: &Arc<Held>| matches!(held.material, Material::Grant(_));
        all.iter().map(kind).collect::<Vec<_>>()
    };
    vault
        .put(mine, &ads(), &secret("key"), "cli")
        .await
        .unwrap();
    assert_eq!(kinds().await, [false]);
    let put = vault.put_grant(mine, &ads(), &label(), &grant, "cli").await;
    assert_eq!(put.unwrap().generation, 2);
    assert_eq!(kinds().await, [true]);
    vault
        .put(mine, &ads(), &secret("key"), "cli")
        .await
        .unwrap();
    assert_eq!(kinds().await, [false]);
}

#[tokio::test]
async fn a_stop_that_is_heard_late_counts_all_the_same() {
    let world = World::new().await;
    let (ours, theirs) = (
        world.vault(&[("a", 1)]).await.unwrap(),
        world.vault(&[("a", 1)]).await.unwrap(),
    );
    ours.put(Tenant::Operator, &ads(), &secret("one"), "cli")
        .await
        .unwrap();
    assert_eq!(read(&ours).await.unwrap(), "one");
    let before = ours.stop.load(Ordering::SeqCst);
    theirs.seal("cli").await.unwrap();
    ours.forget();
    // Somebody who asked before the stop writes what it heard after everything was forgotten.
    ours.stop.store(before, Ordering::SeqCst);
    assert_eq!(read(&ours).await, Err(VaultError::Sealed));
    theirs.unseal("cli").await.unwrap();
    ours.forget();
    assert_eq!(read(&ours).await.unwrap(), "one");
}
