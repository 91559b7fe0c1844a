//! The truth about a license's day: how many calls are spent or leased to a process.

use super::{Store, StoreError, one, read, rows::Columns, run, write};
use crate::{
    clock::{Day, Timestamp},
    ids::{LeaseId, LicenseId, ReplicaId},
};

/// A wish for calls of a day.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest {
    /// The lease to make, or to enlarge when it exists and is open.
    pub lease: LeaseId,
    /// Whose day.
    pub license: LicenseId,
    /// Which day.
    pub day: Day,
    /// The day's limit.
    pub limit: u32,
    /// Unspent calls of the same lease, given back before anything is granted.
    pub unspent: u32,
    /// Who asks.
    pub replica: ReplicaId,
    /// When.
    pub now: Timestamp,
}

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// So many calls; 0: the day is exhausted.
    pub granted: u32,
    /// Spent or leased by anybody, these included.
    pub used: u64,
}

/// A lease as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its id.
    pub id: LeaseId,
    /// Whose day.
    pub license: LicenseId,
    /// Which day.
    pub day: Day,
    /// Who holds it.
    pub replica: ReplicaId,
    /// How many calls.
    pub granted: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// What became of unspent calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// They are free again.
    Returned,
    /// The lease was closed before, or never was: nothing changed.
    AlreadyClosed,
}

/// A license's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayUsage {
    /// Which day.
    pub day: Day,
    /// Spent or leased.
    pub used: u64,
}

impl Store {
    /// Takes `block(left)` calls of the day, `left` being what is free; never more than that.
    ///
    /// One transaction that holds the day's row from the start: whoever asks at the same time, on
    /// whatever process, waits for it.
    pub async fn lease_calls(
        &self,
        wish: &LeaseRequest,
        block: impl Fn(u32) -> u32 + Send + Sync,
    ) -> Result<LeaseGrant, StoreError> {
        const HOLD: &str = "INSERT INTO license_days (license_id, day, used) VALUES ($1, $2, 0) \
             ON CONFLICT (license_id, day) DO UPDATE SET used = license_days.used RETURNING used";
        const SET: &str = "UPDATE license_days SET used = $3 WHERE license_id = $1 AND day = $2";
        const LEASE: &str = "INSERT INTO call_leases \
             (id, license_id, day, replica, granted, state, created_ms) \
             VALUES ($1, $2, $3, $4, $5, 'open', $6)";
        const ENLARGE: &str = "UPDATE call_leases SET granted = granted + $4 \
             WHERE id = $1 AND license_id = $2 AND day = $3 AND state = 'open'";
        let (lease, license) = (wish.lease.to_string(), wish.license.to_string());
        let (day, unspent) = (wish.day.number(), i64::from(wish.unspent));
        write!(self, tx => {
            let used = match one!(tx, HOLD, &license, day) {
                Some(row) => row.int(0)? - unspent,
                None => return Err(StoreError::Corrupt("license_days")),
            };
            let left = u32::try_from((i64::from(wish.limit) - used).max(0)).unwrap_or(u32::MAX);
            let granted = block(left).min(left);
            let used = used + i64::from(granted);
            let change = i64::from(granted) - unspent;
            if granted != 0 || unspent != 0 {
                run!(tx, SET, &license, day, used);
                if run!(tx, ENLARGE, &lease, &license, day, change) == 0 {
                    if unspent != 0 {
                        return Err(StoreError::Conflict);
                    }
                    run!(tx, LEASE, &lease, &license, day, wish.replica.to_string(), change,
                        wish.now.as_millis());
                }
            }
            let used = u64::try_from(used).map_err(|_| StoreError::Corrupt("license_days.used"))?;
            LeaseGrant { granted, used }
        })
    }

    /// Closes a lease and gives its unspent calls back, once however often it is asked.
    pub async fn close_lease(
        &self,
        lease: LeaseId,
        unspent: u32,
        now: Timestamp,
    ) -> Result<Returned, StoreError> {
        const CLOSE: &str = "UPDATE call_leases SET state = 'closed', unspent = $2, \
             closed_ms = $3 WHERE id = $1 AND state = 'open' AND granted >= $2 \
             RETURNING license_id, day";
        const GIVE_BACK: &str =
            "UPDATE license_days SET used = used - $3 WHERE license_id = $1 AND day = $2";
        let unspent = i64::from(unspent);
        write!(self, tx => {
            match one!(tx, CLOSE, lease.to_string(), unspent, now.as_millis()) {
                None => Returned::AlreadyClosed,
                Some(row) => {
                    run!(tx, GIVE_BACK, row.text(0)?, row.int(1)?, unspent);
                    Returned::Returned
                }
            }
        })
    }

    /// Days of a license that have any use, `from` and `to` included.
    pub async fn usage(
        &self,
        license: LicenseId,
        from: Day,
        to: Day,
    ) -> Result<Vec<DayUsage>, StoreError> {
        const SQL: &str = "SELECT day, used FROM license_days \
             WHERE license_id = $1 AND day >= $2 AND day <= $3 ORDER BY day LIMIT 4000";
        read!(self, pool => {
            let rows = sqlx::query(SQL)
                .bind(license.to_string())
                .bind(from.number())
                .bind(to.number())
                .fetch_all(pool)
                .await?;
            rows.iter().map(day_usage).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Leases that are out, oldest first, at most 10,000. Those of processes that ended without
    /// closing stay here: their unspent calls are counted as spent.
    pub async fn open_leases(&self) -> Result<Vec<LeaseRecord>, StoreError> {
        const SQL: &str = "SELECT id, license_id, day, replica, granted, created_ms \
             FROM call_leases WHERE state = 'open' ORDER BY created_ms, id LIMIT 10000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).fetch_all(pool).await?;
            rows.iter().map(lease_record).collect::<Result<Vec<_>, _>>()?
        })
    }
}

fn day_usage(row: &impl Columns) -> Result<DayUsage, StoreError> {
    Ok(DayUsage {
        day: Day::from_number(row.int(0)?),
        used: row.count(1, "license_days.used")?,
    })
}

fn lease_record(row: &impl Columns) -> Result<LeaseRecord, StoreError> {
    Ok(LeaseRecord {
        id: row.parsed(0, "call_leases.id")?,
        license: row.parsed(1, "call_leases.license_id")?,
        day: Day::from_number(row.int(2)?),
        replica: row.parsed(3, "call_leases.replica")?,
        granted: row.count(4, "call_leases.granted")?,
        created: row.time(5)?,
    })
}
