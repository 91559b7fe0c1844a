//! Consents at providers that browsers were sent to. Each `state` counts once.

use super::{Fence, Store, StoreError, Tenant, fenced_write, one, rows::Columns, run};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    names::{Label, ScopeName, UpstreamName},
};

/// A browser that was sent to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The keyed digest of `state`.
    pub state: TokenDigest,
    /// Whose account it will be.
    pub tenant: Tenant,
    /// For which upstream.
    pub upstream: UpstreamName,
    /// Under which label.
    pub label: Label,
    /// What was asked for.
    pub scopes: Vec<ScopeName>,
    /// The keyed digest of what the browser holds.
    pub browser: TokenDigest,
    /// When it was sent.
    pub created: Timestamp,
    /// When it may no longer come back.
    pub expires: Timestamp,
}

impl Store {
    /// Remembers that a browser was sent.
    pub async fn insert_attempt(&self, record: &AttemptRecord) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO connect_attempts (state_digest, tenant, upstream, label, \
             scopes, browser, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        const OLDEST: &str = "DELETE FROM connect_attempts WHERE tenant = $1 AND state_digest IN \
             (SELECT state_digest FROM connect_attempts WHERE tenant = $1 \
             ORDER BY created_ms DESC, state_digest LIMIT 1000 OFFSET 19)";
        fenced_write!(self, Fence::Of(record.tenant), tx => {
            // Twenty of one license are as many as anybody has open in tabs.
            run!(tx, OLDEST, record.tenant.to_string());
            run!(tx, SQL, record.state.as_bytes().as_slice(), record.tenant.to_string(),
                record.upstream.as_str(), record.label.as_str(), joined(&record.scopes),
                record.browser.as_bytes().as_slice(), record.created.as_millis(),
                record.expires.as_millis());
        })
    }

    /// The attempt of this `state`, once and in time, for the tenant it was begun by.
    pub async fn spend_attempt(
        &self,
        state: &TokenDigest,
        tenant: Tenant,
        now: Timestamp,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        const SQL: &str = "UPDATE connect_attempts SET spent_ms = $3 \
             WHERE state_digest = $1 AND tenant = $2 AND spent_ms IS NULL AND expires_ms > $3 \
             RETURNING tenant, upstream, label, scopes, browser, created_ms, expires_ms";
        fenced_write!(self, Fence::Of(tenant), tx => {
            let row = one!(tx, SQL, state.as_bytes().as_slice(), tenant.to_string(),
                now.as_millis());
            row.map(|row| attempt(*state, &row)).transpose()?
        })
    }
}

/// Scopes as one text (RFC 6749 section 3.3).
pub(super) fn joined(scopes: &[ScopeName]) -> String {
    let texts: Vec<_> = scopes.iter().map(ScopeName::as_str).collect();
    texts.join(" ")
}

/// The scopes of such a text.
pub(super) fn parted(text: &str, what: &'static str) -> Result<Vec<ScopeName>, StoreError> {
    text.split_ascii_whitespace()
        .map(|scope| scope.parse().map_err(|_| StoreError::Corrupt(what)))
        .collect()
}

fn attempt(state: TokenDigest, row: &impl Columns) -> Result<AttemptRecord, StoreError> {
    Ok(AttemptRecord {
        state,
        tenant: row.parsed(0, "connect_attempts.tenant")?,
        upstream: row.parsed(1, "connect_attempts.upstream")?,
        label: row.parsed(2, "connect_attempts.label")?,
        scopes: parted(&row.text(3)?, "connect_attempts.scopes")?,
        browser: row
            .bytes(4)?
            .try_into()
            .map(TokenDigest::from_bytes)
            .map_err(|_| StoreError::Corrupt("connect_attempts.browser"))?,
        created: row.time(5)?,
        expires: row.time(6)?,
    })
}
