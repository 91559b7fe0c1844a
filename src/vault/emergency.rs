//! A rotation because somebody may know a tenant's secrets: grants end at their providers too.

use super::{Vault, VaultError, long_work::Watch, rotate::Rotated, rotate::Unfinished};
use crate::{
    ids::RevocationId,
    names::{Label, UpstreamName},
    store::{CredentialInfo, CredentialKind, Fence, Tenant},
};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// The tenant's new key, and what came under it.
    pub rotated: Rotated,
    /// The accounts that were disconnected; their owner has to connect them anew.
    pub disconnected: Vec<Disconnected>,
    /// What we cannot make anew: whoever gave it out has to replace it.
    pub to_replace: Vec<CredentialInfo>,
}

/// An account that was disconnected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnected {
    /// At this upstream.
    pub upstream: UpstreamName,
    /// Under this label.
    pub label: Label,
    /// What tells the provider, as soon as it listens; none: nothing was there to be told, or it
    /// did not open.
    pub revocation: Option<RevocationId>,
}

impl Vault {
    /// Disconnects all accounts of a tenant, and gives it a new data key whatever became of earlier
    /// rotations. Works while opening is stopped.
    pub async fn rotate_in_emergency(
        &self,
        tenant: Tenant,
        actor: &str,
        watch: Watch<'_>,
    ) -> Result<Emergency, VaultError> {
        let mut disconnected = Vec::new();
        let mut to_replace = Vec::new();
        for info in self.store.credentials_by_tenant(tenant).await? {
            if info.kind == CredentialKind::Static {
                to_replace.push(info);
                continue;
            }
            let CredentialInfo {
                upstream, label, ..
            } = info;
            let (_, revocation) = self.disconnect(tenant, &upstream, &label, actor).await?;
            disconnected.push(Disconnected {
                upstream,
                label,
                revocation,
            });
        }
        let (whose, mut rotated) = (Fence::Of(tenant), Rotated::default());
        self.renew_keys(whose, Unfinished::DoesNotCount, &mut rotated, actor, watch)
            .await?;
        let rotated = self.finish(whose, rotated, actor, watch).await?;
        Ok(Emergency {
            rotated,
            disconnected,
            to_replace,
        })
    }
}
