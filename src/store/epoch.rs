//! The number that rises with every change, for whoever remembers what is stored.

use super::{Stamp, Store, StoreError, audit::note, one, read, rows::Columns, write};

/// What has changed so far. On PostgreSQL a change also tells it to every [`super::Listener`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Rises with every change of a license, key, session or credential, and with every reload
    /// that is asked for.
    pub value: u64,
    /// How often all replicas were asked to read their configuration again.
    pub reloads: u64,
}

impl Store {
    /// Both numbers.
    pub async fn epochs(&self) -> Result<Epoch, StoreError> {
        const SQL: &str = "SELECT value, reloads FROM change_epoch WHERE id = 1";
        let found = read!(self, pool => {
            let row = sqlx::query(SQL).fetch_optional(pool).await?;
            row.map(|row| epoch(&row)).transpose()?
        })?;
        found.ok_or(StoreError::Corrupt("change_epoch"))
    }

    /// A number that rises with every change of a license, key or credential.
    ///
    /// Whoever remembers such things asks for it and forgets them when it has risen.
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        Ok(self.epochs().await?.value)
    }

    /// Asks every replica to read its configuration again; the number of this request.
    pub async fn ask_for_reload(&self, stamp: &Stamp) -> Result<u64, StoreError> {
        const SQL: &str = "UPDATE change_epoch SET value = value + 1, reloads = reloads + 1 \
             WHERE id = 1 RETURNING value, reloads";
        let asked = write!(self, tx => {
            let row = one!(tx, SQL).ok_or(StoreError::Corrupt("change_epoch"))?;
            let number = epoch(&row)?.reloads;
            let detail = serde_json::json!({ "number": number });
            note!(tx, stamp, "config.reload", "all", detail);
            number
        })?;
        Ok(asked)
    }
}

fn epoch(row: &impl Columns) -> Result<Epoch, StoreError> {
    Ok(Epoch {
        value: row.count(0, "change_epoch.value")?,
        reloads: row.count(1, "change_epoch.reloads")?,
    })
}
