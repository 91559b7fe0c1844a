//! New data keys for tenants, while everybody goes on: the old key opens until the last row has
//! left it. Can be stopped at any moment and run again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Vault, VaultError,
    data_keys::KeptKey,
    long_work::{Counter, Faults, Step, Watch},
    open::place_of,
    verify::{Verified, passing},
    write::place_of_revocation,
};
use crate::{
    ids::{CredentialId, DataKeyId, RevocationId},
    store::{
        CredentialRecord, Fence, Resealed, RevocationRecord, SealedRow, Sealing, Stamp, StoreError,
        Tenant, Under,
    },
};

/// Rows of one transaction: writers of the same tenant wait for it.
const TOGETHER: usize = 50;

/// Between two of them others have their turn.
const PAUSE: Duration = Duration::from_millis(2);

/// How often all rows are looked at again for some that came back: once is enough unless another
/// rotation runs beside this one.
const ROUNDS: usize = 5;

/// What a rotation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotated {
    /// How many tenants got a new data key.
    pub begun: u64,
    /// How many had one already from a rotation that was not finished: it was finished now.
    pub resumed: u64,
    /// How many rows came under new keys.
    pub resealed: u64,
    /// How many rows were opened afterwards.
    pub verified: u64,
    /// The keys that nothing is sealed under any more.
    pub retired: Vec<DataKeyId>,
    /// The rows that do not open; the keys of tenants who have some are not retired.
    pub faults: Faults,
}

/// Does a rotation that was not finished count as the one that is asked for?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It does.
    Counts,
    /// It does not: its key may be known to others.
    DoesNotCount,
}

/// The keys that rows come under, as far as they are known.
type Keys = BTreeMap<Tenant, (DataKeyId, Arc<KeptKey>)>;

impl Vault {
    /// Gives these tenants a new data key each, seals all they have under it, opens everything, and
    /// retires the old keys. A rotation that was interrupted is finished instead of begun anew.
    ///
    /// Nobody has to wait: gateways go on with what they remember, and read old and new alike.
    ///
    /// # Errors
    /// When the store or a key service cannot be asked; run it again then.
    pub async fn rotate(
        &self,
        whose: Fence,
        actor: &str,
        watch: Watch<'_>,
    ) -> Result<Rotated, VaultError> {
        let mut rotated = Rotated::default();
        self.renew_keys(whose, Unfinished::Counts, &mut rotated, actor, watch)
            .await?;
        self.finish(whose, rotated, actor, watch).await
    }

