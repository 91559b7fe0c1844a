//! What a license may do beside its plan: set by the operator, in the trail, heard of by everybody.

use serde_json::{Value, json};

use super::{
    Stamp, Store, StoreError,
    audit::record,
    licenses::{COLUMNS, LOCK, license, own},
    one, run, write,
};
use crate::{
    ids::LicenseId,
    license::{License, LicenseStatus},
};

/// What became of a wish to change a license's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitChange {
    /// They were changed; the license as it is now.
    Changed(License),
    /// They are so already.
    Unchanged(License),
    /// The license is revoked, which is final.
    Final,
    /// There is no such license.
    NotFound,
}

impl Store {
    /// Changes the limits and tools of a license as `change` says; whatever else it changes is not
    /// stored. Two changes at once do not undo each other.
    pub async fn change_limits(
        &self,
        id: LicenseId,
        change: impl Fn(&mut License) + Send + Sync,
        stamp: &Stamp,
    ) -> Result<LimitChange, StoreError> {
        const SET: &str = "UPDATE licenses SET overrides = $2, tools = $3 WHERE id = $1";
        let sql = format!("SELECT {COLUMNS} FROM licenses l WHERE l.id = $1");
        let id = id.to_string();
        write!(self, tx => {
            // Keeps the row from changing until the end.
            run!(tx, LOCK, &id);
            let found = one!(tx, sqlx::AssertSqlSafe(sql.as_str()), &id);
            match found.map(|row| license(&row, 0)).transpose()? {
                None => LimitChange::NotFound,
                Some(found) if found.status == LicenseStatus::Revoked => LimitChange::Final,
                Some(was) => {
                    let mut now = was.clone();
                    change(&mut now);
                    if limits(&now) == limits(&was) {
                        LimitChange::Unchanged(was)
                    } else {
                        let tools = now.tools.as_ref().map(|tools| json!(tools).to_string());
                        run!(tx, SET, &id, own(&now.overrides), tools);
                        let detail = json!({ "from": limits(&was), "to": limits(&now) });
                        record!(tx, stamp, "license.limit", &id, detail);
                        LimitChange::Changed(License {
                            overrides: now.overrides,
                            tools: now.tools,
                            ..was
                        })
                    }
                }
            }
        })
    }
}

fn limits(license: &License) -> Value {
    json!({ "overrides": license.overrides, "tools": license.tools })
}
