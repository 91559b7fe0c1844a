//! Brings the schema up to what this program knows. Refuses a schema that is newer.

use super::{Db, Store, StoreError, read, rows::Columns};
use crate::clock::Timestamp;

/// Migrations wait for each other behind this advisory lock ("wicketga" in ASCII).
const LOCK: i64 = 0x7769_636b_6574_6761;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, applied_ms BIGINT NOT NULL)";
const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, name, applied_ms) VALUES ($1, $2, $3)";

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal;)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

static MIGRATIONS: &[Migration] = migrations! {
    1 "0001_init";
    2 "0002_sessions";
    3 "0003_connections";
    4 "0004_usage";
    5 "0005_replicas";
    6 "0006_once";
};

/// What a migration did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The schema before; 0: an empty database.
    pub from: i64,
    /// The names of the steps, in order.
    pub steps: Vec<&'static str>,
}

/// The newest schema this program knows.
pub fn newest_schema() -> i64 {
    MIGRATIONS.last().map_or(0, |m| m.version)
}

fn after(found: i64) -> Result<impl Iterator<Item = &'static Migration>, StoreError> {
    if found > newest_schema() {
        return Err(StoreError::SchemaTooNew {
            found,
            known: newest_schema(),
        });
    }
    Ok(MIGRATIONS.iter().filter(move |m| m.version > found))
}

macro_rules! apply {
    ($tx:ident, $dialect:ident, $now:expr) => {{
        sqlx::raw_sql(TABLE).execute(&mut *$tx).await?;
        let row = sqlx::query(NEWEST).fetch_one(&mut *$tx).await?;
        let from = row.int(0)?;
        let mut steps = Vec::new();
        for migration in after(from)? {
            sqlx::raw_sql(migration.$dialect).execute(&mut *$tx).await?;
            sqlx::query(RECORD)
                .bind(migration.version)
                .bind(migration.name)
                .bind($now.as_millis())
                .execute(&mut *$tx)
                .await?;
            steps.push(migration.name);
        }
        $tx.commit().await?;
        Ok(MigrationReport { from, steps })
    }};
}

impl Store {
    /// Applies what is missing, in one transaction; several processes may try at once.
    pub async fn migrate(&self, now: Timestamp) -> Result<MigrationReport, StoreError> {
        match &self.db {
            Db::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                // Waiting for another process, or changing a large table, takes longer than a
                // statement usually may.
                sqlx::raw_sql(
                    "SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s'",
                )
                .execute(&mut *tx)
                .await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(LOCK)
                    .execute(&mut *tx)
                    .await?;
                apply!(tx, postgres, now)
            }
            Db::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                apply!(tx, sqlite, now)
            }
        }
    }

    /// What [`Store::migrate`] would do. Changes nothing.
    pub async fn pending(&self) -> Result<MigrationReport, StoreError> {
        let exists = match &self.db {
            Db::Postgres(_) => {
                "SELECT COUNT(*) FROM pg_catalog.pg_tables \
                 WHERE tablename = 'schema_migrations' AND schemaname = current_schema()"
            }
            Db::Sqlite { .. } => {
                "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_migrations'"
            }
        };
        let from = read!(self, pool => {
            if sqlx::query(exists).fetch_one(pool).await?.int(0)? == 0 {
                0
            } else {
                sqlx::query(NEWEST).fetch_one(pool).await?.int(0)?
            }
        })?;
        let steps = after(from)?.map(|m| m.name).collect();
        Ok(MigrationReport { from, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_by_one_and_name_their_files() {
        for (at, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, at);
            assert!(migration.name.starts_with(&format!("{at:04}_")));
        }
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let newer = newest_schema() + 1;
        assert!(matches!(
            after(newer).map(|_| ()),
            Err(StoreError::SchemaTooNew { found, .. }) if found == newer
        ));
    }
}
