//! Storing, listing and deleting credentials.

use std::sync::Arc;

use super::{GrantTokens, Held, Issuer, Material, Vault, VaultError, grant, open::place_of};
use crate::{
    clock::Timestamp,
    crypto::{Context, Purpose},
    ids::{CredentialId, ReplicaId, RevocationId},
    names::{Label, ScopeName, UpstreamName},
    secret::{SecretBytes, SecretString},
    store::{
        CredentialInfo, CredentialKind, CredentialRecord, CredentialState, Lease, Removal,
        RevocationRecord, Stamp, StoreError, Tenant,
    },
    upstream::Holder,
};

/// How often a change is tried when others change the same credential.
const ATTEMPTS: usize = 3;

/// How long a provider is told that a grant ended, until it listens.
const TELLING: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// What a provider granted.
#[derive(Debug)]
pub struct NewGrant {
    /// The access token; none: only what renews one is known.
    pub access: Option<SecretString>,
    /// What renews it.
    pub refresh: Option<SecretString>,
    /// Who granted it.
    pub issuer: Issuer,
    /// What was granted.
    pub scopes: Vec<ScopeName>,
    /// When the access token ends.
    pub expires: Option<Timestamp>,
    /// How many consents in a row gave less than was asked for, this one included.
    pub shortfalls: u64,
}

/// What became of a renewed grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantChange {
    /// It is stored.
    Stored,
    /// Somebody else changed the credential meanwhile: theirs counts.
    Superseded,
}

impl Vault {
    /// Stores a static credential of the operator or of one license, or replaces it.
    pub async fn put(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        secret: &SecretString,
        actor: &str,
    ) -> Result<CredentialInfo, VaultError> {
        let secret = secret.expose().as_bytes();
        let label = Label::default_label();
        self.put_anew(tenant, upstream, &label, secret, actor, |info| {
            CredentialInfo {
                kind: CredentialKind::Static,
                // A part of somebody else's secret is not ours to show.
                hint: None,
                scopes: Vec::new(),
                shortfalls: 0,
                expires: None,
                ..info
            }
        })
        .await
    }

    /// Stores what a provider granted for an account, or replaces it.
    pub async fn put_grant(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
        new: &NewGrant,
        actor: &str,
    ) -> Result<CredentialInfo, VaultError> {
        let secret = tokens_of(new);
        self.put_anew(tenant, upstream, label, &secret, actor, |info| {
            granted(info, new)
        })
        .await
    }

    /// Stores what renewed the grant `held`, unless it was changed meanwhile.
    pub async fn renewed(&self, held: &Held, new: &NewGrant) -> Result<GrantChange, VaultError> {
        let info = CredentialInfo {
            generation: held.info.generation + 1,
            updated: self.clock.now(),
            ..granted(held.info.clone(), new)
        };
        let stored = self.store_renewed(held, info, &tokens_of(new)).await?;
        // What is remembered of it is too old now, whoever was faster. Where the store failed it
        // stays remembered: there is no other.
        self.opened
            .remove(&self.place(held.info.tenant, &held.info.upstream));
        Ok(stored)
    }

