//! Sealed key material: root secrets and data keys. The store cannot open them.

use serde_json::json;

use super::{
    Fence, Stamp, Store, StoreError, Tenant, audit::record, fenced_read, fenced_write, read,
    rows::Columns, run, write,
};
use crate::{clock::Timestamp, ids::DataKeyId};

/// A root secret, sealed under a master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSecretRecord {
    /// What it is for; unique.
    pub purpose: String,
    /// The master key it is sealed under.
    pub master_key: String,
    /// The sealed bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
}

/// What a data key may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKeyState {
    /// Seals and opens; one per tenant.
    Active,
    /// Opens only, until everything it sealed is sealed anew.
    DecryptOnly,
    /// Nothing is sealed under it any more; kept in case a backup comes back.
    Retired,
    /// Its bytes are gone.
    Destroyed,
}

impl DataKeyState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::DecryptOnly => "decrypt_only",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, StoreError> {
        [
            Self::Active,
            Self::DecryptOnly,
            Self::Retired,
            Self::Destroyed,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or(StoreError::Corrupt("data_keys.state"))
    }
}

/// A data key, sealed under a master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRecord {
    /// Its id, which what it seals carries.
    pub id: DataKeyId,
    /// Whose secrets it seals.
    pub tenant: Tenant,
    /// The master key it is sealed under.
    pub master_key: String,
    /// What it may do.
    pub state: DataKeyState,
    /// The sealed bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// Every root secret.
    pub async fn root_secrets(&self) -> Result<Vec<RootSecretRecord>, StoreError> {
        const SQL: &str = "SELECT purpose, kek_id, wrapped, created_ms FROM root_secrets \
             ORDER BY purpose LIMIT 1000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).fetch_all(pool).await?;
            rows.iter().map(root_secret).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Stores a root secret unless one for the purpose exists; read it again to see which won.
    pub async fn insert_root_secret(&self, record: &RootSecretRecord) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO root_secrets (purpose, kek_id, wrapped, created_ms) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (purpose) DO NOTHING";
        write!(self, tx => {
            run!(tx, SQL, &record.purpose, &record.master_key, record.wrapped.as_slice(),
                record.created.as_millis());
        })
    }

    /// Replaces the sealed bytes of a root secret, if it is still sealed under `from`; was it?
    pub async fn rewrap_root_secret(
        &self,
        record: &RootSecretRecord,
        from: &str,
        stamp: &Stamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str =
            "UPDATE root_secrets SET kek_id = $3, wrapped = $4 WHERE purpose = $1 AND kek_id = $2";
        let detail = json!({ "from": from, "root_secret": record.purpose });
        write!(self, tx => {
            let changed = run!(tx, SQL, &record.purpose, from, &record.master_key,
                record.wrapped.as_slice());
            if changed > 0 {
                record!(tx, stamp, "key.rewrap", &record.master_key, detail);
            }
            changed > 0
        })
    }

    /// The data key that seals for a tenant.
    pub async fn active_data_key(
        &self,
        tenant: Tenant,
    ) -> Result<Option<DataKeyRecord>, StoreError> {
        const SQL: &str = "SELECT id, tenant, kek_id, state, wrapped, created_ms FROM data_keys \
             WHERE tenant = $1 AND state = 'active'";
        fenced_read!(self, Fence::Of(tenant), tx => {
            let row = sqlx::query(SQL).bind(tenant.to_string()).fetch_optional(&mut *tx).await?;
            row.map(|row| data_key(&row)).transpose()?
        })
    }

    /// A tenant's data key by id; none when it is another's, or destroyed.
    pub async fn data_key(
        &self,
        id: DataKeyId,
        tenant: Tenant,
    ) -> Result<Option<DataKeyRecord>, StoreError> {
        const SQL: &str = "SELECT id, tenant, kek_id, state, wrapped, created_ms FROM data_keys \
             WHERE id = $1 AND tenant = $2 AND state <> 'destroyed'";
        fenced_read!(self, Fence::Of(tenant), tx => {
            let row = sqlx::query(SQL)
                .bind(id.to_string())
                .bind(tenant.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            row.map(|row| data_key(&row)).transpose()?
        })
    }

    /// Data keys behind `after` that are sealed under another master key than `master_key`, at most
    /// 50, in the order of ids.
    pub async fn data_keys_not_under(
        &self,
        master_key: &str,
        after: &str,
    ) -> Result<Vec<DataKeyRecord>, StoreError> {
        const SQL: &str = "SELECT id, tenant, kek_id, state, wrapped, created_ms FROM data_keys \
             WHERE kek_id <> $1 AND id > $2 AND state <> 'destroyed' ORDER BY id LIMIT 50";
        fenced_read!(self, Fence::Whole, tx => {
            let rows = sqlx::query(SQL).bind(master_key).bind(after).fetch_all(&mut *tx).await?;
            rows.iter().map(data_key).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Stores a data key unless the tenant has an active one; read it again to see which won.
    pub async fn insert_data_key(&self, record: &DataKeyRecord) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO data_keys (id, tenant, kek_id, state, wrapped, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant) WHERE state = 'active' DO NOTHING";
        fenced_write!(self, Fence::Of(record.tenant), tx => {
            run!(tx, SQL, record.id.to_string(), record.tenant.to_string(), &record.master_key,
                record.state.as_str(), record.wrapped.as_slice(), record.created.as_millis());
        })
    }

    /// Replaces the sealed bytes of data keys that are still sealed as `rows` says, each with the
    /// master key it was under, all under `master_key` now; how many.
    pub async fn rewrap_data_keys(
        &self,
        master_key: &str,
        rows: &[(DataKeyRecord, String)],
        stamp: &Stamp,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE data_keys SET kek_id = $3, wrapped = $4 \
             WHERE id = $1 AND kek_id = $2 AND state <> 'destroyed'";
        fenced_write!(self, Fence::Whole, tx => {
            let mut changed = 0;
            for (row, from) in rows {
                changed += run!(tx, SQL, row.id.to_string(), from, master_key,
                    row.wrapped.as_slice());
            }
            if changed > 0 {
                let detail = json!({ "data_keys": changed });
                record!(tx, stamp, "key.rewrap", master_key, detail);
            }
            changed
        })
    }
}

fn root_secret(row: &impl Columns) -> Result<RootSecretRecord, StoreError> {
    Ok(RootSecretRecord {
        purpose: row.text(0)?,
        master_key: row.text(1)?,
        wrapped: row.bytes(2)?,
        created: row.time(3)?,
    })
}

pub(super) fn data_key(row: &impl Columns) -> Result<DataKeyRecord, StoreError> {
    Ok(DataKeyRecord {
        id: row.parsed(0, "data_keys.id")?,
        tenant: row.parsed(1, "data_keys.tenant")?,
        master_key: row.text(2)?,
        state: DataKeyState::parse(&row.text(3)?)?,
        wrapped: row.bytes(4)?,
        created: row.time(5)?,
    })
}
