//! Who changed what: every entry is written in the transaction of the change it describes.

use serde_json::Value;

use super::{Store, StoreError, read, rows::Columns};
use crate::{
    clock::{Clock, Timestamp},
    entropy::Entropy,
    ids::AuditId,
};

pub(super) const INSERT: &str = "INSERT INTO audit_entries (id, at_ms, actor, action, subject, detail) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const RAISE_EPOCH: &str = "UPDATE change_epoch SET value = value + 1 WHERE id = 1";

/// Who makes a change, and when. One stamp serves one change.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The entry's id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who, such as `cli`.
    pub actor: String,
}

impl Stamp {
    /// A stamp for a change made now.
    pub fn new(actor: impl Into<String>, clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let at = clock.now();
        Self {
            id: AuditId::generate(at, entropy),
            at,
            actor: actor.into(),
        }
    }
}

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done, such as `license.create`.
    pub action: String,
    /// To what: an id.
    pub subject: String,
    /// More about it; never a secret.
    pub detail: Value,
}

/// Writes the entry, inside `write!`, of a change that nobody remembers anything of.
macro_rules! note {
    ($tx:ident, $stamp:expr, $action:literal, $subject:expr, $detail:expr) => {{
        $crate::store::run!(
            $tx,
            $crate::store::audit::INSERT,
            $stamp.id.to_string(),
            $stamp.at.as_millis(),
            $stamp.actor.as_str(),
            $action,
            $subject,
            $detail.to_string(),
        );
    }};
}

pub(super) use note;

/// Writes the entry and raises the epoch, inside `write!`.
macro_rules! record {
    ($tx:ident, $stamp:expr, $action:literal, $subject:expr, $detail:expr) => {{
        $crate::store::audit::note!($tx, $stamp, $action, $subject, $detail);
        $crate::store::run!($tx, $crate::store::audit::RAISE_EPOCH);
    }};
}

pub(super) use record;

impl Store {
    /// The newest entries, newest first, at most `limit`.
    pub async fn audit_tail(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        const SQL: &str = "SELECT id, at_ms, actor, action, subject, detail FROM audit_entries \
             ORDER BY at_ms DESC, id DESC LIMIT $1";
        read!(self, pool => {
            let rows = sqlx::query(SQL).bind(i64::from(limit)).fetch_all(pool).await?;
            rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?
        })
    }
}

fn entry(row: &impl Columns) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.parsed(0, "audit_entries.id")?,
        at: row.time(1)?,
        actor: row.text(2)?,
        action: row.text(3)?,
        subject: row.text(4)?,
        detail: row.parsed(5, "audit_entries.detail")?,
    })
}
