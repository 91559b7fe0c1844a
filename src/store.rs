//! The database: licenses, sealed credentials, quotas and the audit trail, on SQLite or PostgreSQL.
//!
//! One SQL text serves both. No secret is stored in the clear, and no SQL stands anywhere else.

mod attempts;
mod audit;
mod clients;
mod credentials;
mod destruction;
mod epoch;
mod error;
mod fence;
mod grants;
mod key_counts;
mod keys;
mod licenses;
mod limits;
mod listener;
mod looks;
mod migrate;
mod once;
mod open;
mod prune;
mod replicas;
mod revocations;
mod rotation;
mod row_security;
mod rows;
mod scope_uses;
mod sealed_rows;
mod sessions;
mod tokens;
mod usage;
mod usage_days;
mod vault_seal;

use std::{future::Future, path::PathBuf, time::Duration};

use sqlx::{PgPool, SqlitePool};

pub use self::{
    attempts::AttemptRecord,
    audit::{AuditEntry, Stamp},
    clients::{Asserted, AssertionTimes, ClientRecord, Registered},
    credentials::{
        CredentialInfo, CredentialKind, CredentialRecord, CredentialState, MOST_LABELS, Removal,
    },
    destruction::Destruction,
    epoch::Epoch,
    error::StoreError,
    fence::{Fence, Tenant},
    grants::Lease,
    key_counts::{KeyCounts, KeysInState},
    keys::{DataKeyRecord, DataKeyState, RootSecretRecord},
    licenses::{KeyChange, KeyRecord, LicenseFilter, StatusChange},
    limits::LimitChange,
    listener::{Heard, Listener},
    looks::Looks,
    migrate::{MigrationReport, newest_schema},
    once::{OnceBegun, OnceFound, OnceOutcome, OnceRecord, OnceState},
    replicas::{LIVING, ReplicaRecord},
    revocations::{RevocationOutcome, RevocationRecord},
    rotation::{Resealed, Sealing},
    row_security::RowSecurity,
    scope_uses::ScopeUse,
    sealed_rows::{SealedRow, Under},
    sessions::{Pace, Redeemed, Rotated, SessionFilter, SessionOrder, SessionRecord, SessionUse},
    tokens::{CodeRecord, FoundToken, TokenKind, TokenRecord},
    usage::{DayUsage, LeaseGrant, LeaseRecord, LeaseRequest, Returned, WindowUsage},
    usage_days::{ListedUsage, ToolUsage, UsageBatch, UsageFilter},
};
use crate::secret::SecretString;

/// No answer from the database is waited for longer, whatever it does: not for a connection, a
/// transaction's begin, a statement or all of them. A little more than a statement may take, so that
/// the server says first what is wrong.
const DEADLINE: Duration = Duration::from_millis(2_500);
/// How long the end of all connections is waited for.
const CLOSING: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Debug)]
pub enum StoreTarget {
    /// A file of ours; made when missing, closed to other users.
    Sqlite(PathBuf),
    /// Nothing is kept. For demonstrations and tests.
    SqliteMemory,
    /// A server.
    Postgres {
        /// `postgres://user:password@host/database`
        url: SecretString,
        /// Most connections of this process; at least one.
        max_connections: u32,
    },
}

/// An open database.
#[derive(Clone)]
pub struct Store {
    db: Db,
}

#[derive(Clone)]
enum Db {
    Postgres(PgPool),
    /// One connection writes: a second writer would only wait for the first, or fail.
    Sqlite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
}

/// Runs a reading expression on whichever pool there is.
macro_rules! read {
    ($store:expr, $pool:ident => $body:expr) => {
        $crate::store::bounded(async {
            match &$store.db {
                $crate::store::Db::Postgres($pool) => Ok($body),
                $crate::store::Db::Sqlite { reader: $pool, .. } => Ok($body),
            }
        })
        .await
    };
}

/// Runs an expression in a transaction that can write. An error rolls back.
///
/// On SQLite the transaction takes the write lock at its start: one that reads first cannot become
/// a writer after somebody else wrote.
macro_rules! write {
    ($store:expr, $tx:ident => $body:expr) => {
        $crate::store::bounded(async {
            match &$store.db {
                $crate::store::Db::Postgres(pool) => {
                    let mut $tx = pool.begin().await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
                $crate::store::Db::Sqlite { writer, .. } => {
                    let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
            }
        })
        .await
    };
}

/// Like `read!`, in a transaction that sees the rows of one fence only.
macro_rules! fenced_read {
    ($store:expr, $fence:expr, $tx:ident => $body:expr) => {
        $crate::store::bounded(async {
            match &$store.db {
                $crate::store::Db::Postgres(pool) => {
                    let mut $tx = pool.begin().await?;
                    $crate::store::fence::raise(&mut *$tx, $fence).await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
                $crate::store::Db::Sqlite { reader, .. } => {
                    let mut $tx = reader.begin().await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
            }
        })
        .await
    };
}

/// Like `write!`, in a transaction that sees the rows of one fence only.
macro_rules! fenced_write {
    ($store:expr, $fence:expr, $tx:ident => $body:expr) => {
        $crate::store::bounded(async {
            match &$store.db {
                $crate::store::Db::Postgres(pool) => {
                    let mut $tx = pool.begin().await?;
                    $crate::store::fence::raise(&mut *$tx, $fence).await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
                $crate::store::Db::Sqlite { writer, .. } => {
                    let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                    let out = $body;
                    $tx.commit().await?;
                    Ok(out)
                }
            }
        })
        .await
    };
}

/// Executes one statement inside `write!`; how many rows it changed.
macro_rules! run {
    ($tx:ident, $sql:expr $(, $value:expr)* $(,)?) => {
        sqlx::query($sql)$(.bind($value))*.execute(&mut *$tx).await?.rows_affected()
    };
}

/// Fetches at most one row inside `write!`.
macro_rules! one {
    ($tx:ident, $sql:expr $(, $value:expr)* $(,)?) => {
        sqlx::query($sql)$(.bind($value))*.fetch_optional(&mut *$tx).await?
    };
}

use {fenced_read, fenced_write, one, read, run, write};

async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or(Err(StoreError::unavailable("deadline passed")))
}

impl Store {
    /// Does the database answer?
    pub async fn ping(&self) -> Result<(), StoreError> {
        let row =
            read!(self, pool => sqlx::query("SELECT 1").fetch_optional(pool).await?.is_some());
        row.map(|_| ())
    }

    /// Lets every connection finish and closes it.
    pub async fn close(&self) {
        let all = async {
            match &self.db {
                Db::Postgres(pool) => pool.close().await,
                Db::Sqlite { writer, reader } => {
                    reader.close().await;
                    writer.close().await;
                }
            }
        };
        // A connection that does not end is left to the operating system.
        drop(tokio::time::timeout(CLOSING, all).await);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.db {
            Db::Postgres(_) => "Store(PostgreSQL)",
            Db::Sqlite { .. } => "Store(SQLite)",
        })
    }
}
