//! Who serves now: every replica writes a row every few seconds and takes it away at its end.

use std::time::Duration;

use super::{Store, StoreError, read, rows::Columns, rows::stored, run, write};
use crate::{
    clock::{Clock, Timestamp},
    ids::ReplicaId,
};

/// A replica counts as living for so long after it was last seen.
pub const LIVING: Duration = Duration::from_secs(15);
/// How long the row of one that ended without a word is kept, for the list.
const KEPT: Duration = Duration::from_hours(24);

/// One gateway process, as it last wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// Its id, new at every start.
    pub id: ReplicaId,
    /// When it started, by its own clock.
    pub started: Timestamp,
    /// When it last wrote, by [`Store::time`].
    pub seen: Timestamp,
    /// The version of its program.
    pub version: String,
    /// A digest of the configuration that it serves, in hexadecimal.
    pub config: String,
    /// The number of the last request to reload that it dealt with.
    pub reloaded: u64,
    /// Why it did not take its files over when it last read them.
    pub fault: Option<String>,
}

impl ReplicaRecord {
    /// Was it heard of lately?
    pub fn is_living(&self, now: Timestamp) -> bool {
        now.since(self.seen) <= LIVING
    }
}

impl Store {
    /// The time that all replicas share: the server's on PostgreSQL; that of this machine on
    /// SQLite, whose file only processes of this machine use.
    pub async fn time(&self, clock: &dyn Clock) -> Result<Timestamp, StoreError> {
        Ok(self.server_time().await?.unwrap_or_else(|| clock.now()))
    }

    /// The server's clock; none where there is no server.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        match &self.db {
            super::Db::Sqlite { .. } => Ok(None),
            super::Db::Postgres(pool) => {
                super::bounded(async {
                    let row = sqlx::query(SQL).fetch_one(pool).await?;
                    Ok(Some(row.time(0)?))
                })
                .await
            }
        }
    }

    /// Writes how a replica is; how many live now, this one among them.
    pub async fn heartbeat(&self, replica: &ReplicaRecord) -> Result<u32, StoreError> {
        const SQL: &str = "INSERT INTO replicas \
             (id, started_ms, seen_ms, version, config, reloaded, fault) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
             seen_ms = excluded.seen_ms, config = excluded.config, \
             reloaded = excluded.reloaded, fault = excluded.fault";
        const LIVE: &str = "SELECT COUNT(*) FROM replicas WHERE seen_ms >= $1";
        write!(self, tx => {
            run!(tx, SQL, replica.id.to_string(), replica.started.as_millis(),
                replica.seen.as_millis(), replica.version.as_str(), replica.config.as_str(),
                stored(replica.reloaded), replica.fault.as_deref());
            let row = sqlx::query(LIVE)
                .bind(before(replica.seen, LIVING))
                .fetch_one(&mut *tx)
                .await?;
            u32::try_from(row.int(0)?).unwrap_or(u32::MAX).max(1)
        })
    }

    /// How many live at `now`, which is [`Store::time`]. For whoever cannot write.
    pub async fn living_replicas(&self, now: Timestamp) -> Result<u32, StoreError> {
        const LIVE: &str = "SELECT COUNT(*) FROM replicas WHERE seen_ms >= $1";
        read!(self, pool => {
            let row = sqlx::query(LIVE)
                .bind(before(now, LIVING))
                .fetch_one(pool)
                .await?;
            u32::try_from(row.int(0)?).unwrap_or(u32::MAX).max(1)
        })
    }

    /// All that wrote within a day, oldest first; at most ten thousand.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRecord>, StoreError> {
        const SQL: &str = "SELECT id, started_ms, seen_ms, version, config, reloaded, fault \
             FROM replicas ORDER BY started_ms, id LIMIT 10000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).fetch_all(pool).await?;
            rows.iter().map(replica).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// This replica ends.
    pub async fn remove_replica(&self, id: ReplicaId) -> Result<(), StoreError> {
        write!(self, tx => {
            run!(tx, "DELETE FROM replicas WHERE id = $1", id.to_string());
        })
    }

    /// Forgets replicas that were last seen more than a day before `now`, which is [`Store::time`].
    pub async fn prune_replicas(&self, now: Timestamp) -> Result<u64, StoreError> {
        write!(self, tx => {
            run!(tx, "DELETE FROM replicas WHERE seen_ms < $1", before(now, KEPT))
        })
    }
}

fn before(now: Timestamp, span: Duration) -> i64 {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    now.as_millis().saturating_sub(span)
}

fn replica(row: &impl Columns) -> Result<ReplicaRecord, StoreError> {
    Ok(ReplicaRecord {
        id: row.parsed(0, "replicas.id")?,
        started: row.time(1)?,
        seen: row.time(2)?,
        version: row.text(3)?,
        config: row.text(4)?,
        reloaded: row.count(5, "replicas.reloaded")?,
        fault: row.text_or_null(6)?,
    })
}
