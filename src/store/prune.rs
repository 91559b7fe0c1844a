//! Removes what expired or ended long ago: a few thousand rows at a time, so that nobody waits long.

use super::{Fence, Store, StoreError, fenced_write, run, write};
use crate::clock::Timestamp;

/// Most rows of one transaction, as the statements say it.
const BATCH: u64 = 5_000;
/// Most transactions of one statement; the rest is left for the next time.
const ROUNDS: usize = 100;
/// Most rows of one statement.
const MOST: u64 = 500_000;

const CODES: &str = "DELETE FROM authorization_codes WHERE digest IN (SELECT digest \
     FROM authorization_codes WHERE expires_ms < $1 LIMIT 5000)";
const ASSERTIONS: &str = "DELETE FROM client_assertions WHERE digest IN (SELECT digest \
     FROM client_assertions WHERE expires_ms < $1 LIMIT 5000)";
const REVOCATIONS: &str = "DELETE FROM grant_revocations WHERE id IN (SELECT id \
     FROM grant_revocations WHERE done_ms < $1 LIMIT 5000)";
const ATTEMPTS: &str = "DELETE FROM connect_attempts WHERE state_digest IN (SELECT state_digest \
     FROM connect_attempts WHERE expires_ms < $1 LIMIT 5000)";
const TOKENS: &str = "DELETE FROM session_tokens WHERE digest IN (SELECT digest \
     FROM session_tokens WHERE expires_ms < $1 LIMIT 5000)";
// Two statements each, since no index serves an OR.
const TOKENS_OF_ENDED: &str = "DELETE FROM session_tokens WHERE digest IN (SELECT t.digest \
     FROM sessions s JOIN session_tokens t ON t.session_id = s.id WHERE s.ended_ms < $1 LIMIT 5000)";
const TOKENS_OF_EXPIRED: &str = "DELETE FROM session_tokens WHERE digest IN (SELECT t.digest \
     FROM sessions s JOIN session_tokens t ON t.session_id = s.id WHERE s.expires_ms < $1 LIMIT 5000)";
const ENDED: &str = "DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s \
     WHERE s.ended_ms < $1 AND NOT EXISTS (SELECT 1 FROM session_tokens t \
     WHERE t.session_id = s.id) LIMIT 5000)";
const EXPIRED: &str = "DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s \
     WHERE s.expires_ms < $1 AND NOT EXISTS (SELECT 1 FROM session_tokens t \
     WHERE t.session_id = s.id) LIMIT 5000)";

const SCOPE_USES: &str = "DELETE FROM scope_uses WHERE (tenant, upstream, scope) IN \
     (SELECT tenant, upstream, scope FROM scope_uses WHERE last_ms < $1 LIMIT 5000)";

const LEASES: &str = "DELETE FROM call_leases WHERE id IN (SELECT id FROM call_leases \
     WHERE state = 'closed' AND closed_ms < $1 LIMIT 5000)";
const LOST_LEASES: &str = "DELETE FROM call_leases WHERE id IN (SELECT id FROM call_leases \
     WHERE state = 'open' AND created_ms < $1 LIMIT 5000)";
const BATCHES: &str = "DELETE FROM usage_batches WHERE id IN (SELECT id FROM usage_batches \
     WHERE written_ms < $1 LIMIT 5000)";
const USAGE: &str = "DELETE FROM usage_days WHERE (day, license_id, tool) IN \
     (SELECT day, license_id, tool FROM usage_days WHERE day < $1 LIMIT 5000)";
const DAYS: &str = "DELETE FROM license_windows WHERE (license_id, meter, number) IN \
     (SELECT license_id, meter, number FROM license_windows \
     WHERE meter <> 'calls_month' AND number < $1 LIMIT 5000)";
const MONTHS: &str = "DELETE FROM license_windows WHERE (license_id, meter, number) IN \
     (SELECT license_id, meter, number FROM license_windows \
     WHERE meter = 'calls_month' AND number < $1 LIMIT 5000)";

const ONCE: &str = "DELETE FROM once_calls WHERE digest IN (SELECT digest \
     FROM once_calls WHERE ends_ms <= $1 LIMIT 5000)";

impl Store {
    /// Removes what licenses used before the day `before`; which additions to it were made before
    /// `batches_before`: a repetition of those would count twice; and leases that were closed before
    /// `leases_before`: a repetition of their closing would find none. How many rows.
    pub async fn prune_usage(
        &self,
        before: Timestamp,
        batches_before: Timestamp,
        leases_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let (day, month) = (before.day().number(), before.day().month().number());
        let mut removed = 0;
        for (statement, before) in [
            (USAGE, day),
            (DAYS, day),
            (MONTHS, month),
            (LEASES, leases_before.as_millis()),
            (LOST_LEASES, before.as_millis()),
            (BATCHES, batches_before.as_millis()),
        ] {
            removed += self.remove(statement, before).await?;
        }
        Ok(removed)
    }

    /// Removes codes, tokens, assertions that expired before `before`, and sessions that ended or
    /// expired before `sessions_before`; how many rows. At most 500,000 of each at once.
    pub async fn prune_sessions(
        &self,
        before: Timestamp,
        sessions_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (statement, before) in [
            (CODES, before),
            (ASSERTIONS, before),
            (TOKENS, before),
            (REVOCATIONS, sessions_before),
            (TOKENS_OF_ENDED, sessions_before),
            (TOKENS_OF_EXPIRED, sessions_before),
            (ENDED, sessions_before),
            (EXPIRED, sessions_before),
        ] {
            removed += self.remove(statement, before.as_millis()).await?;
        }
        let mut attempts = 0;
        loop {
            let rows = fenced_write!(self, Fence::Whole, tx => {
                run!(tx, ATTEMPTS, before.as_millis())
            })?;
            attempts += rows;
            if rows < BATCH || attempts >= MOST {
                return Ok(removed + attempts);
            }
        }
    }

    /// Forgets scopes that no call needed since `before`; how many. At most 500,000 at once.
    pub async fn prune_scope_uses(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let rows = fenced_write!(self, Fence::Whole, tx => {
                run!(tx, SCOPE_USES, before.as_millis())
            })?;
            removed += rows;
            if rows < BATCH || removed >= MOST {
                return Ok(removed);
            }
        }
    }

    /// Forgets calls whose day is over; how many. At most 500,000 at once.
    pub async fn prune_once(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let rows = fenced_write!(self, Fence::Whole, tx => run!(tx, ONCE, now.as_millis()))?;
            removed += rows;
            if rows < BATCH || removed >= MOST {
                return Ok(removed);
            }
        }
    }

    async fn remove(&self, statement: &'static str, before: i64) -> Result<u64, StoreError> {
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let rows = write!(self, tx => run!(tx, statement, before))?;
            removed += rows;
            if rows < BATCH {
                break;
            }
        }
        Ok(removed)
    }
}
