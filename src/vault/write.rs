//! Storing, listing and deleting credentials.

use zeroize::Zeroizing;

use super::{
    LABEL, Vault, VaultError,
    open::{place_of, place_of_key},
};
use crate::{
    crypto::SealingKey,
    ids::{CredentialId, DataKeyId},
    names::UpstreamName,
    secret::SecretString,
    store::{
        CredentialInfo, CredentialRecord, DataKeyRecord, DataKeyState, Removal, Stamp, StoreError,
        Tenant,
    },
};

/// How often a change is tried when others change the same credential.
const ATTEMPTS: usize = 3;

impl Vault {
    /// Stores the operator's credential for an upstream, or replaces it.
    pub async fn put(
        &self,
        upstream: &UpstreamName,
        secret: &SecretString,
        actor: &str,
    ) -> Result<CredentialInfo, VaultError> {
        self.put_for(Tenant::Operator, upstream, secret, actor)
            .await
    }

    /// Stores a license's own credential for an upstream, or the operator's, or replaces it.
    pub async fn put_for(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        secret: &SecretString,
        actor: &str,
    ) -> Result<CredentialInfo, VaultError> {
        for _ in 0..ATTEMPTS {
            let current = self.store.credential(upstream, tenant, LABEL).await?;
            let current = current.map(|record| record.info);
            let replaces = current.as_ref().map(|info| info.generation);
            let info = self.next(tenant, upstream, current);
            let sealed = self.seal(&info, secret).await?;
            let record = CredentialRecord { info, sealed };
            let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
            match self.store.put_credential(&record, replaces, &stamp).await {
                Ok(()) => {
                    self.forget();
                    return Ok(record.info);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Every stored credential, without its secret.
    pub async fn list(&self) -> Result<Vec<CredentialInfo>, VaultError> {
        Ok(self.store.credentials().await?)
    }

    /// Deletes the operator's credential for an upstream.
    pub async fn delete(
        &self,
        upstream: &UpstreamName,
        actor: &str,
    ) -> Result<Removal, VaultError> {
        self.delete_for(Tenant::Operator, upstream, actor).await
    }

    /// Deletes a license's own credential for an upstream, or the operator's.
    pub async fn delete_for(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        actor: &str,
    ) -> Result<Removal, VaultError> {
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        let removal = self
            .store
            .delete_credential(upstream, tenant, LABEL, &stamp)
            .await?;
        self.forget();
        Ok(removal)
    }

    fn next(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        current: Option<CredentialInfo>,
    ) -> CredentialInfo {
        let now = self.clock.now();
        match current {
            Some(info) => CredentialInfo {
                generation: info.generation + 1,
                updated: now,
                ..info
            },
            None => CredentialInfo {
                id: CredentialId::generate(now, &*self.entropy),
                upstream: upstream.clone(),
                tenant,
                label: LABEL.to_owned(),
                generation: 1,
                // A part of somebody else's secret is not ours to show.
                hint: None,
                created: now,
                updated: now,
            },
        }
    }

    async fn seal(
        &self,
        info: &CredentialInfo,
        secret: &SecretString,
    ) -> Result<Vec<u8>, VaultError> {
        let (tenant, row) = (info.tenant.to_string(), info.id.to_string());
        let key = self.key_of(&tenant).await?;
        let place = place_of(info, &tenant, &row);
        Ok(key.seal(&place, secret.expose().as_bytes(), &*self.entropy))
    }

    /// The tenant's data key, made when there is none.
    async fn key_of(&self, tenant: &str) -> Result<SealingKey, VaultError> {
        if let Some(key) = self.store.active_data_key(tenant).await? {
            return self.unwrap_key(&key);
        }
        let now = self.clock.now();
        let id = DataKeyId::generate(now, &*self.entropy);
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut_slice());
        let key = SealingKey::new(*id.as_bytes(), *bytes);
        let record = DataKeyRecord {
            id,
            tenant: tenant.to_owned(),
            master_key: self.keyring.active().to_string(),
            state: DataKeyState::Active,
            wrapped: self.wrap(tenant, id, &key),
            created: now,
        };
        self.store.insert_data_key(&record).await?;
        // Another process may have been first; then its key is the one.
        let stored = self.store.active_data_key(tenant).await?;
        self.unwrap_key(&stored.ok_or(VaultError::Damaged("data key is missing"))?)
    }

    pub(super) fn wrap(&self, tenant: &str, id: DataKeyId, key: &SealingKey) -> Vec<u8> {
        let row = id.to_string();
        let place = place_of_key(tenant, &row);
        self.keyring.seal(&place, key.expose(), &*self.entropy)
    }
}
