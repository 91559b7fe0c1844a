//! Data keys: one that seals for each tenant, wrapped under a master key, unwrapped for a while.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use super::{Vault, VaultError};
use crate::{
    crypto::{Context, Purpose, SealingKey},
    ids::DataKeyId,
    kms::KmsError,
    store::{DataKeyRecord, DataKeyState, Tenant},
};

/// How long an unwrapped key is used without asking for it again.
const OLDEST: Duration = Duration::from_mins(15);

/// How long while the key service does not answer.
const OLDEST_IN_NEED: Duration = Duration::from_hours(1);

/// An unwrapped key, in memory.
pub(super) struct KeptKey {
    key: SealingKey,
    tenant: Tenant,
    since: Duration,
}

impl std::ops::Deref for KeptKey {
    type Target = SealingKey;

    fn deref(&self) -> &SealingKey {
        &self.key
    }
}

pub(super) fn place_of_key<'a>(tenant: &'a str, row: &'a str) -> Context<'a> {
    Context {
        purpose: Purpose::DataKey,
        tenant,
        table: "data_keys",
        row,
        column: "wrapped",
        upstream: "",
        generation: 0,
    }
}

impl Vault {
    /// The tenant's key of this id.
    pub(super) async fn key(
        &self,
        id: DataKeyId,
        tenant: Tenant,
    ) -> Result<Arc<KeptKey>, VaultError> {
        let kept = self.keys.get(&id).filter(|kept| kept.tenant == tenant);
        let age = |kept: &KeptKey| self.clock.monotonic().saturating_sub(kept.since);
        if let Some(kept) = kept.as_ref().filter(|kept| age(kept) < OLDEST) {
            return Ok(Arc::clone(kept));
        }
        let asked = match self.store.data_key(id, tenant).await? {
            Some(record) => self.unwrap_key(&record).await,
            None => return Err(VaultError::Damaged("data key is missing")),
        };
        match (asked, kept) {
            (Err(VaultError::KeyService(KmsError::Unavailable(_))), Some(kept))
                if age(&kept) < OLDEST_IN_NEED =>
            {
                tracing::warn!(key = %id, "vault.key_service_unavailable");
                Ok(kept)
            }
            (asked, _) => asked,
        }
    }

    /// The key that seals for a tenant, made when there is none.
    pub(super) async fn key_for(
        &self,
        tenant: Tenant,
    ) -> Result<(DataKeyId, Arc<KeptKey>), VaultError> {
        if let Some(record) = self.store.active_data_key(tenant).await? {
            return Ok((record.id, self.key(record.id, tenant).await?));
        }
        let record = self.new_data_key(tenant).await?;
        self.store.insert_data_key(&record).await?;
        // Another process may have been first; then its key is the one.
        let stored = self.store.active_data_key(tenant).await?;
        let stored = stored.ok_or(VaultError::Damaged("data key is missing"))?;
        Ok((stored.id, self.unwrap_key(&stored).await?))
    }

    /// A new key for a tenant, not yet stored.
    pub(super) async fn new_data_key(&self, tenant: Tenant) -> Result<DataKeyRecord, VaultError> {
        let now = self.clock.now();
        let id = DataKeyId::generate(now, &*self.entropy);
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut_slice());
        let key = SealingKey::new(*id.as_bytes(), *bytes);
        Ok(DataKeyRecord {
            id,
            tenant,
            master_key: self.keyring.active().to_string(),
            state: DataKeyState::Active,
            wrapped: self.wrap(tenant, id, &key).await?,
            created: now,
        })
    }

    /// Unwraps a key, and keeps it for a while.
    pub(super) async fn unwrap_key(
        &self,
        record: &DataKeyRecord,
    ) -> Result<Arc<KeptKey>, VaultError> {
        let (tenant, row) = (record.tenant.to_string(), record.id.to_string());
        let place = place_of_key(&tenant, &row);
        let unwrapped = self
            .keyring
            .unwrap(&record.master_key, &place, &record.wrapped);
        let bytes = unwrapped
            .await
            .ok_or_else(|| VaultError::UnknownMasterKey {
                key: record.master_key.clone(),
            })??;
        let bytes = <[u8; 32]>::try_from(bytes.expose().as_slice()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| VaultError::Damaged("data key"))?;
        let kept = Arc::new(KeptKey {
            key: SealingKey::new(*record.id.as_bytes(), *bytes),
            tenant: record.tenant,
            since: self.clock.monotonic(),
        });
        self.keys.insert(record.id, Arc::clone(&kept));
        Ok(kept)
    }

    pub(super) async fn wrap(
        &self,
        tenant: Tenant,
        id: DataKeyId,
        key: &SealingKey,
    ) -> Result<Vec<u8>, VaultError> {
        let (tenant, row) = (tenant.to_string(), id.to_string());
        let place = place_of_key(&tenant, &row);
        Ok(self.keyring.wrap(&place, key.expose()).await?)
    }
}