    /// New keys that seal from now on.
    pub(super) async fn renew_keys(
        &self,
        whose: Fence,
        unfinished: Unfinished,
        rotated: &mut Rotated,
        actor: &str,
        watch: Watch<'_>,
    ) -> Result<(), VaultError> {
        let mut counter = Counter::new(watch, Step::NewKeys);
        let mut after = String::new();
        loop {
            let page = self.store.sealing_keys(whose, &after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.tenant.to_string();
            for sealing in page {
                if unfinished == Unfinished::Counts && sealing.older > 0 {
                    rotated.resumed += 1;
                } else {
                    self.renew_key(&sealing, actor).await?;
                    rotated.begun += 1;
                }
                counter.add(1);
            }
        }
    }

    async fn renew_key(&self, sealing: &Sealing, actor: &str) -> Result<(), VaultError> {
        let new = self.new_data_key(sealing.tenant).await?;
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        match self.store.rotate_data_key(sealing.key, &new, &stamp).await {
            // Somebody else has just rotated it.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything after the new keys.
    pub(super) async fn finish(
        &self,
        whose: Fence,
        mut rotated: Rotated,
        actor: &str,
        watch: Watch<'_>,
    ) -> Result<Rotated, VaultError> {
        let mut counter = Counter::new(watch, Step::Reseal);
        for _ in 0..ROUNDS {
            let before = counter.done;
            self.reseal_credentials(whose, &mut counter).await?;
            if !matches!(whose, Fence::Of(Tenant::License(_))) {
                self.reseal_revocations(&mut counter).await?;
            }
            if counter.done == before {
                break;
            }
        }
        rotated.resealed = counter.done;
        let mut verified = Verified::default();
        self.verify_rows(whose, &mut verified, watch).await?;
        rotated.verified = verified.credentials + verified.revocations;
        rotated.faults = verified.faults;
        if rotated.faults.is_empty() {
            let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
            rotated.retired = self.store.retire_data_keys(whose, &stamp).await?;
        } else if whose == Fence::Whole {
            rotated.retired = self.retire_of_the_whole(actor).await?;
        }
        Ok(rotated)
    }

    /// One tenant's damage is no reason to keep the old keys of all others.
    async fn retire_of_the_whole(&self, actor: &str) -> Result<Vec<DataKeyId>, VaultError> {
        let (mut retired, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.store.sealing_keys(Fence::Whole, &after).await?;
            let Some(last) = page.last() else {
                return Ok(retired);
            };
            after = last.tenant.to_string();
            for sealing in page.iter().filter(|sealing| sealing.older > 0) {
                let whose = Fence::Of(sealing.tenant);
                let mut verified = Verified::default();
                self.verify_rows(whose, &mut verified, &|_| ()).await?;
                if verified.faults.is_empty() {
                    let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
                    retired.extend(self.store.retire_data_keys(whose, &stamp).await?);
                }
            }
        }
    }

    async fn reseal_credentials(
        &self,
        whose: Fence,
        counter: &mut Counter<'_>,
    ) -> Result<(), VaultError> {
        let mut after = String::new();
        loop {
            let page = self
                .store
                .sealed_credentials(whose, Under::Outdated, &after);
            let page = page.await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            for some in page.chunks(TOGETHER) {
                let mut keys = Keys::new();
                let mut rows = Vec::with_capacity(some.len());
                for record in records(some) {
                    rows.extend(known(self.credential_anew(record, &mut keys).await)?);
                }
                counter.add(moved(self.store.reseal_credentials(&rows).await)?);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn reseal_revocations(&self, counter: &mut Counter<'_>) -> Result<(), VaultError> {
        let mut after = String::new();
        loop {
            let page = self.store.sealed_revocations(Under::Outdated, &after);
            let page = page.await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            for some in page.chunks(TOGETHER) {
                let mut keys = Keys::new();
                let mut rows = Vec::with_capacity(some.len());
                for record in records(some) {
                    rows.extend(known(self.revocation_anew(record, &mut keys).await)?);
                }
                counter.add(moved(self.store.reseal_revocations(&rows).await)?);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn credential_anew(
        &self,
        record: &CredentialRecord,
        keys: &mut Keys,
    ) -> Result<Resealed<CredentialId>, VaultError> {
        let info = &record.info;
        let secret = self.open_sealed(record).await?;
        let (to, key) = self.key_among(info.tenant, keys).await?;
        let (tenant, row) = (info.tenant.to_string(), info.id.to_string());
        let place = place_of(info, &tenant, &row);
        Ok(Resealed {
            id: info.id,
            tenant: info.tenant,
            generation: info.generation,
            from: record.data_key,
            to,
            sealed: key.seal(&place, secret.expose(), &*self.entropy),
        })
    }

    async fn revocation_anew(
        &self,
        record: &RevocationRecord,
        keys: &mut Keys,
    ) -> Result<Resealed<RevocationId>, VaultError> {
        let told = self.revocation_text(record).await?;
        let (to, key) = self.key_among(Tenant::Operator, keys).await?;
        let row = record.id.to_string();
        let place = place_of_revocation(&row, &record.upstream);
        Ok(Resealed {
            id: record.id,
            tenant: Tenant::Operator,
            generation: 0,
            from: record.data_key,
            to,
            sealed: key.seal(&place, told.expose(), &*self.entropy),
        })
    }

    async fn key_among(
        &self,
        tenant: Tenant,
        keys: &mut Keys,
    ) -> Result<(DataKeyId, Arc<KeptKey>), VaultError> {
        if let Some((id, key)) = keys.get(&tenant) {
            return Ok((*id, Arc::clone(key)));
        }
        let (id, key) = self.key_for(tenant).await?;
        keys.insert(tenant, (id, Arc::clone(&key)));
        Ok((id, key))
    }
}

/// What is not even readable stays; verification names it.
fn records<T>(rows: &[SealedRow<T>]) -> impl Iterator<Item = &T> {
    rows.iter().filter_map(|row| row.record.as_ref().ok())
}

/// What does not open stays as well.
fn known<T>(anew: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
    match anew {
        Ok(row) => Ok(Some(row)),
        Err(error) if passing(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// A key that was rotated once more meanwhile: the next round takes the newer one.
fn moved(done: Result<u64, StoreError>) -> Result<u64, VaultError> {
    match done {
        Err(StoreError::Conflict) => Ok(0),
        done => Ok(done?),
    }
}
