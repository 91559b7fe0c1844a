//! The accounts that a license has connected: listed, and disconnected.

use super::Connections;
use crate::{
    ids::LicenseId,
    names::{Label, UpstreamName},
    store::{CredentialInfo, CredentialKind, Removal, Tenant},
    vault::VaultError,
};

impl Connections {
    /// What this license has connected, by upstream and label, without secrets.
    pub async fn accounts(&self, license: LicenseId) -> Result<Vec<CredentialInfo>, VaultError> {
        let mut all = self.vault.list_of(Tenant::License(license)).await?;
        all.retain(|info| info.kind == CredentialKind::Grant);
        Ok(all)
    }

    /// Forgets an account at once, everywhere; its provider is told as soon as it listens.
    pub async fn disconnect(
        &self,
        license: LicenseId,
        upstream: &UpstreamName,
        label: &Label,
        actor: &str,
    ) -> Result<Removal, VaultError> {
        let tenant = Tenant::License(license);
        self.vault.delete(tenant, upstream, label, actor).await
    }
}
