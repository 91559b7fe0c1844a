//! The end of keys. Nothing ends that a row still needs.

use serde_json::json;

use super::{
    DataKeyState, Fence, Stamp, Store, StoreError, audit::record, fenced_write, keys::data_key,
    one, rows::Columns, run,
};
use crate::ids::DataKeyId;

/// What became of a wish to destroy a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destruction {
    /// It is destroyed.
    Destroyed,
    /// There is no such key.
    NotFound,
    /// Only a retired data key can be; this one is in another state.
    NotRetired(DataKeyState),
    /// So many rows still need it.
    Needed {
        /// Credentials and revocations, or root secrets and data keys.
        rows: u64,
    },
}

impl Store {
    /// Wipes a retired data key that nothing is sealed under, but for answers of calls that must not
    /// run twice: those last a day and may go with it.
    pub async fn destroy_data_key(
        &self,
        id: DataKeyId,
        stamp: &Stamp,
    ) -> Result<Destruction, StoreError> {
        const LOCK: &str = "UPDATE data_keys SET state = state WHERE id = $1 \
             RETURNING id, tenant, kek_id, state, wrapped, created_ms";
        const NEED: &str = "SELECT (SELECT COUNT(*) FROM credentials WHERE data_key = $1) \
             + (SELECT COUNT(*) FROM grant_revocations WHERE data_key = $1 AND done_ms IS NULL)";
        const WIPE: &str = "UPDATE data_keys SET state = 'destroyed', wrapped = $2 WHERE id = $1";
        let nothing: &[u8] = &[];
        let key = id.to_string();
        fenced_write!(self, Fence::Whole, tx => {
            match one!(tx, LOCK, &key).map(|row| data_key(&row)).transpose()? {
                None => Destruction::NotFound,
                Some(found) if found.state != DataKeyState::Retired => {
                    Destruction::NotRetired(found.state)
                }
                Some(found) => match counted(one!(tx, NEED, &key).as_ref())? {
                    0 => {
                        run!(tx, WIPE, &key, nothing);
                        let detail = json!({ "tenant": found.tenant.to_string(),
                            "master_key": found.master_key });
                        record!(tx, stamp, "key.destroy", &key, detail);
                        Destruction::Destroyed
                    }
                    rows => Destruction::Needed { rows },
                },
            }
        })
    }

    /// Forgets a master key that nothing is wrapped under: removes its proof.
    pub async fn forget_master_key(
        &self,
        name: &str,
        stamp: &Stamp,
    ) -> Result<Destruction, StoreError> {
        const NEED: &str = "SELECT (SELECT COUNT(*) FROM root_secrets \
             WHERE kek_id = $1 AND purpose NOT LIKE 'canary/%') \
             + (SELECT COUNT(*) FROM data_keys WHERE kek_id = $1 AND state <> 'destroyed')";
        const REMOVE: &str = "DELETE FROM root_secrets WHERE purpose = $1";
        fenced_write!(self, Fence::Whole, tx => {
            match counted(one!(tx, NEED, name).as_ref())? {
                0 if run!(tx, REMOVE, format!("canary/{name}")) == 0 => Destruction::NotFound,
                0 => {
                    record!(tx, stamp, "key.forget", name, json!({}));
                    Destruction::Destroyed
                }
                rows => Destruction::Needed { rows },
            }
        })
    }
}

fn counted(row: Option<&impl Columns>) -> Result<u64, StoreError> {
    row.map_or(Ok(0), |row| row.count(0, "count"))
}
