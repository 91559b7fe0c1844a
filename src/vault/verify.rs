//! Opens everything that is sealed, and says what does not open. Shows nothing of it.

use super::{
    Vault, VaultError,
    long_work::{Counter, Faults, Step, Watch},
    roots,
};
use crate::{
    crypto::seal,
    ids::DataKeyId,
    store::{CredentialRecord, Fence, RevocationRecord, SealedRow, StoreError, Tenant, Under},
};

/// What was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Root secrets.
    pub root_secrets: u64,
    /// Proofs of configured master keys.
    pub canaries: u64,
    /// Data keys that are not destroyed.
    pub data_keys: u64,
    /// Credentials.
    pub credentials: u64,
    /// Revocations still to be told.
    pub revocations: u64,
    /// What does not open.
    pub faults: Faults,
}

impl Vault {
    /// Opens every sealed row: root secrets, canaries of configured master keys, data keys,
    /// credentials and revocations. Also while opening is stopped: nothing is used.
    ///
    /// # Errors
    /// When the store or a key service cannot be asked. What does not open is a fault, not an error.
    pub async fn verify(&self, watch: Watch<'_>) -> Result<Verified, VaultError> {
        let mut verified = Verified::default();
        for row in self.store.root_secrets().await? {
            let canary = row.purpose.starts_with(roots::CANARY);
            match self.check_root_secret(&row).await {
                // The proof of a key that is no longer configured.
                Err(VaultError::UnknownMasterKey { .. }) if canary => {}
                Err(error) if passing(&error) => return Err(error),
                Err(error) => verified.faults.add("root_secrets", row.purpose, &error),
                Ok(()) if canary => verified.canaries += 1,
                Ok(()) => verified.root_secrets += 1,
            }
        }
        let mut after = String::new();
        loop {
            let page = self.store.sealed_data_keys(Fence::Whole, &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for row in page {
                let checked = match row.record {
                    Ok(record) => self.unwrap_key(&record).await.map(drop),
                    Err(error) => Err(VaultError::Store(error)),
                };
                verified.data_keys += noted("data_keys", row.id, checked, &mut verified.faults)?;
            }
        }
        self.verify_rows(Fence::Whole, &mut verified, watch).await?;
        Ok(verified)
    }

    /// The credentials and revocations among them.
    pub(super) async fn verify_rows(
        &self,
        whose: Fence,
        verified: &mut Verified,
        watch: Watch<'_>,
    ) -> Result<(), VaultError> {
        let mut counter = Counter::new(watch, Step::Verify);
        let mut after = String::new();
        loop {
            let page = self.store.sealed_credentials(whose, Under::Any, &after);
            let page = page.await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            counter.add(page.len() as u64);
            for SealedRow { id, record } in page {
                let checked = self.check_credential(record).await;
                verified.credentials += noted("credentials", id, checked, &mut verified.faults)?;
            }
        }
        if matches!(whose, Fence::Of(Tenant::License(_))) {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let page = self.store.sealed_revocations(Under::Any, &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            counter.add(page.len() as u64);
            for SealedRow { id, record } in page {
                let checked = self.check_revocation(record).await;
                let faults = &mut verified.faults;
                verified.revocations += noted("grant_revocations", id, checked, faults)?;
            }
        }
        Ok(())
    }

    async fn check_credential(
        &self,
        record: Result<CredentialRecord, StoreError>,
    ) -> Result<(), VaultError> {
        let record = record.map_err(VaultError::Store)?;
        names(record.data_key, &record.sealed)?;
        self.open_record(record).await.map(drop)
    }

    async fn check_revocation(
        &self,
        record: Result<RevocationRecord, StoreError>,
    ) -> Result<(), VaultError> {
        let record = record.map_err(VaultError::Store)?;
        names(record.data_key, &record.sealed)?;
        self.open_revocation(&record).await.map(drop)
    }
}

/// Does a row say the same of its data key as its sealed bytes do? Else a key that it needs could be
/// destroyed.
fn names(key: DataKeyId, sealed: &[u8]) -> Result<(), VaultError> {
    match seal::key_tag(sealed) {
        Ok(tag) if tag == *key.as_bytes() => Ok(()),
        Ok(_) => Err(VaultError::Damaged(
            "it names another data key than its row",
        )),
        Err(_) => Err(VaultError::Damaged("not a sealed value of a known format")),
    }
}

/// 1 for a row that opens.
fn noted(
    table: &'static str,
    id: String,
    checked: Result<(), VaultError>,
    faults: &mut Faults,
) -> Result<u64, VaultError> {
    match checked {
        Ok(()) => Ok(1),
        Err(error) if passing(&error) => Err(error),
        Err(error) => {
            faults.add(table, id, &error);
            Ok(0)
        }
    }
}

/// Says an error nothing about the row, only about this moment?
pub(super) const fn passing(error: &VaultError) -> bool {
    match error {
        VaultError::Unavailable(_) | VaultError::KeyService(_) | VaultError::Sealed => true,
        VaultError::Store(error) => !matches!(error, StoreError::Corrupt(_)),
        VaultError::Missing
        | VaultError::WrongMasterKey { .. }
        | VaultError::UnknownMasterKey { .. }
        | VaultError::Damaged(_)
        | VaultError::RolledBack => false,
    }
}
