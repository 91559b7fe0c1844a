//! `store:` — SQLite by default, PostgreSQL in production.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretSource;

/// Where licenses, quotas and sealed credentials are kept. Exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreConfig {
    /// One file on this machine; one gateway process.
    Sqlite(SqliteConfig),
    /// A server that several gateway processes share.
    Postgres(PostgresConfig),
}

/// `store.sqlite`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteConfig {
    /// The database file; relative to the configuration file.
    pub path: PathBuf,
}

/// `store.postgres`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://user:password@host/database`, as a secret.
    pub url: SecretSource,

    /// Most connections this process opens for statements; one more hears of changes.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
}

pub(super) const fn default_connections() -> u32 {
    16
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/wicketgate.db"),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self::Sqlite(SqliteConfig::default())
    }
}
