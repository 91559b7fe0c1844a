//! The operator's stop: while it is set, no replica opens a credential.

use serde_json::json;

use super::{Stamp, Store, StoreError, audit::record, read, rows::Columns, run, write};
use crate::clock::Timestamp;

impl Store {
    /// Since when opening is stopped; none: it is not.
    pub async fn vault_sealed(&self) -> Result<Option<Timestamp>, StoreError> {
        const SQL: &str = "SELECT sealed_ms FROM vault_seal WHERE id = 1";
        read!(self, pool => {
            let row = sqlx::query(SQL).fetch_optional(pool).await?;
            row.map(|row| row.time_or_null(0)).transpose()?.flatten()
        })
    }

    /// Stops all opening, or lets it go on; was it otherwise before?
    pub async fn set_vault_sealed(
        &self,
        since: Option<Timestamp>,
        stamp: &Stamp,
    ) -> Result<bool, StoreError> {
        const STOP: &str =
            "UPDATE vault_seal SET sealed_ms = $1 WHERE id = 1 AND sealed_ms IS NULL";
        const GO_ON: &str =
            "UPDATE vault_seal SET sealed_ms = NULL WHERE id = 1 AND sealed_ms IS NOT NULL";
        write!(self, tx => {
            let changed = match since {
                Some(since) => run!(tx, STOP, since.as_millis()),
                None => run!(tx, GO_ON),
            };
            if changed > 0 {
                if since.is_some() {
                    record!(tx, stamp, "vault.seal", "vault", json!({}));
                } else {
                    record!(tx, stamp, "vault.unseal", "vault", json!({}));
                }
            }
            changed > 0
        })
    }
}
