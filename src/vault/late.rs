//! What a provider gave for a grant, and what could not be kept: its account was disconnected
//! meanwhile, or the store was away for too long.

use super::{Held, Material, NewGrant, Vault, VaultError, write::tokens_of};
use crate::{
    secret::Secret,
    store::{Stamp, StoreError},
};

/// How often it is tried while data keys are rotated.
const ATTEMPTS: usize = 3;

impl Vault {
    /// Queues what the provider is to be told of a grant that was renewed after its account was
    /// disconnected: what was queued then may be worthless since. Nothing where the same refresh
    /// token goes on.
    pub async fn revoke_late(&self, held: &Held, new: &NewGrant) -> Result<(), VaultError> {
        if let (Material::Grant(old), Some(refresh)) = (&held.material, &new.refresh)
            && old.refresh.as_ref().map(Secret::expose) == Some(refresh.expose())
        {
            return Ok(());
        }
        if new.refresh.is_none() && new.access.is_none() {
            return Ok(());
        }
        let tokens = tokens_of(new);
        for _ in 0..ATTEMPTS {
            let revocation = self.revocation(&held.info, &tokens).await?;
            match self.store.queue_revocation(&revocation).await {
                // The operator's data key was rotated meanwhile.
                Err(StoreError::Conflict) => {}
                done => return Ok(done?),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Notes in the audit trail that what renews a grant was lost.
    pub async fn lost(&self, held: &Held, actor: &str) -> Result<(), VaultError> {
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        Ok(self.store.grant_lost(&held.info, &stamp).await?)
    }
}
