//! Upstream credentials, sealed. The store cannot open them.

use serde_json::json;

use super::{
    Fence, Stamp, Store, StoreError, Tenant,
    attempts::{joined, parted},
    audit::record,
    fence::Fenced,
    fenced_read, fenced_write, one,
    revocations::{RevocationRecord, queue},
    rows::{Columns, stored},
    run,
};
use crate::{
    clock::Timestamp,
    ids::{CredentialId, DataKeyId},
    names::{Label, ScopeName, UpstreamName},
};

/// Most credentials of one tenant at one upstream.
pub const MOST_LABELS: usize = 16;

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A key, token, password or key file, as somebody stored it.
    Static,
    /// What an account's provider granted: an access token and what renews it.
    Grant,
}

/// May it be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// It may.
    Active,
    /// Its provider no longer takes it: the account must be connected anew.
    NeedsReconnect,
}

macro_rules! words {
    ($name:ident, $what:literal: $($variant:ident = $word:literal),*) => {
        impl $name {
            /// The stored word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = StoreError;

            fn from_str(word: &str) -> Result<Self, StoreError> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(StoreError::Corrupt($what)),
                }
            }
        }
    };
}

words!(CredentialKind, "credentials.kind": Static = "static", Grant = "grant");
words!(CredentialState, "credentials.state": Active = "active", NeedsReconnect = "needs_reconnect");

/// A credential without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialInfo {
    /// Its id.
    pub id: CredentialId,
    /// The upstream it is for.
    pub upstream: UpstreamName,
    /// Whose it is.
    pub tenant: Tenant,
    /// Tells several of one upstream and tenant apart.
    pub label: Label,
    /// What is sealed.
    pub kind: CredentialKind,
    /// May it be used?
    pub state: CredentialState,
    /// Rises by one with every change.
    pub generation: u64,
    /// What people recognise it by, if anything.
    pub hint: Option<String>,
    /// What was granted; empty for a static one.
    pub scopes: Vec<ScopeName>,
    /// How many consents in a row gave less than was asked for.
    pub shortfalls: u64,
    /// When the access token inside ends; none: unknown, or not by itself.
    pub expires: Option<Timestamp>,
    /// When it was first stored.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// A credential with its sealed secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Everything but the secret.
    pub info: CredentialInfo,
    /// The data key that seals it.
    pub data_key: DataKeyId,
    /// The sealed secret.
    pub sealed: Vec<u8>,
}

/// What became of a wish to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was not there.
    NotFound,
}

/// Keeps a data key from being retired until the transaction ends, on both databases.
pub(super) const LOCK_KEY: &str = "UPDATE data_keys SET state = state \
     WHERE id = $1 AND tenant = $2 AND state = 'active' RETURNING id";

/// The columns that [`credential`] reads, without the two sealed ones at the end.
macro_rules! columns {
    () => {
        "id, upstream, tenant, label, kind, state, generation, hint, scopes, shortfalls, \
         expires_ms, created_ms, updated_ms"
    };
}

pub(super) use columns;

impl Store {
    /// Stores a new credential (`replaces` none), or replaces the one with the same id whose
    /// generation is `replaces`. [`StoreError::Conflict`] when somebody else was faster, when its
    /// data key no longer seals, or when the tenant has [`MOST_LABELS`] of them there.
    pub async fn put_credential(
        &self,
        record: &CredentialRecord,
        replaces: Option<u64>,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        let info = &record.info;
        let detail = json!({ "upstream": info.upstream, "tenant": info.tenant.to_string(),
            "label": info.label, "kind": info.kind.as_str(), "generation": info.generation,
            "scopes": info.scopes });
        fenced_write!(self, Fence::Of(info.tenant), tx => {
            place!(tx, record, replaces);
            record!(tx, stamp, "credential.put", info.id.to_string(), detail);
        })
    }

    /// One credential, sealed.
    pub async fn credential(
        &self,
        upstream: &UpstreamName,
        tenant: Tenant,
        label: &Label,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        let all = self.credentials_of(tenant, upstream).await?;
        Ok(all.into_iter().find(|record| record.info.label == *label))
    }

