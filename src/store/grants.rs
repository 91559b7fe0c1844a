//! Renewing a grant exactly once: a lease by compare-and-set, never a lock over the network.

use serde_json::json;

use super::{
    CredentialInfo, CredentialRecord, CredentialState, Fence, MOST_LABELS, Stamp, Store,
    StoreError,
    attempts::joined,
    audit::record,
    credentials::{LOCK_KEY, place_credential},
    fenced_write, one,
    rows::stored,
    run, write,
};
use crate::{clock::Timestamp, ids::ReplicaId};

/// Who may renew a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// We, until the time that was asked for.
    Ours,
    /// Somebody else does, or it is no longer of this generation: look again.
    NotOurs,
}

impl Store {
    /// Asks to be the one who renews `info`, which must still be of that generation.
    pub async fn lease_grant(
        &self,
        info: &CredentialInfo,
        owner: ReplicaId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        const SQL: &str = "UPDATE credentials SET lease_owner = $4, lease_ms = $6 \
             WHERE id = $1 AND tenant = $2 AND generation = $3 AND state = 'active' \
             AND (lease_ms IS NULL OR lease_ms <= $5)";
        fenced_write!(self, Fence::Of(info.tenant), tx => {
            let taken = run!(tx, SQL, info.id.to_string(), info.tenant.to_string(),
                stored(info.generation), owner.to_string(), now.as_millis(), until.as_millis());
            if taken == 1 { Lease::Ours } else { Lease::NotOurs }
        })
    }

    /// Gives a lease of ours back without having renewed, so that the next may try.
    pub async fn release_grant(
        &self,
        info: &CredentialInfo,
        owner: ReplicaId,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE credentials SET lease_owner = NULL, lease_ms = NULL \
             WHERE id = $1 AND tenant = $2 AND lease_owner = $3";
        fenced_write!(self, Fence::Of(info.tenant), tx => {
            run!(tx, SQL, info.id.to_string(), info.tenant.to_string(), owner.to_string());
        })
    }

    /// Replaces a grant that was renewed. No change of power: neither audited nor told to other
    /// replicas, who find it when theirs ends. [`StoreError::Conflict`] as for
    /// [`Store::put_credential`].
    pub async fn renew_grant(
        &self,
        record: &CredentialRecord,
        replaces: u64,
    ) -> Result<(), StoreError> {
        fenced_write!(self, Fence::Of(record.info.tenant), tx => {
            place_credential!(tx, record, Some(replaces));
        })
    }

    /// Notes in the audit trail that a grant's provider rotated it and the store was away for too
    /// long to keep what it gave.
    pub async fn grant_lost(&self, info: &CredentialInfo, stamp: &Stamp) -> Result<(), StoreError> {
        let detail = json!({ "upstream": info.upstream, "tenant": info.tenant.to_string(),
            "label": info.label, "generation": info.generation });
        write!(self, tx => {
            record!(tx, stamp, "connection.lost", info.id.to_string(), detail);
        })
    }

    /// Notes that the provider no longer takes a grant of this generation; false when it has moved
    /// on meanwhile.
    pub async fn grant_refused(
        &self,
        info: &CredentialInfo,
        stamp: &Stamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE credentials SET state = $4, lease_owner = NULL, \
             lease_ms = NULL, updated_ms = $5 WHERE id = $1 AND tenant = $2 AND generation = $3";
        let detail = json!({ "upstream": info.upstream, "tenant": info.tenant.to_string(),
            "label": info.label, "generation": info.generation });
        fenced_write!(self, Fence::Of(info.tenant), tx => {
            let changed = run!(tx, SQL, info.id.to_string(), info.tenant.to_string(),
                stored(info.generation), CredentialState::NeedsReconnect.as_str(),
                stamp.at.as_millis());
            if changed == 1 {
                record!(tx, stamp, "connection.refused", info.id.to_string(), detail);
            }
            changed == 1
        })
    }
}
