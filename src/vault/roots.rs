//! Root secrets and canaries: the first thing that is read, and the proof that every master key is
//! the right one.

use super::{
    Vault, VaultError,
    long_work::{Counter, Faults, Step, Watch},
    verify::passing,
};
use crate::{
    clock::Clock,
    crypto::{Context, Purpose, RootSecret},
    entropy::Entropy,
    kms::{Keyring, KmsError},
    store::{DataKeyRecord, RootSecretRecord, Stamp, Store},
};

/// The purpose of the secret that everything is derived from.
const ROOT: &str = "root";
/// Each master key seals one of these, so that a wrong key is noticed before it is needed.
pub(super) const CANARY: &str = "canary/";
pub(super) const CANARY_TEXT: &[u8] = b"wicketgate canary";

/// What a rotation of the master key has sealed anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Root secrets.
    pub root_secrets: u64,
    /// Data keys.
    pub data_keys: u64,
    /// Data keys that do not open and stay as they are.
    pub faults: Faults,
}

pub(super) fn place(purpose: &str) -> Context<'_> {
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
    pub(super) async fn check_root_secret(&self, row: &RootSecretRecord) -> Result<(), VaultError> {
        let opened = unwrap(&self.keyring, row).await?;
        let fits = if row.purpose.starts_with(CANARY) {
            opened.expose() == CANARY_TEXT
        } else {
            opened.expose().len() == 32
        };
        if fits {
            Ok(())
        } else {
            Err(VaultError::Damaged("root secret"))
        }
    }

    /// Seals root secrets and data keys under the active master key. Records stay as they are, and
    /// so do canaries: each proves its own key.
    ///
    /// Can be stopped and run again at any time; whoever reads meanwhile needs both keys. Afterwards
    /// no row needs another key, unless there are faults.
    ///
    /// # Errors
    /// When the store or a key service cannot be asked.
    pub async fn rewrap(&self, actor: &str, watch: Watch<'_>) -> Result<Rewrapped, VaultError> {
        let mut report = Rewrapped::default();
        let mut counter = Counter::new(watch, Step::Rewrap);
        let active = self.keyring.active().as_str();
        for row in self.store.root_secrets().await? {
            if row.master_key == active || row.purpose.starts_with(CANARY) {
                continue;
            }
            // Without it nothing works: no fault among others.
            let secret = unwrap(&self.keyring, &row).await?;
            let place = place(&row.purpose);
            let new = RootSecretRecord {
                master_key: active.to_owned(),
                wrapped: self.keyring.wrap(&place, secret.expose()).await?,
                ..row.clone()
            };
            let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
            let changed = self.store.rewrap_root_secret(&new, &row.master_key, &stamp);
            report.root_secrets += u64::from(changed.await?);
            counter.add(1);
        }
        let mut after = String::new();
        loop {
            let page = self.store.data_keys_not_under(active, &after).await?;
            let Some(last) = page.last() else {
                return Ok(report);
            };
            after = last.id.to_string();
            let mut anew = Vec::with_capacity(page.len());
            for row in page {
                match self.wrapped_anew(&row).await {
                    Ok(wrapped) => {
                        let from = row.master_key.clone();
                        anew.push((DataKeyRecord { wrapped, ..row }, from));
                    }
                    Err(error) if passing(&error) => return Err(error),
                    Err(error) => report.faults.add("data_keys", row.id.to_string(), &error),
                }
            }
            // In the order in which a rotation of data keys takes them.
            anew.sort_by_key(|(row, _)| (row.tenant, row.id));
            let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
            let changed = self.store.rewrap_data_keys(active, &anew, &stamp).await?;
            report.data_keys += changed;
            counter.add(changed);
        }
    }

    async fn wrapped_anew(&self, row: &DataKeyRecord) -> Result<Vec<u8>, VaultError> {
        let key = self.unwrap_key(row).await?;
        self.wrap(row.tenant, row.id, &key).await
    }
}