    /// Everything one tenant has for an upstream, sealed, by label.
    pub async fn credentials_of(
        &self,
        tenant: Tenant,
        upstream: &UpstreamName,
    ) -> Result<Vec<CredentialRecord>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            ", data_key, sealed FROM credentials \
             WHERE tenant = $1 AND upstream = $2 ORDER BY label LIMIT 16"
        );
        fenced_read!(self, Fence::Of(tenant), tx => {
            let rows = sqlx::query(SQL)
                .bind(tenant.to_string())
                .bind(upstream.as_str())
                .fetch_all(&mut *tx)
                .await?;
            rows.iter().map(credential).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Everything one tenant has, without secrets, by upstream and label.
    pub async fn credentials_by_tenant(
        &self,
        tenant: Tenant,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM credentials WHERE tenant = $1 \
             ORDER BY upstream, label LIMIT 1000"
        );
        fenced_read!(self, Fence::Of(tenant), tx => {
            let rows = sqlx::query(SQL).bind(tenant.to_string()).fetch_all(&mut *tx).await?;
            rows.iter().map(info).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Every credential, without secrets, in the order of upstreams; at most 10,000.
    pub async fn credentials(&self) -> Result<Vec<CredentialInfo>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM credentials \
             ORDER BY upstream, tenant, label LIMIT 10000"
        );
        fenced_read!(self, Fence::Whole, tx => {
            let rows = sqlx::query(SQL).fetch_all(&mut *tx).await?;
            rows.iter().map(info).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Deletes a credential, and queues what its provider is to be told of that generation.
    /// [`StoreError::Conflict`] when that is sealed under a data key that no longer seals, or when
    /// the credential has moved on: a newer token would go untold.
    pub async fn delete_credential(
        &self,
        upstream: &UpstreamName,
        tenant: Tenant,
        label: &Label,
        revocation: Option<(&RevocationRecord, u64)>,
        stamp: &Stamp,
    ) -> Result<Removal, StoreError> {
        const SQL: &str = "DELETE FROM credentials WHERE upstream = $1 AND tenant = $2 \
             AND label = $3 RETURNING id, generation";
        let of = revocation.map(|(_, generation)| generation);
        let revocation = revocation.map(|(revocation, _)| revocation);
        let whose = tenant.to_string();
        let detail = json!({ "upstream": upstream, "tenant": whose, "label": label,
            "revocation": revocation.is_some() });
        fenced_write!(self, Fence::Of(tenant), tx => {
            // First of all, in the order in which a rotation takes keys and rows.
            if let Some(revocation) = revocation {
                tx.raise(Fence::Of(Tenant::Operator)).await?;
                let (key, operator) = (revocation.data_key.to_string(), "operator");
                if one!(tx, LOCK_KEY, key, operator).is_none() {
                    return Err(StoreError::Conflict);
                }
                tx.raise(Fence::Of(tenant)).await?;
            }
            match one!(tx, SQL, upstream.as_str(), &whose, label.as_str()) {
                None => Removal::NotFound,
                Some(row) => {
                    let id = row.text(0)?;
                    let generation = row.count(1, "credentials.generation")?;
                    if of.is_some_and(|of| of != generation) {
                        return Err(StoreError::Conflict);
                    }
                    if let Some(revocation) = revocation {
                        queue!(tx, revocation);
                    }
                    record!(tx, stamp, "credential.delete", &id, detail);
                    Removal::Removed
                }
            }
        })
    }
}

/// Inserts or replaces a sealed credential, inside `fenced_write!`; whoever renewed it is done.
macro_rules! place {
    ($tx:ident, $record:expr, $replaces:expr) => {{
        let CredentialRecord {
            info,
            data_key,
            sealed,
        } = $record;
        let tenant = info.tenant.to_string();
        let key = one!($tx, LOCK_KEY, data_key.to_string(), &tenant);
        if key.is_none() {
            return Err(StoreError::Conflict);
        }
        let changed = match $replaces {
            None => run!(
                $tx,
                $crate::store::credentials::INSERT,
                info.id.to_string(),
                info.upstream.as_str(),
                &tenant,
                info.label.as_str(),
                info.kind.as_str(),
                info.state.as_str(),
                stored(info.generation),
                data_key.to_string(),
                sealed.as_slice(),
                &info.hint,
                joined(&info.scopes),
                stored(info.shortfalls),
                info.expires.map(Timestamp::as_millis),
                info.created.as_millis(),
                info.updated.as_millis(),
                i64::try_from(MOST_LABELS).unwrap_or(0)
            ),
            Some(old) => run!(
                $tx,
                $crate::store::credentials::REPLACE,
                info.id.to_string(),
                &tenant,
                stored(old),
                stored(info.generation),
                data_key.to_string(),
                sealed.as_slice(),
                &info.hint,
                info.state.as_str(),
                joined(&info.scopes),
                stored(info.shortfalls),
                info.expires.map(Timestamp::as_millis),
                info.updated.as_millis(),
                info.kind.as_str()
            ),
        };
        if changed != 1 {
            return Err(StoreError::Conflict);
        }
    }};
}

use place;
pub(super) use place as place_credential;

pub(super) const INSERT: &str = "INSERT INTO credentials (id, upstream, tenant, label, kind, state, \
     generation, data_key, sealed, hint, scopes, shortfalls, expires_ms, created_ms, updated_ms) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 \
     WHERE (SELECT COUNT(*) FROM credentials WHERE tenant = $3 AND upstream = $2) < $16";
pub(super) const REPLACE: &str = "UPDATE credentials SET generation = $4, data_key = $5, \
     sealed = $6, hint = $7, state = $8, scopes = $9, shortfalls = $10, expires_ms = $11, \
     updated_ms = $12, kind = $13, lease_owner = NULL, lease_ms = NULL \
     WHERE id = $1 AND tenant = $2 AND generation = $3";

pub(super) fn credential(row: &impl Columns) -> Result<CredentialRecord, StoreError> {
    Ok(CredentialRecord {
        info: info(row)?,
        data_key: row.parsed(13, "credentials.data_key")?,
        sealed: row.bytes(14)?,
    })
}

fn info(row: &impl Columns) -> Result<CredentialInfo, StoreError> {
    Ok(CredentialInfo {
        id: row.parsed(0, "credentials.id")?,
        upstream: row.parsed(1, "credentials.upstream")?,
        tenant: row.parsed(2, "credentials.tenant")?,
        label: row.parsed(3, "credentials.label")?,
        kind: row.parsed(4, "credentials.kind")?,
        state: row.parsed(5, "credentials.state")?,
        generation: row.count(6, "credentials.generation")?,
        hint: row.text_or_null(7)?,
        scopes: parted(&row.text(8)?, "credentials.scopes")?,
        shortfalls: row.count(9, "credentials.shortfalls")?,
        expires: row.time_or_null(10)?,
        created: row.time(11)?,
        updated: row.time(12)?,
    })
}
