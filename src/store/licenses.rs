//! Licenses and their keys.

use serde_json::json;

use super::{Stamp, Store, StoreError, audit::record, one, read, rows::Columns, run, write};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    ids::LicenseId,
    license::{License, LicenseStatus, Overrides},
    names::PlanName,
};

/// A license key as it is stored: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The keyed digest of the key.
    pub digest: TokenDigest,
    /// What people recognise the key by.
    pub hint: String,
    /// When it was issued.
    pub created: Timestamp,
    /// When it stops working; none: with the license.
    pub expires: Option<Timestamp>,
}

/// Which licenses to list.
#[derive(Debug, Clone, Default)]
pub struct LicenseFilter {
    /// Only of this plan.
    pub plan: Option<PlanName>,
    /// Only in this state.
    pub status: Option<LicenseStatus>,
    /// Only after this one, in the order of ids: the order of issue.
    pub after: Option<LicenseId>,
    /// At most so many; none: 1,000.
    pub limit: Option<u32>,
}

/// What became of a wish to change a license's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// It was changed.
    Changed {
        /// What it was before.
        from: LicenseStatus,
    },
    /// It has that status already.
    Unchanged,
    /// It is revoked, which is final.
    Final,
    /// There is no such license.
    NotFound,
}

/// What became of a wish to add a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// It was added.
    Added {
        /// How many older keys now end earlier.
        retiring: u64,
        /// How many living sessions of the license it ended.
        ended: u64,
    },
    /// The license is revoked, which is final.
    Final,
    /// There is no such license.
    NotFound,
}

const INSERT: &str = "INSERT INTO licenses \
     (id, name, plan, tools, status, created_ms, expires_ms, overrides) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_KEY: &str = "INSERT INTO license_keys (digest, license_id, hint, created_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5)";

impl Store {
    /// Stores a license with its first key. [`StoreError::Conflict`] when id or key exist.
    pub async fn insert_license(
        &self,
        license: &License,
        key: &KeyRecord,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        let tools = license.tools.as_ref().map(|tools| json!(tools).to_string());
        let detail = json!({
            "name": license.name, "plan": license.plan, "tools": license.tools, "hint": key.hint,
            "expires_ms": license.expires.map(Timestamp::as_millis),
        });
        let id = license.id.to_string();
        write!(self, tx => {
            run!(tx, INSERT, &id, &license.name, license.plan.as_str(), &tools,
                license.status.as_str(), license.created.as_millis(),
                license.expires.map(Timestamp::as_millis), own(&license.overrides));
            run!(tx, INSERT_KEY, key.digest.as_bytes().as_slice(), &id, &key.hint,
                key.created.as_millis(), key.expires.map(Timestamp::as_millis));
            record!(tx, stamp, "license.create", &id, detail);
        })
    }

