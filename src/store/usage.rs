//! The truth about a license's windows: what of a day or month is spent or leased to a process.

use super::{Store, StoreError, one, read, rows::Columns, run, write};
use crate::{
    clock::{Day, Timestamp},
    ids::{LeaseId, LicenseId, ReplicaId},
    quota::{Meter, Window},
};

/// A wish for units of a window: calls, or what they cost.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest {
    /// The lease to make, or to enlarge when it exists and is open.
    pub lease: LeaseId,
    /// Whose count.
    pub license: LicenseId,
    /// Which count.
    pub meter: Meter,
    /// Which window of it.
    pub window: Window,
    /// The window's limit.
    pub limit: u32,
    /// Less than this is of no use: then nothing is granted.
    pub need: u32,
    /// Unspent units of the same lease, given back before anything is granted.
    pub unspent: u32,
    /// Who asks.
    pub replica: ReplicaId,
    /// When.
    pub now: Timestamp,
}

/// What was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// So many units; 0: the window has less than was needed.
    pub granted: u32,
    /// Spent or leased by anybody, these included.
    pub used: u64,
}

/// A lease as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its id.
    pub id: LeaseId,
    /// Whose count.
    pub license: LicenseId,
    /// Which count.
    pub meter: Meter,
    /// Which window of it.
    pub window: Window,
    /// Who holds it.
    pub replica: ReplicaId,
    /// How many units.
    pub granted: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// What became of unspent units.
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

/// A window of a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowUsage {
    /// Which count.
    pub meter: Meter,
    /// Which window of it.
    pub window: Window,
    /// Spent or leased.
    pub used: u64,
    /// What of that was granted to leases that are open: to running processes, and to those that
    /// ended without giving back.
    pub leased: u64,
}

impl Store {
    /// Takes `block(left)` units of the window, `left` being what is free: never more than that,
    /// and never less than is needed.
    ///
    /// One transaction that holds the window's row from the start: whoever asks at the same time, on
    /// whatever process, waits for it.
    pub async fn lease_calls(
        &self,
        wish: &LeaseRequest,
        block: impl Fn(u32) -> u32 + Send + Sync,
    ) -> Result<LeaseGrant, StoreError> {
        const HOLD: &str = "INSERT INTO license_windows (license_id, meter, number, used) \
             VALUES ($1, $2, $3, 0) ON CONFLICT (license_id, meter, number) \
             DO UPDATE SET used = license_windows.used RETURNING used";
        const SET: &str = "UPDATE license_windows SET used = $4 \
             WHERE license_id = $1 AND meter = $2 AND number = $3";
        const LEASE: &str = "INSERT INTO call_leases \
             (id, license_id, meter, number, replica, granted, state, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)";
        const ENLARGE: &str = "UPDATE call_leases SET granted = granted + $5 \
             WHERE id = $1 AND license_id = $2 AND meter = $3 AND number = $4 AND state = 'open'";
        let (lease, license) = (wish.lease.to_string(), wish.license.to_string());
        let (meter, number) = (wish.meter.as_str(), wish.window.number());
        let unspent = i64::from(wish.unspent);
        write!(self, tx => {
            let used = match one!(tx, HOLD, &license, meter, number) {
                Some(row) => row.int(0)? - unspent,
                None => return Err(StoreError::Corrupt("license_windows")),
            };
            let left = u32::try_from((i64::from(wish.limit) - used).max(0)).unwrap_or(u32::MAX);
            let granted = if left < wish.need { 0 } else { block(left).max(wish.need).min(left) };
            let used = used + i64::from(granted);
            let change = i64::from(granted) - unspent;
            if granted != 0 || unspent != 0 {
                run!(tx, SET, &license, meter, number, used);
                if run!(tx, ENLARGE, &lease, &license, meter, number, change) == 0 {
                    if unspent != 0 {
                        return Err(StoreError::Conflict);
                    }
                    run!(tx, LEASE, &lease, &license, meter, number, wish.replica.to_string(),
                        change, wish.now.as_millis());
                }
            }
            let used =
                u64::try_from(used).map_err(|_| StoreError::Corrupt("license_windows.used"))?;
            LeaseGrant { granted, used }
        })
    }

