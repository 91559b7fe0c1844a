//! How many keys there are and what is under them, without opening anything.

use super::{DataKeyState, Fence, Store, StoreError, fenced_read, rows::Columns};
use crate::clock::Timestamp;

/// The data keys of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysInState {
    /// The state.
    pub state: DataKeyState,
    /// How many.
    pub keys: u64,
    /// Of how many tenants.
    pub tenants: u64,
    /// When the oldest was made.
    pub oldest: Timestamp,
}

/// What is under keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// By state; a state without keys is not there.
    pub states: Vec<KeysInState>,
    /// How many data keys, not destroyed ones, are under each master key.
    pub under: Vec<(String, u64)>,
    /// How many credentials are under a data key that no longer seals.
    pub outdated_credentials: u64,
    /// How many revocations still to be told are.
    pub outdated_revocations: u64,
}

impl Store {
    /// Counts them.
    pub async fn key_counts(&self) -> Result<KeyCounts, StoreError> {
        const STATES: &str = "SELECT state, COUNT(*), COUNT(DISTINCT tenant), MIN(created_ms) \
             FROM data_keys GROUP BY state ORDER BY state";
        const UNDER: &str = "SELECT kek_id, COUNT(*) FROM data_keys WHERE state <> 'destroyed' \
             GROUP BY kek_id ORDER BY kek_id LIMIT 1000";
        const OUTDATED: &str = "SELECT (SELECT COUNT(*) FROM credentials c WHERE NOT EXISTS \
             (SELECT 1 FROM data_keys k WHERE k.id = c.data_key AND k.state = 'active')), \
             (SELECT COUNT(*) FROM grant_revocations r WHERE r.done_ms IS NULL AND NOT EXISTS \
             (SELECT 1 FROM data_keys k WHERE k.id = r.data_key AND k.state = 'active'))";
        fenced_read!(self, Fence::Whole, tx => {
            let states = sqlx::query(STATES).fetch_all(&mut *tx).await?;
            let under = sqlx::query(UNDER).fetch_all(&mut *tx).await?;
            let outdated = sqlx::query(OUTDATED).fetch_one(&mut *tx).await?;
            KeyCounts {
                states: states.iter().map(in_state).collect::<Result<_, _>>()?,
                under: under
                    .iter()
                    .map(|row| Ok((row.text(0)?, row.count(1, "count")?)))
                    .collect::<Result<_, StoreError>>()?,
                outdated_credentials: outdated.count(0, "count")?,
                outdated_revocations: outdated.count(1, "count")?,
            }
        })
    }
}

fn in_state(row: &impl Columns) -> Result<KeysInState, StoreError> {
    Ok(KeysInState {
        state: DataKeyState::parse(&row.text(0)?)?,
        keys: row.count(1, "count")?,
        tenants: row.count(2, "count")?,
        oldest: row.time(3)?,
    })
}
