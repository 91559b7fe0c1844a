//! When each scope of a grant was last needed: what `scope report` compares with what was granted.

use super::{Fence, Store, StoreError, Tenant, fenced_read, fenced_write, rows::Columns, run};
use crate::{
    clock::Timestamp,
    names::{ScopeName, UpstreamName},
};

/// A scope that calls needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeUse {
    /// Whose calls.
    pub tenant: Tenant,
    /// Where they went.
    pub upstream: UpstreamName,
    /// What they needed.
    pub scope: ScopeName,
    /// When last.
    pub last: Timestamp,
}

impl Store {
    /// Notes uses; a later one stays.
    pub async fn note_scope_uses(&self, uses: &[ScopeUse]) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO scope_uses (tenant, upstream, scope, last_ms) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, upstream, scope) \
             DO UPDATE SET last_ms = excluded.last_ms WHERE scope_uses.last_ms < excluded.last_ms";
        fenced_write!(self, Fence::Whole, tx => {
            for used in uses {
                run!(tx, SQL, used.tenant.to_string(), used.upstream.as_str(),
                    used.scope.as_str(), used.last.as_millis());
            }
        })
    }

    /// Every use since `since`, in the order of tenants; at most 100,000.
    pub async fn scope_uses(&self, since: Timestamp) -> Result<Vec<ScopeUse>, StoreError> {
        const SQL: &str = "SELECT tenant, upstream, scope, last_ms FROM scope_uses \
             WHERE last_ms >= $1 ORDER BY tenant, upstream, scope LIMIT 100000";
        fenced_read!(self, Fence::Whole, tx => {
            let rows = sqlx::query(SQL).bind(since.as_millis()).fetch_all(&mut *tx).await?;
            rows.iter().map(scope_use).collect::<Result<Vec<_>, _>>()?
        })
    }
}

fn scope_use(row: &impl Columns) -> Result<ScopeUse, StoreError> {
    Ok(ScopeUse {
        tenant: row.parsed(0, "scope_uses.tenant")?,
        upstream: row.parsed(1, "scope_uses.upstream")?,
        scope: row.parsed(2, "scope_uses.scope")?,
        last: row.time(3)?,
    })
}