    /// The license of a key that has not expired. Whether the license may call is for the caller to
    /// judge.
    pub async fn license_by_digest(
        &self,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<License>, StoreError> {
        const SQL: &str = "SELECT l.id, l.name, l.plan, l.tools, l.status, l.created_ms, \
             l.expires_ms, l.overrides, k.digest FROM license_keys k JOIN licenses l ON l.id = k.license_id \
             WHERE k.digest = $1 AND (k.expires_ms IS NULL OR k.expires_ms > $2)";
        read!(self, pool => {
            let row = sqlx::query(SQL)
                .bind(digest.as_bytes().as_slice())
                .bind(now.as_millis())
                .fetch_optional(pool)
                .await?;
            match row {
                Some(row) if digest_of(&row, 8)? == *digest => Some(license(&row, 0)?),
                _ => None,
            }
        })
    }

    /// A license by id.
    pub async fn license(&self, id: LicenseId) -> Result<Option<License>, StoreError> {
        const SQL: &str = "SELECT id, name, plan, tools, status, created_ms, expires_ms, \
             overrides FROM licenses WHERE id = $1";
        read!(self, pool => {
            let row = sqlx::query(SQL).bind(id.to_string()).fetch_optional(pool).await?;
            row.map(|row| license(&row, 0)).transpose()?
        })
    }

    /// Licenses in the order of issue, page by page.
    pub async fn licenses(&self, filter: &LicenseFilter) -> Result<Vec<License>, StoreError> {
        const SQL: &str = "SELECT id, name, plan, tools, status, created_ms, expires_ms, \
             overrides FROM licenses WHERE (CAST($1 AS TEXT) IS NULL OR plan = $1) \
             AND (CAST($2 AS TEXT) IS NULL OR status = $2) \
             AND (CAST($3 AS TEXT) IS NULL OR id > $3) ORDER BY id LIMIT $4";
        read!(self, pool => {
            let rows = sqlx::query(SQL)
                .bind(filter.plan.as_ref().map(PlanName::as_str))
                .bind(filter.status.map(LicenseStatus::as_str))
                .bind(filter.after.map(|id| id.to_string()))
                .bind(i64::from(filter.limit.unwrap_or(1_000)))
                .fetch_all(pool)
                .await?;
            rows.iter().map(|row| license(row, 0)).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// A license's keys, oldest first.
    pub async fn license_keys(&self, id: LicenseId) -> Result<Vec<KeyRecord>, StoreError> {
        const SQL: &str = "SELECT digest, hint, created_ms, expires_ms FROM license_keys \
             WHERE license_id = $1 ORDER BY created_ms, digest LIMIT 1000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).bind(id.to_string()).fetch_all(pool).await?;
            rows.iter().map(key).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Suspends, resumes or revokes. A revoked license stays revoked.
    pub async fn set_license_status(
        &self,
        id: LicenseId,
        status: LicenseStatus,
        reason: &str,
        stamp: &Stamp,
    ) -> Result<StatusChange, StoreError> {
        const SET: &str = "UPDATE licenses SET status = $2 WHERE id = $1";
        let id = id.to_string();
        write!(self, tx => {
            match one!(tx, LOCK, &id).map(|row| status_of(&row, 0)).transpose()? {
                None => StatusChange::NotFound,
                Some(from) if from == status => StatusChange::Unchanged,
                Some(LicenseStatus::Revoked) => StatusChange::Final,
                Some(from) => {
                    run!(tx, SET, &id, status.as_str());
                    let detail = json!({ "from": from, "to": status, "reason": reason });
                    record!(tx, stamp, "license.status", &id, detail);
                    StatusChange::Changed { from }
                }
            }
        })
    }

    /// Adds a key; the license's other keys stop at `retire_others_at` unless they stop earlier.
    ///
    /// Others that stop at once leaked: whatever was begun with them, sessions and codes, ends too.
    pub async fn add_key(
        &self,
        id: LicenseId,
        key: &KeyRecord,
        retire_others_at: Option<Timestamp>,
        stamp: &Stamp,
    ) -> Result<KeyChange, StoreError> {
        const RETIRE: &str = "UPDATE license_keys SET expires_ms = $2 \
             WHERE license_id = $1 AND (expires_ms IS NULL OR expires_ms > $2)";
        const SPEND: &str = "UPDATE authorization_codes SET spent_ms = $2 \
             WHERE license_id = $1 AND spent_ms IS NULL";
        const END: &str = "UPDATE sessions SET ended_ms = $2, ended_by = 'key_rotated' \
             WHERE license_id = $1 AND ended_ms IS NULL AND expires_ms > $2";
        let leaked = retire_others_at.is_some_and(|at| at <= stamp.at);
        let id = id.to_string();
        write!(self, tx => {
            match one!(tx, LOCK, &id).map(|row| status_of(&row, 0)).transpose()? {
                None => KeyChange::NotFound,
                Some(LicenseStatus::Revoked) => KeyChange::Final,
                Some(LicenseStatus::Active | LicenseStatus::Suspended) => {
                    let retiring = match retire_others_at {
                        Some(at) => run!(tx, RETIRE, &id, at.as_millis()),
                        None => 0,
                    };
                    run!(tx, INSERT_KEY, key.digest.as_bytes().as_slice(), &id, &key.hint,
                        key.created.as_millis(), key.expires.map(Timestamp::as_millis));
                    let ended = if leaked {
                        run!(tx, SPEND, &id, stamp.at.as_millis());
                        run!(tx, END, &id, stamp.at.as_millis())
                    } else {
                        0
                    };
                    let detail = json!({ "hint": key.hint, "retiring": retiring, "ended": ended,
                        "retire_others_ms": retire_others_at.map(Timestamp::as_millis) });
                    record!(tx, stamp, "license.key", &id, detail);
                    KeyChange::Added { retiring, ended }
                }
            }
        })
    }
}

/// Reads the status and keeps the row from changing until the transaction ends, on both databases.
pub(super) const LOCK: &str = "UPDATE licenses SET status = status WHERE id = $1 RETURNING status";

/// The columns that [`license`] reads, of a table named `l`.
pub(super) const COLUMNS: &str =
    "l.id, l.name, l.plan, l.tools, l.status, l.created_ms, l.expires_ms, l.overrides";

/// Reads a license from [`COLUMNS`] that begin at `first`.
pub(super) fn license(row: &impl Columns, first: usize) -> Result<License, StoreError> {
    let tools = row.text_or_null(first + 3)?;
    Ok(License {
        id: row.parsed(first, "licenses.id")?,
        name: row.text(first + 1)?,
        plan: row.parsed(first + 2, "licenses.plan")?,
        tools: tools
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| StoreError::Corrupt("licenses.tools"))?,
        status: status_of(row, first + 4)?,
        created: row.time(first + 5)?,
        expires: row.time_or_null(first + 6)?,
        overrides: row
            .text_or_null(first + 7)?
            .map_or_else(
                || Ok(Overrides::default()),
                |text| serde_json::from_str(&text),
            )
            .map_err(|_| StoreError::Corrupt("licenses.overrides"))?,
    })
}

/// As they are stored; none: the plan's limits hold.
pub(super) fn own(overrides: &Overrides) -> Option<String> {
    (*overrides != Overrides::default()).then(|| json!(overrides).to_string())
}

fn key(row: &impl Columns) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        digest: digest_of(row, 0)?,
        hint: row.text(1)?,
        created: row.time(2)?,
        expires: row.time_or_null(3)?,
    })
}

fn status_of(row: &impl Columns, at: usize) -> Result<LicenseStatus, StoreError> {
    LicenseStatus::parse(&row.text(at)?).ok_or(StoreError::Corrupt("licenses.status"))
}

fn digest_of(row: &impl Columns, at: usize) -> Result<TokenDigest, StoreError> {
    let bytes = row.bytes(at)?.try_into();
    bytes
        .map(TokenDigest::from_bytes)
        .map_err(|_| StoreError::Corrupt("license_keys.digest"))
}
