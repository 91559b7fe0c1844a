//! Finding credentials and opening them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Held, Material, PATIENCE, Remembered, Vault, VaultError, grant};
use crate::{
    crypto::{Context, Purpose, SealError, seal},
    ids::DataKeyId,
    names::{Label, UpstreamName},
    secret::SecretBytes,
    store::{CredentialInfo, CredentialKind, CredentialRecord, StoreError, Tenant},
    upstream::{Holder, OpenedCredential},
};

/// How long an opened credential is.
const OLDEST: Duration = Duration::from_mins(15);

/// How often a stored credential that is older than one seen before is read again: another reader
/// may have been faster.
const SECOND_LOOKS: usize = 2;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) era: u64,
    pub(super) tenant: Tenant,
    pub(super) upstream: UpstreamName,
}

/// Where a credential's secret is kept.
pub(super) fn place_of<'a>(info: &'a CredentialInfo, tenant: &'a str, row: &'a str) -> Context<'a> {
    Context {
        purpose: match info.kind {
            CredentialKind::Static => Purpose::UpstreamStatic,
            CredentialKind::Grant => Purpose::UpstreamGrant,
        },
        tenant,
        table: "credentials",
        row,
        column: "sealed",
        upstream: info.upstream.as_str(),
        generation: info.generation,
    }
}

impl Vault {
    pub(super) async fn open_first(
        &self,
        tenants: &[Tenant],
        upstream: &UpstreamName,
    ) -> Result<Arc<OpenedCredential>, VaultError> {
        let label = Label::default_label();
        for tenant in tenants {
            for held in &*self.remembered(*tenant, upstream).await? {
                if let (Material::Static(credential), true) =
                    (&held.material, held.info.label == label)
                {
                    return Ok(Arc::clone(credential));
                }
            }
        }
        Err(VaultError::Missing)
    }

    pub(super) async fn remembered(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        self.check_open().await?;
        let place = self.place(tenant, upstream);
        let now = self.clock.monotonic();
        let fresh = |known: &Remembered| now.saturating_sub(known.since) < OLDEST;
        if let Some(known) = self.opened.get(&place) {
            if fresh(&known) {
                return Ok(known.held);
            }
            self.opened.remove_if(&place, |known| !fresh(known));
        }
        Box::pin(self.read(place, now)).await
    }

    /// One caller reads; the others wait for it, and take over when it goes away.
    async fn read(&self, place: Place, now: Duration) -> Result<Arc<[Arc<Held>]>, VaultError> {
        let load = async {
            let held = self.load(place.tenant, &place.upstream).await?;
            Ok::<_, VaultError>(Remembered { held, since: now })
        };
        let known = Box::pin(self.opened.get_or_insert_async(&place, load));
        let late = || StoreError::Unavailable("deadline passed".into());
        tokio::time::timeout(PATIENCE, known)
            .await
            .map_err(|_| VaultError::Unavailable(late()))?
            .map(|known| known.held)
    }

    /// Reads again what one tenant has for an upstream, whatever is remembered of it.
    pub(super) async fn read_again(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        self.opened.remove(&self.place(tenant, upstream));
        self.remembered(tenant, upstream).await
    }

    pub(super) fn place(&self, tenant: Tenant, upstream: &UpstreamName) -> Place {
        Place {
            era: self.era.load(Ordering::SeqCst),
            tenant,
            upstream: upstream.clone(),
        }
    }

    pub(super) async fn load(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        for _ in 0..SECOND_LOOKS {
            match self.load_once(tenant, upstream).await {
                Err(VaultError::RolledBack) => {}
                done => return done,
            }
        }
        self.load_once(tenant, upstream).await
    }

    async fn load_once(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Arc<[Arc<Held>]>, VaultError> {
        let records = self.store.credentials_of(tenant, upstream).await?;
        let mut all = Vec::with_capacity(records.len());
        for record in records {
            let info = &record.info;
            let seen = self.generations.get(&info.id).unwrap_or(0);
            if info.generation < seen {
                return Err(VaultError::RolledBack);
            }
            let held = self.open_record(record).await?;
            self.generations.insert(held.info.id, held.info.generation);
            all.push(Arc::new(held));
        }
        Ok(all.into())
    }

    pub(super) async fn open_record(&self, record: CredentialRecord) -> Result<Held, VaultError> {
        let secret = self.open_sealed(&record).await?;
        let info = record.info;
        let material = match info.kind {
            CredentialKind::Static => Material::Static(Arc::new(OpenedCredential {
                secret,
                generation: info.generation,
                holder: Holder::Stored(info.id),
            })),
            CredentialKind::Grant => Material::Grant(grant::decode(
                &secret,
                Holder::Stored(info.id),
                info.generation,
            )?),
        };
        Ok(Held { info, material })
    }

    /// What is sealed in a row, whatever it is.
    pub(super) async fn open_sealed(
        &self,
        record: &CredentialRecord,
    ) -> Result<SecretBytes, VaultError> {
        let CredentialRecord { info, sealed, .. } = record;
        let tag = seal::key_tag(sealed).map_err(|error| match error {
            SealError::Format => VaultError::Damaged("credential: not a known sealed format"),
            SealError::Refused => VaultError::Damaged("credential"),
        })?;
        let key = self.key(DataKeyId::from_bytes(tag), info.tenant).await?;
        let (tenant, row) = (info.tenant.to_string(), info.id.to_string());
        let opened = key.open(&place_of(info, &tenant, &row), sealed);
        opened.map_err(|_| VaultError::Damaged("credential"))
    }
}
