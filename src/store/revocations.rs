//! Grants that ended here and that their providers are still to be told about.

use super::{
    Fence, Store, StoreError, Tenant,
    credentials::LOCK_KEY,
    fenced_write, one, read,
    rows::{Columns, stored},
    run, write,
};
use crate::{
    clock::Timestamp,
    ids::{DataKeyId, RevocationId},
    names::UpstreamName,
};

/// A token that its provider is still to be told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRecord {
    /// Its id, to which what is sealed is bound.
    pub id: RevocationId,
    /// Whose grant it was: a tenant, that may be gone by now.
    pub subject: String,
    /// The upstream it was for.
    pub upstream: UpstreamName,
    /// The operator's data key that seals it.
    pub data_key: DataKeyId,
    /// The sealed token.
    pub sealed: Vec<u8>,
    /// How often the provider was told in vain.
    pub attempts: u64,
    /// When it is told next.
    pub next: Timestamp,
    /// When the grant ended.
    pub created: Timestamp,
    /// When we give up.
    pub expires: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationOutcome {
    /// The provider knows.
    Revoked,
    /// The provider has no way of being told.
    NotOffered,
    /// It would not listen in all that time.
    GivenUp,
}

impl RevocationOutcome {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::NotOffered => "not_offered",
            Self::GivenUp => "given_up",
        }
    }
}

pub(super) const INSERT: &str = "INSERT INTO grant_revocations (id, subject, upstream, data_key, \
     sealed, attempts, next_ms, created_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Queues one, inside `write!` that holds its data key active.
macro_rules! queue {
    ($tx:ident, $record:expr) => {{
        let record = $record;
        $crate::store::run!(
            $tx,
            $crate::store::revocations::INSERT,
            record.id.to_string(),
            &record.subject,
            record.upstream.as_str(),
            record.data_key.to_string(),
            record.sealed.as_slice(),
            $crate::store::rows::stored(record.attempts),
            record.next.as_millis(),
            record.created.as_millis(),
            record.expires.as_millis(),
        );
    }};
}

pub(super) use queue;

/// The columns that [`revocation`] reads.
macro_rules! columns {
    () => {
        "id, subject, upstream, data_key, sealed, attempts, next_ms, created_ms, expires_ms"
    };
}

pub(super) use columns;

impl Store {
    /// Queues one of a grant that is gone already. [`StoreError::Conflict`] when it is sealed under
    /// a data key that no longer seals.
    pub async fn queue_revocation(&self, record: &RevocationRecord) -> Result<(), StoreError> {
        fenced_write!(self, Fence::Of(Tenant::Operator), tx => {
            let (key, operator) = (record.data_key.to_string(), "operator");
            if one!(tx, LOCK_KEY, key, operator).is_none() {
                return Err(StoreError::Conflict);
            }
            queue!(tx, record);
        })
    }

    /// Revocations whose time has come, at most 20. Whoever tells a provider first moves `next` with
    /// [`Store::claim_revocation`], so that no two do.
    pub async fn due_revocations(
        &self,
        now: Timestamp,
    ) -> Result<Vec<RevocationRecord>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM grant_revocations \
             WHERE done_ms IS NULL AND next_ms <= $1 ORDER BY next_ms LIMIT 20"
        );
        read!(self, pool => {
            let rows = sqlx::query(SQL).bind(now.as_millis()).fetch_all(pool).await?;
            rows.iter().map(revocation).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Takes one for this attempt; false when somebody else did.
    pub async fn claim_revocation(
        &self,
        record: &RevocationRecord,
        next: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE grant_revocations SET attempts = attempts + 1, next_ms = $3 \
             WHERE id = $1 AND attempts = $2 AND done_ms IS NULL";
        write!(self, tx => {
            run!(tx, SQL, record.id.to_string(), stored(record.attempts), next.as_millis()) == 1
        })
    }

    /// Notes what became of one, and forgets its token.
    pub async fn close_revocation(
        &self,
        id: RevocationId,
        outcome: RevocationOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE grant_revocations SET done_ms = $2, outcome = $3, sealed = $4 \
             WHERE id = $1 AND done_ms IS NULL";
        let nothing: &[u8] = &[];
        write!(self, tx => {
            run!(tx, SQL, id.to_string(), now.as_millis(), outcome.as_str(), nothing);
        })
    }
}

pub(super) fn revocation(row: &impl Columns) -> Result<RevocationRecord, StoreError> {
    Ok(RevocationRecord {
        id: row.parsed(0, "grant_revocations.id")?,
        subject: row.text(1)?,
        upstream: row.parsed(2, "grant_revocations.upstream")?,
        data_key: row.parsed(3, "grant_revocations.data_key")?,
        sealed: row.bytes(4)?,
        attempts: row.count(5, "grant_revocations.attempts")?,
        next: row.time(6)?,
        created: row.time(7)?,
        expires: row.time(8)?,
    })
}
