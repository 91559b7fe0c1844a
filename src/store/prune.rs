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

impl Store {
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
            removed += self.remove(statement, before).await?;
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

    async fn remove(&self, statement: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let rows = write!(self, tx => run!(tx, statement, before.as_millis()))?;
            removed += rows;
            if rows < BATCH {
                break;
            }
        }
        Ok(removed)
    }
}
