//! Upstream credentials, sealed. The store cannot open them.

use std::{fmt, str::FromStr};

use serde_json::json;

use super::{
    Stamp, Store, StoreError,
    audit::record,
    read,
    rows::{Columns, stored},
    run, write,
};
use crate::{
    clock::Timestamp,
    ids::{CredentialId, IdError, LicenseId},
    names::UpstreamName,
};

/// Whose a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// The operator's: every license uses it.
    Operator,
    /// One license's own.
    License(LicenseId),
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::License(id) => id.fmt(f),
        }
    }
}

impl FromStr for Tenant {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "operator" {
            return Ok(Self::Operator);
        }
        text.parse().map(Self::License)
    }
}

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
    pub label: String,
    /// Rises by one with every change.
    pub generation: u64,
    /// What people recognise it by, if anything.
    pub hint: Option<String>,
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

impl Store {
    /// Stores a new credential (`replaces` none), or replaces the one with the same id whose
    /// generation is `replaces`. [`StoreError::Conflict`] when somebody else was faster.
    pub async fn put_credential(
        &self,
        record: &CredentialRecord,
        replaces: Option<u64>,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO credentials (id, upstream, tenant, label, generation, \
             sealed, hint, created_ms, updated_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        const REPLACE: &str = "UPDATE credentials SET generation = $3, sealed = $4, hint = $5, \
             updated_ms = $6 WHERE id = $1 AND generation = $2";
        let CredentialRecord { info, sealed } = record;
        let id = info.id.to_string();
        let detail = json!({ "upstream": info.upstream, "tenant": info.tenant.to_string(),
            "label": info.label, "generation": info.generation });
        write!(self, tx => {
            let changed = match replaces {
                None => run!(tx, INSERT, &id, info.upstream.as_str(), info.tenant.to_string(),
                    &info.label, stored(info.generation), sealed.as_slice(), &info.hint,
                    info.created.as_millis(), info.updated.as_millis()),
                Some(old) => run!(tx, REPLACE, &id, stored(old), stored(info.generation),
                    sealed.as_slice(), &info.hint, info.updated.as_millis()),
            };
            if changed != 1 {
                return Err(StoreError::Conflict);
            }
            record!(tx, stamp, "credential.put", &id, detail);
        })
    }

    /// One credential, sealed.
    pub async fn credential(
        &self,
        upstream: &UpstreamName,
        tenant: Tenant,
        label: &str,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        const SQL: &str = "SELECT id, upstream, tenant, label, generation, hint, created_ms, \
             updated_ms, sealed FROM credentials \
             WHERE upstream = $1 AND tenant = $2 AND label = $3";
        read!(self, pool => {
            let row = sqlx::query(SQL)
                .bind(upstream.as_str())
                .bind(tenant.to_string())
                .bind(label)
                .fetch_optional(pool)
                .await?;
            match row {
                Some(row) => Some(CredentialRecord { info: info(&row)?, sealed: row.bytes(8)? }),
                None => None,
            }
        })
    }

    /// Every credential, without secrets, in the order of upstreams; at most 10,000.
    pub async fn credentials(&self) -> Result<Vec<CredentialInfo>, StoreError> {
        const SQL: &str = "SELECT id, upstream, tenant, label, generation, hint, created_ms, \
             updated_ms FROM credentials ORDER BY upstream, tenant, label LIMIT 10000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).fetch_all(pool).await?;
            rows.iter().map(info).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Deletes a credential.
    pub async fn delete_credential(
        &self,
        upstream: &UpstreamName,
        tenant: Tenant,
        label: &str,
        stamp: &Stamp,
    ) -> Result<Removal, StoreError> {
        const SQL: &str =
            "DELETE FROM credentials WHERE upstream = $1 AND tenant = $2 AND label = $3";
        let whose = tenant.to_string();
        let detail = json!({ "tenant": whose, "label": label });
        write!(self, tx => {
            if run!(tx, SQL, upstream.as_str(), &whose, label) == 0 {
                Removal::NotFound
            } else {
                record!(tx, stamp, "credential.delete", upstream.as_str(), detail);
                Removal::Removed
            }
        })
    }
}

fn info(row: &impl Columns) -> Result<CredentialInfo, StoreError> {
    Ok(CredentialInfo {
        id: row.parsed(0, "credentials.id")?,
        upstream: row.parsed(1, "credentials.upstream")?,
        tenant: row.parsed(2, "credentials.tenant")?,
        label: row.text(3)?,
        generation: row.count(4, "credentials.generation")?,
        hint: row.text_or_null(5)?,
        created: row.time(6)?,
        updated: row.time(7)?,
    })
}
