//! Finding a credential and opening it.

use std::sync::{Arc, atomic::Ordering};

use zeroize::Zeroizing;

use super::{LABEL, OLDEST, PATIENCE, Place, Remembered, Vault, VaultError};
use crate::{
    crypto::{Context, Purpose, SealingKey, seal},
    ids::DataKeyId,
    names::UpstreamName,
    store::{CredentialInfo, CredentialRecord, DataKeyRecord, StoreError, Tenant},
    upstream::OpenedCredential,
};

/// Where a credential's secret is kept.
pub(super) fn place_of<'a>(info: &'a CredentialInfo, tenant: &'a str, row: &'a str) -> Context<'a> {
    Context {
        purpose: Purpose::UpstreamStatic,
        tenant,
        table: "credentials",
        row,
        column: "sealed",
        upstream: info.upstream.as_str(),
        generation: info.generation,
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
    pub(super) async fn open_first(
        &self,
        tenants: &[Tenant],
        upstream: &UpstreamName,
    ) -> Result<Arc<OpenedCredential>, VaultError> {
        for tenant in tenants {
            if let Some(credential) = self.remembered(*tenant, upstream).await? {
                return Ok(credential);
            }
        }
        Err(VaultError::Missing)
    }

    async fn remembered(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Option<Arc<OpenedCredential>>, VaultError> {
        let place = Place {
            era: self.era.load(Ordering::SeqCst),
            tenant,
            upstream: upstream.clone(),
        };
        let now = self.clock.monotonic();
        let fresh = |known: &Remembered| now.saturating_sub(known.since) < OLDEST;
        if let Some(known) = self.opened.get(&place) {
            if fresh(&known) {
                return Ok(known.credential);
            }
            self.opened.remove_if(&place, |known| !fresh(known));
        }
        // One caller reads; the others wait for it, and take over when it goes away.
        let load = async {
            let credential = self.load(tenant, upstream).await?;
            Ok::<_, VaultError>(Remembered {
                credential,
                since: now,
            })
        };
        let known = self.opened.get_or_insert_async(&place, load);
        let late = || StoreError::Unavailable("deadline passed".into());
        tokio::time::timeout(PATIENCE, known)
            .await
            .map_err(|_| VaultError::Unavailable(late()))?
            .map(|known| known.credential)
    }

    async fn load(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Option<Arc<OpenedCredential>>, VaultError> {
        let Some(record) = self.store.credential(upstream, tenant, LABEL).await? else {
            return Ok(None);
        };
        let info = &record.info;
        let seen = self.generations.get(&info.id).unwrap_or(0);
        if info.generation < seen {
            return Err(VaultError::RolledBack);
        }
        let opened = self.open_record(&record).await?;
        self.generations.insert(info.id, info.generation);
        Ok(Some(Arc::new(opened)))
    }

    async fn open_record(&self, record: &CredentialRecord) -> Result<OpenedCredential, VaultError> {
        let damaged = || VaultError::Damaged("credential");
        let tag = seal::key_tag(&record.sealed).map_err(|_| damaged())?;
        let key = self.store.data_key(DataKeyId::from_bytes(tag)).await?;
        let key = key.ok_or(VaultError::Damaged("data key is missing"))?;
        let (tenant, row) = (record.info.tenant.to_string(), record.info.id.to_string());
        if key.tenant != tenant {
            return Err(damaged());
        }
        let place = place_of(&record.info, &tenant, &row);
        let secret = self.unwrap_key(&key)?.open(&place, &record.sealed);
        Ok(OpenedCredential {
            secret: secret.map_err(|_| damaged())?,
            generation: record.info.generation,
        })
    }

    pub(super) fn unwrap_key(&self, key: &DataKeyRecord) -> Result<SealingKey, VaultError> {
        let row = key.id.to_string();
        let place = place_of_key(&key.tenant, &row);
        let bytes = self
            .keyring
            .open(&key.master_key, &place, &key.wrapped)
            .ok_or_else(|| VaultError::UnknownMasterKey {
                key: key.master_key.clone(),
            })?
            .map_err(|_| VaultError::Damaged("data key"))?;
        let bytes = <[u8; 32]>::try_from(bytes.expose().as_slice()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| VaultError::Damaged("data key"))?;
        Ok(SealingKey::new(*key.id.as_bytes(), *bytes))
    }
}
