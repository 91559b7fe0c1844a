//! Whose rows a statement may touch. Every query names its tenant; on PostgreSQL row-level security
//! holds it to that a second time.

use std::{fmt, str::FromStr};

use sqlx::{PgConnection, SqliteConnection};

use super::StoreError;
use crate::ids::{IdError, LicenseId};

/// Whose a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// The rows that a transaction may see and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// One tenant's.
    Of(Tenant),
    /// Everybody's: lists of the command line, rotation, clearing up. Never for a request.
    Whole,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(tenant) => tenant.fmt(f),
            Self::Whole => f.write_str("*"),
        }
    }
}

/// A connection inside a transaction whose fence can be moved.
pub(super) trait Fenced {
    /// Moves it, until the transaction ends.
    async fn raise(&mut self, fence: Fence) -> Result<(), StoreError>;
}

impl Fenced for PgConnection {
    async fn raise(&mut self, fence: Fence) -> Result<(), StoreError> {
        raise(self, fence).await
    }
}

impl Fenced for SqliteConnection {
    /// There is none.
    async fn raise(&mut self, _: Fence) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Tells PostgreSQL, for this transaction, whose rows are there.
pub(super) async fn raise(connection: &mut PgConnection, fence: Fence) -> Result<(), StoreError> {
    const SQL: &str = "SELECT set_config('wicketgate.tenant', $1, true)";
    sqlx::query(SQL)
        .bind(fence.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
