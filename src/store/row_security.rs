//! Is there a second fence behind every query's own `tenant = …`? PostgreSQL's row-level security
//! holds everybody but superusers and roles that may bypass it.

use super::{Db, Store, StoreError, bounded, rows::Columns};

/// What stands between tenants besides the queries themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSecurity {
    /// The database shows no row of another tenant.
    Enforced,
    /// It would, but the role we are connected as passes it by, or it was switched off.
    Bypassed,
    /// SQLite has none.
    NotOffered,
}

impl RowSecurity {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Bypassed => "bypassed",
            Self::NotOffered => "not_offered",
        }
    }
}

impl Store {
    /// Does the database itself hold queries to one tenant?
    pub async fn row_security(&self) -> Result<RowSecurity, StoreError> {
        // Five tables are fenced; `to_regclass` finds them as our own statements do.
        const SQL: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_class, pg_roles \
             WHERE rolname = current_user AND NOT rolsuper AND NOT rolbypassrls \
             AND relrowsecurity AND relforcerowsecurity AND pg_class.oid IN \
             (to_regclass('credentials'), to_regclass('data_keys'), \
             to_regclass('connect_attempts'), to_regclass('scope_uses'), \
             to_regclass('once_calls'))";
        let Db::Postgres(pool) = &self.db else {
            return Ok(RowSecurity::NotOffered);
        };
        let held = bounded(async { sqlx::query(SQL).fetch_one(pool).await?.int(0) }).await?;
        Ok(if held == 5 {
            RowSecurity::Enforced
        } else {
            RowSecurity::Bypassed
        })
    }
}
