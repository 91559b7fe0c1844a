//! Root secrets and canaries: the first thing that is read, and the proof that every master key is
//! the right one.

use super::{Vault, VaultError};
use crate::{
    clock::Clock,
    crypto::{Context, Purpose, RootSecret},
    entropy::Entropy,
    kms::{Keyring, KmsError},
    store::{DataKeyRecord, RootSecretRecord, Store},
};

/// The purpose of the secret that everything is derived from.
const ROOT: &str = "root";
/// Each master key seals one of these, so that a wrong key is noticed before it is needed.
const CANARY: &str = "canary/";
const CANARY_TEXT: &[u8] = b"wicketgate canary";

/// What a rotation of the master key has sealed anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Root secrets.
    pub root_secrets: u64,
    /// Data keys.
    pub data_keys: u64,
}

fn place(purpose: &str) -> Context<'_> {
    Context {
        purpose: Purpose::RootSecret,
        tenant: "operator",
        table: "root_secrets",
        row: purpose,
        column: "wrapped",
        upstream: "",
        generation: 0,
    }
}

/// Opens the root secret, or makes one in an empty store. All checks come before the first write.
pub(super) async fn open_or_make(
    store: &Store,
    keyring: &Keyring,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<RootSecret, VaultError> {
    let rows = store.root_secrets().await?;
    let row = |purpose: &str| rows.iter().find(|row| row.purpose == purpose);
    let mut missing = Vec::new();
    for (id, _) in keyring.ids() {
        let purpose = format!("{CANARY}{id}");
        match row(&purpose) {
            Some(row) => drop(unwrap(keyring, row).await?),
            None => missing.push((purpose, id.clone())),
        }
    }
    let root = match row(ROOT) {
        Some(row) => root(keyring, row).await?,
        // It is written before any canary: somebody has removed it, and a new one would silently
        // end every license key.
        None if rows.iter().any(|row| row.purpose.starts_with(CANARY)) => {
            return Err(VaultError::Damaged("root secret is missing"));
        }
        None => make(store, keyring, clock, entropy).await?,
    };
    for (purpose, id) in missing {
        let place = place(&purpose);
        let wrapped = keyring.wrap_under(&id, &place, CANARY_TEXT).await;
        let record = RootSecretRecord {
            wrapped: wrapped.transpose()?.unwrap_or_default(),
            master_key: id.to_string(),
            created: clock.now(),
            purpose,
        };
        store.insert_root_secret(&record).await?;
    }
    Ok(root)
}

async fn make(
    store: &Store,
    keyring: &Keyring,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<RootSecret, VaultError> {
    let secret = RootSecret::generate(entropy);
    let record = RootSecretRecord {
        purpose: ROOT.to_owned(),
        master_key: keyring.active().to_string(),
        wrapped: keyring.wrap(&place(ROOT), secret.expose()).await?,
        created: clock.now(),
    };
    store.insert_root_secret(&record).await?;
    // Another process may have been first; then its secret is the one.
    let rows = store.root_secrets().await?;
    let stored = rows.iter().find(|row| row.purpose == ROOT);
    root(keyring, stored.ok_or(VaultError::Damaged("root secret"))?).await
}

async fn root(keyring: &Keyring, row: &RootSecretRecord) -> Result<RootSecret, VaultError> {
    let bytes = unwrap(keyring, row).await?;
    let bytes: &[u8; 32] = bytes
        .expose()
        .as_slice()
        .try_into()
        .map_err(|_| VaultError::Damaged("root secret"))?;
    Ok(RootSecret::from_bytes(*bytes))
}

async fn unwrap(
    keyring: &Keyring,
    row: &RootSecretRecord,
) -> Result<crate::secret::SecretBytes, VaultError> {
    let key = || row.master_key.clone();
    let place = place(&row.purpose);
    let opened = keyring.unwrap(&row.master_key, &place, &row.wrapped).await;
    match opened {
        None => Err(VaultError::UnknownMasterKey { key: key() }),
        Some(Err(KmsError::DoesNotOpen)) => Err(VaultError::WrongMasterKey { key: key() }),
        Some(opened) => Ok(opened?),
    }
}

impl Vault {
    /// Seals root secrets and data keys under the active master key. Records stay as they are.
    ///
    /// Can be stopped and run again at any time. Afterwards no row needs another key.
    pub async fn rewrap(&self) -> Result<Rewrapped, VaultError> {
        let mut report = Rewrapped::default();
        let active = self.keyring.active().as_str();
        for row in self.store.root_secrets().await? {
            if row.master_key == active || row.purpose.starts_with(CANARY) {
                continue;
            }
            let secret = unwrap(&self.keyring, &row).await?;
            let place = place(&row.purpose);
            let wrapped = self.keyring.wrap(&place, secret.expose()).await?;
            let new = RootSecretRecord {
                master_key: active.to_owned(),
                wrapped,
                ..row.clone()
            };
            self.store.rewrap_root_secret(&new, &row.master_key).await?;
            report.root_secrets += 1;
        }
        // Each page leaves the query's result, so this ends; a failure ends it too.
        loop {
            let page = self.store.data_keys_not_under(active).await?;
            if page.is_empty() {
                return Ok(report);
            }
            for row in page {
                let new = DataKeyRecord {
                    master_key: active.to_owned(),
                    wrapped: self
                        .wrap(row.tenant, row.id, &*self.unwrap_key(&row).await?)
                        .await?,
                    ..row.clone()
                };
                self.store.rewrap_data_key(&new, &row.master_key).await?;
                report.data_keys += 1;
            }
        }
    }
}