    /// Closes a lease and gives its unspent units back, once however often it is asked.
    pub async fn close_lease(
        &self,
        lease: LeaseId,
        unspent: u32,
        now: Timestamp,
    ) -> Result<Returned, StoreError> {
        const CLOSE: &str = "UPDATE call_leases SET state = 'closed', unspent = $2, \
             closed_ms = $3 WHERE id = $1 AND state = 'open' AND granted >= $2 \
             RETURNING license_id, meter, number";
        const GIVE_BACK: &str = "UPDATE license_windows SET used = used - $4 \
             WHERE license_id = $1 AND meter = $2 AND number = $3";
        let unspent = i64::from(unspent);
        write!(self, tx => {
            match one!(tx, CLOSE, lease.to_string(), unspent, now.as_millis()) {
                None => Returned::AlreadyClosed,
                Some(row) => {
                    run!(tx, GIVE_BACK, row.text(0)?, row.text(1)?, row.int(2)?, unspent);
                    Returned::Returned
                }
            }
        })
    }

    /// Days of a license whose calls were counted, `from` and `to` included.
    pub async fn usage(
        &self,
        license: LicenseId,
        from: Day,
        to: Day,
    ) -> Result<Vec<DayUsage>, StoreError> {
        let windows = self.windows(license, from, to).await?;
        let days = windows
            .iter()
            .filter(|counted| counted.meter == Meter::CallsDay)
            .map(|counted| DayUsage {
                day: Day::from_number(counted.window.number()),
                used: counted.used,
            });
        Ok(days.collect())
    }

    /// Windows of a license that were counted and have a day of these, `from` and `to` included; by
    /// meter and time, at most 10,000.
    pub async fn windows(
        &self,
        license: LicenseId,
        from: Day,
        to: Day,
    ) -> Result<Vec<WindowUsage>, StoreError> {
        const SQL: &str = "SELECT w.meter, w.number, w.used, (SELECT \
             CAST(COALESCE(SUM(l.granted), 0) AS BIGINT) FROM call_leases l \
             WHERE l.license_id = w.license_id AND l.meter = w.meter AND l.number = w.number \
             AND l.state = 'open') FROM license_windows w WHERE w.license_id = $1 \
             AND ((w.meter <> 'calls_month' AND w.number >= $2 AND w.number <= $3) \
             OR (w.meter = 'calls_month' AND w.number >= $4 AND w.number <= $5)) \
             ORDER BY w.meter, w.number LIMIT 10000";
        read!(self, pool => {
            let rows = sqlx::query(SQL)
                .bind(license.to_string())
                .bind(from.number())
                .bind(to.number())
                .bind(from.month().number())
                .bind(to.month().number())
                .fetch_all(pool)
                .await?;
            rows.iter().map(window_usage).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// Leases that are out, oldest first, at most 10,000. Those of processes that ended without
    /// closing stay here: their unspent units are counted as spent.
    pub async fn open_leases(&self) -> Result<Vec<LeaseRecord>, StoreError> {
        const SQL: &str = "SELECT id, license_id, meter, number, replica, granted, created_ms \
             FROM call_leases WHERE state = 'open' ORDER BY created_ms, id LIMIT 10000";
        read!(self, pool => {
            let rows = sqlx::query(SQL).fetch_all(pool).await?;
            rows.iter().map(lease_record).collect::<Result<Vec<_>, _>>()?
        })
    }
}

fn window_usage(row: &impl Columns) -> Result<WindowUsage, StoreError> {
    Ok(WindowUsage {
        meter: meter(row, 0, "license_windows.meter")?,
        window: Window::from_number(row.int(1)?),
        used: row.count(2, "license_windows.used")?,
        leased: row.count(3, "call_leases.granted")?,
    })
}

fn lease_record(row: &impl Columns) -> Result<LeaseRecord, StoreError> {
    Ok(LeaseRecord {
        id: row.parsed(0, "call_leases.id")?,
        license: row.parsed(1, "call_leases.license_id")?,
        meter: meter(row, 2, "call_leases.meter")?,
        window: Window::from_number(row.int(3)?),
        replica: row.parsed(4, "call_leases.replica")?,
        granted: row.count(5, "call_leases.granted")?,
        created: row.time(6)?,
    })
}

fn meter(row: &impl Columns, at: usize, what: &'static str) -> Result<Meter, StoreError> {
    Meter::parse(&row.text(at)?).ok_or(StoreError::Corrupt(what))
}