    /// A data key that was rotated between sealing and storing is no reason to lose what renews a
    /// grant: it may come only once.
    async fn store_renewed(
        &self,
        held: &Held,
        info: CredentialInfo,
        tokens: &[u8],
    ) -> Result<GrantChange, VaultError> {
        for _ in 0..ATTEMPTS {
            let record = self.sealed(info.clone(), tokens).await?;
            match self.store.renew_grant(&record, held.info.generation).await {
                Ok(()) => return Ok(GrantChange::Stored),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            let active = self.store.active_data_key(info.tenant).await?;
            if active.is_some_and(|key| key.id == record.data_key) {
                return Ok(GrantChange::Superseded);
            }
        }
        Ok(GrantChange::Superseded)
    }

    /// Asks to be the one who renews; see [`crate::store::Store::lease_grant`].
    pub async fn lease(
        &self,
        held: &Held,
        owner: ReplicaId,
        until: Timestamp,
    ) -> Result<Lease, VaultError> {
        let now = self.clock.now();
        Ok(self
            .store
            .lease_grant(&held.info, owner, now, until)
            .await?)
    }

    /// Gives a lease back without having renewed.
    pub async fn release(&self, held: &Held, owner: ReplicaId) -> Result<(), VaultError> {
        Ok(self.store.release_grant(&held.info, owner).await?)
    }

    /// Notes that the provider no longer takes this grant.
    pub async fn refused(&self, held: &Held, actor: &str) -> Result<(), VaultError> {
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        self.store.grant_refused(&held.info, &stamp).await?;
        self.opened
            .remove(&self.place(held.info.tenant, &held.info.upstream));
        Ok(())
    }

    /// The same credential as the store has it now; none when it is gone.
    pub async fn look_again(&self, held: &Held) -> Result<Option<Arc<Held>>, VaultError> {
        let all = self
            .read_again(held.info.tenant, &held.info.upstream)
            .await?;
        let same = all.iter().find(|other| other.info.id == held.info.id);
        Ok(same.cloned())
    }

    /// Every stored credential, without its secret.
    pub async fn list(&self) -> Result<Vec<CredentialInfo>, VaultError> {
        Ok(self.store.credentials().await?)
    }

    /// One tenant's, without secrets.
    pub async fn list_of(&self, tenant: Tenant) -> Result<Vec<CredentialInfo>, VaultError> {
        Ok(self.store.credentials_by_tenant(tenant).await?)
    }

    /// Deletes a credential. What it was sealed as is gone at once; a grant's provider is told as
    /// soon as it listens.
    pub async fn delete(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
        actor: &str,
    ) -> Result<Removal, VaultError> {
        let done = self.disconnect(tenant, upstream, label, actor).await?;
        Ok(done.0)
    }

    /// The same, with what tells the provider. Goes on while the vault is sealed: whoever wants to
    /// be rid of a credential is.
    pub(super) async fn disconnect(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
        actor: &str,
    ) -> Result<(Removal, Option<RevocationId>), VaultError> {
        for _ in 0..ATTEMPTS {
            let revocation = match self.store.credential(upstream, tenant, label).await? {
                Some(record) => self.telling(record).await?,
                None => None,
            };
            let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
            let told = revocation.as_ref().map(|(record, of)| (record, *of));
            let deleted = self
                .store
                .delete_credential(upstream, tenant, label, told, &stamp);
            let revocation = revocation.as_ref().map(|(record, _)| record);
            match deleted.await {
                // It was renewed, or the operator's data key rotated, meanwhile.
                Err(StoreError::Conflict) => {}
                removal => {
                    self.forget();
                    let removal = removal?;
                    let told = revocation.filter(|_| removal == Removal::Removed);
                    return Ok((removal, told.map(|revocation| revocation.id)));
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// What tells the provider that this ends, and of which generation it is. What does not open
    /// cannot be told to anybody; it can still be deleted.
    async fn telling(
        &self,
        record: CredentialRecord,
    ) -> Result<Option<(RevocationRecord, u64)>, VaultError> {
        if record.info.kind == CredentialKind::Static {
            return Ok(None);
        }
        let (id, generation) = (record.info.id, record.info.generation);
        let told = match self.open_record(record).await {
            Ok(held) => self.revocation_of(&held).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(told) => Ok(told.map(|record| (record, generation))),
            Err(error @ (VaultError::Unavailable(_) | VaultError::Store(_))) => Err(error),
            Err(error) => {
                tracing::error!(credential = %id, %error, "connection.provider_not_told");
                Ok(None)
            }
        }
    }

    /// The tokens of a queued revocation.
    pub async fn open_revocation(
        &self,
        record: &RevocationRecord,
    ) -> Result<GrantTokens, VaultError> {
        // It goes to its provider only, never to an API: nobody is named.
        let text = self.revocation_text(record).await?;
        grant::decode(&text, Holder::Configured, 0)
    }

    /// The same as it was sealed.
    pub(super) async fn revocation_text(
        &self,
        record: &RevocationRecord,
    ) -> Result<SecretBytes, VaultError> {
        let key = self.key(record.data_key, Tenant::Operator).await?;
        let row = record.id.to_string();
        let opened = key.open(&place_of_revocation(&row, &record.upstream), &record.sealed);
        opened.map_err(|_| VaultError::Damaged("revocation"))
    }

    async fn revocation_of(&self, held: &Held) -> Result<Option<RevocationRecord>, VaultError> {
        let Material::Grant(tokens) = &held.material else {
            return Ok(None);
        };
        let access = tokens
            .access
            .as_ref()
            .map(|access| access.secret.expose().as_slice());
        let refresh = tokens
            .refresh
            .as_ref()
            .map(|token| token.expose().as_bytes());
        if refresh.or(access).is_none() {
            return Ok(None);
        }
        let told = grant::encode(access, refresh, tokens.issuer);
        Ok(Some(self.revocation(&held.info, &told).await?))
    }

    /// What its provider is told about a grant; `tokens` as [`grant::encode`] writes them.
    pub(super) async fn revocation(
        &self,
        info: &CredentialInfo,
        tokens: &[u8],
    ) -> Result<RevocationRecord, VaultError> {
        let now = self.clock.now();
        let id = RevocationId::generate(now, &*self.entropy);
        let (data_key, key) = self.key_for(Tenant::Operator).await?;
        let row = id.to_string();
        let place = place_of_revocation(&row, &info.upstream);
        Ok(RevocationRecord {
            id,
            subject: info.tenant.to_string(),
            upstream: info.upstream.clone(),
            data_key,
            sealed: key.seal(&place, tokens, &*self.entropy),
            attempts: 0,
            next: now,
            created: now,
            expires: now.plus(TELLING),
        })
    }

    async fn put_anew(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
        secret: &[u8],
        actor: &str,
        fill: impl Fn(CredentialInfo) -> CredentialInfo,
    ) -> Result<CredentialInfo, VaultError> {
        self.check_open().await?;
        for _ in 0..ATTEMPTS {
            let current = self.store.credential(upstream, tenant, label).await?;
            let current = current.map(|record| record.info);
            let replaces = current.as_ref().map(|info| info.generation);
            let info = fill(self.next(tenant, upstream, label, current));
            let record = self.sealed(info, secret).await?;
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

    fn next(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
        label: &Label,
        current: Option<CredentialInfo>,
    ) -> CredentialInfo {
        let now = self.clock.now();
        match current {
            Some(info) => CredentialInfo {
                state: CredentialState::Active,
                generation: info.generation + 1,
                updated: now,
                ..info
            },
            None => CredentialInfo {
                id: CredentialId::generate(now, &*self.entropy),
                upstream: upstream.clone(),
                tenant,
                label: label.clone(),
                kind: CredentialKind::Static,
                state: CredentialState::Active,
                generation: 1,
                hint: None,
                scopes: Vec::new(),
                shortfalls: 0,
                expires: None,
                created: now,
                updated: now,
            },
        }
    }

    /// Seals under the tenant's key.
    pub(super) async fn sealed(
        &self,
        info: CredentialInfo,
        secret: &[u8],
    ) -> Result<CredentialRecord, VaultError> {
        let (data_key, key) = self.key_for(info.tenant).await?;
        let (tenant, row) = (info.tenant.to_string(), info.id.to_string());
        let sealed = key.seal(&place_of(&info, &tenant, &row), secret, &*self.entropy);
        Ok(CredentialRecord {
            info,
            data_key,
            sealed,
        })
    }
}

/// Where the token of a queued revocation is kept: with the operator, since its license may go.
pub(super) fn place_of_revocation<'a>(row: &'a str, upstream: &'a UpstreamName) -> Context<'a> {
    Context {
        purpose: Purpose::Revocation,
        tenant: "operator",
        table: "grant_revocations",
        row,
        column: "sealed",
        upstream: upstream.as_str(),
        generation: 0,
    }
}

pub(super) fn tokens_of(new: &NewGrant) -> zeroize::Zeroizing<Vec<u8>> {
    grant::encode(
        bytes(new.access.as_ref()),
        bytes(new.refresh.as_ref()),
        new.issuer,
    )
}

fn bytes(token: Option<&SecretString>) -> Option<&[u8]> {
    token.map(|token| token.expose().as_bytes())
}

fn granted(info: CredentialInfo, new: &NewGrant) -> CredentialInfo {
    CredentialInfo {
        kind: CredentialKind::Grant,
        scopes: new.scopes.clone(),
        shortfalls: new.shortfalls,
        expires: new.expires,
        ..info
    }
}
