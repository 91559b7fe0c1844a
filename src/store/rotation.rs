//! Replacing keys while others use them: every statement says what it expects to find, and every
//! row that is sealed anew keeps its generation, so that nobody else notices.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    DataKeyRecord, Fence, Stamp, Store, StoreError, Tenant,
    audit::note,
    credentials::LOCK_KEY,
    fenced_read, fenced_write, one,
    rows::{Columns, stored},
    run,
};
use crate::{
    clock::Timestamp,
    ids::{CredentialId, DataKeyId, RevocationId},
};

/// A tenant's key that seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// Whose.
    pub tenant: Tenant,
    /// Its id.
    pub key: DataKeyId,
    /// When it was made.
    pub created: Timestamp,
    /// How many of the tenant's older keys still open something.
    pub older: u64,
}

/// A row sealed under another data key; otherwise it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed<I> {
    /// The row.
    pub id: I,
    /// Whose.
    pub tenant: Tenant,
    /// Its generation, which it must still have and keeps; 0 when it has none.
    pub generation: u64,
    /// The data key it must still be under.
    pub from: DataKeyId,
    /// The data key it comes under.
    pub to: DataKeyId,
    /// Sealed under that.
    pub sealed: Vec<u8>,
}

impl Store {
    /// The next 200 keys that seal, of tenants behind `after`, in the order of tenants.
    pub async fn sealing_keys(
        &self,
        whose: Fence,
        after: &str,
    ) -> Result<Vec<Sealing>, StoreError> {
        const SQL: &str = "SELECT k.tenant, k.id, k.created_ms, (SELECT COUNT(*) FROM data_keys o \
             WHERE o.tenant = k.tenant AND o.state = 'decrypt_only') FROM data_keys k \
             WHERE k.state = 'active' AND k.tenant > $1 AND ($2 = '*' OR k.tenant = $2) \
             ORDER BY k.tenant LIMIT 200";
        fenced_read!(self, whose, tx => {
            let rows = sqlx::query(SQL)
                .bind(after)
                .bind(whose.to_string())
                .fetch_all(&mut *tx)
                .await?;
            rows.iter().map(sealing).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Makes `new` the key that seals for its tenant; `old` only opens from now on. In one step:
    /// nobody finds two, or none. [`StoreError::Conflict`] when `old` no longer seals.
    pub async fn rotate_data_key(
        &self,
        old: DataKeyId,
        new: &DataKeyRecord,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        const DEMOTE: &str = "UPDATE data_keys SET state = 'decrypt_only' \
             WHERE id = $1 AND tenant = $2 AND state = 'active'";
        const INSERT: &str = "INSERT INTO data_keys (id, tenant, kek_id, state, wrapped, created_ms) \
             VALUES ($1, $2, $3, 'active', $4, $5)";
        let (id, tenant) = (new.id.to_string(), new.tenant.to_string());
        let detail = json!({ "tenant": tenant, "old": old, "new": new.id });
        fenced_write!(self, Fence::Of(new.tenant), tx => {
            if run!(tx, DEMOTE, old.to_string(), &tenant) != 1 {
                return Err(StoreError::Conflict);
            }
            run!(tx, INSERT, &id, &tenant, &new.master_key, new.wrapped.as_slice(),
                new.created.as_millis());
            // Nobody has to forget anything: what is sealed names its key.
            note!(tx, stamp, "key.rotate", &id, detail);
        })
    }

    /// Puts credentials under other data keys; how many. One that was changed meanwhile is left as
    /// it is. [`StoreError::Conflict`], and nothing is done, when one of those keys no longer seals.
    pub async fn reseal_credentials(
        &self,
        rows: &[Resealed<CredentialId>],
    ) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE credentials SET data_key = $5, sealed = $6 \
             WHERE id = $1 AND tenant = $2 AND generation = $3 AND data_key = $4";
        let keys = keys_of(rows);
        fenced_write!(self, Fence::Whole, tx => {
            let mut changed = 0;
            hold!(tx, keys);
            for row in rows {
                changed += run!(tx, SQL, row.id.to_string(), row.tenant.to_string(),
                    stored(row.generation), row.from.to_string(), row.to.to_string(),
                    row.sealed.as_slice());
            }
            changed
        })
    }

    /// The same for revocations that are still to be told.
    pub async fn reseal_revocations(
        &self,
        rows: &[Resealed<RevocationId>],
    ) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE grant_revocations SET data_key = $3, sealed = $4 \
             WHERE id = $1 AND data_key = $2 AND done_ms IS NULL";
        let keys = keys_of(rows);
        fenced_write!(self, Fence::Of(Tenant::Operator), tx => {
            let mut changed = 0;
            hold!(tx, keys);
            for row in rows {
                changed += run!(tx, SQL, row.id.to_string(), row.from.to_string(),
                    row.to.to_string(), row.sealed.as_slice());
            }
            changed
        })
    }

    /// Retires the older keys that nothing is sealed under any more; which.
    pub async fn retire_data_keys(
        &self,
        whose: Fence,
        stamp: &Stamp,
    ) -> Result<Vec<DataKeyId>, StoreError> {
        const SQL: &str = "UPDATE data_keys SET state = 'retired' \
             WHERE state = 'decrypt_only' AND ($1 = '*' OR tenant = $1) \
             AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.data_key = data_keys.id) \
             AND NOT EXISTS (SELECT 1 FROM grant_revocations r \
             WHERE r.data_key = data_keys.id AND r.done_ms IS NULL) RETURNING id";
        let scope = whose.to_string();
        fenced_write!(self, whose, tx => {
            let rows = sqlx::query(SQL).bind(&scope).fetch_all(&mut *tx).await?;
            let ids = rows
                .iter()
                .map(|row| row.parsed(0, "data_keys.id"))
                .collect::<Result<Vec<DataKeyId>, _>>()?;
            if !ids.is_empty() {
                let detail = json!({ "count": ids.len(), "first": &ids[..ids.len().min(20)] });
                note!(tx, stamp, "key.retire", &scope, detail);
            }
            ids
        })
    }
}

/// Keeps every key that rows come under from being retired meanwhile, in an order that is the same
/// for everybody, inside `fenced_write!`.
macro_rules! hold {
    ($tx:ident, $keys:ident) => {
        for (tenant, key) in &$keys {
            if one!($tx, LOCK_KEY, key.to_string(), tenant.to_string()).is_none() {
                return Err(StoreError::Conflict);
            }
        }
    };
}

use hold;

fn keys_of<I>(rows: &[Resealed<I>]) -> BTreeSet<(Tenant, DataKeyId)> {
    rows.iter().map(|row| (row.tenant, row.to)).collect()
}

fn sealing(row: &impl Columns) -> Result<Sealing, StoreError> {
    Ok(Sealing {
        tenant: row.parsed(0, "data_keys.tenant")?,
        key: row.parsed(1, "data_keys.id")?,
        created: row.time(2)?,
        older: row.count(3, "data_keys")?,
    })
}
