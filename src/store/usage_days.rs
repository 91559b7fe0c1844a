//! What each license did with each tool, by UTC day: what an invoice is written from. Limits are not
//! counted here: see [`super::usage`].

use super::{
    Store, StoreError, one, read,
    rows::{Columns, stored},
    run, write,
};
use crate::{
    clock::{Day, Timestamp},
    ids::{LicenseId, UsageBatchId},
    names::ToolName,
};

/// A license's use of one tool on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolUsage {
    /// The day.
    pub day: Day,
    /// Whose calls.
    pub license: LicenseId,
    /// Of which tool.
    pub tool: ToolName,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls without an answer that may have reached the upstream.
    pub failed: u64,
    /// Calls that a limit refused; they cost nothing.
    pub refused: u64,
    /// Cost units of the answered and the failed ones.
    pub cost: u64,
}

/// The same with what the license is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUsage {
    /// What was used.
    pub usage: ToolUsage,
    /// The license's name; empty when it is kept nowhere.
    pub name: String,
    /// Its plan; empty when it is kept nowhere.
    pub plan: String,
}

/// Uses that are added in one transaction, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageBatch {
    /// By this a repetition is known.
    pub id: UsageBatchId,
    /// What is added.
    pub rows: Vec<ToolUsage>,
}

/// Which uses to list.
#[derive(Debug, Clone)]
pub struct UsageFilter {
    /// The first day.
    pub from: Day,
    /// The last day, included.
    pub to: Day,
    /// Only of this license.
    pub license: Option<LicenseId>,
    /// Only after this one, in the order of day, license and tool.
    pub after: Option<(Day, LicenseId, ToolName)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Adds a batch, once however often it is asked.
    pub async fn add_usage(&self, batch: &UsageBatch, now: Timestamp) -> Result<(), StoreError> {
        const ONCE: &str = "INSERT INTO usage_batches (id, written_ms) VALUES ($1, $2) \
             ON CONFLICT (id) DO NOTHING RETURNING id";
        const ADD: &str = "INSERT INTO usage_days \
             (day, license_id, tool, answered, failed, refused, cost) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (day, license_id, tool) DO UPDATE SET \
             answered = usage_days.answered + excluded.answered, \
             failed = usage_days.failed + excluded.failed, \
             refused = usage_days.refused + excluded.refused, \
             cost = usage_days.cost + excluded.cost";
        write!(self, tx => {
            if one!(tx, ONCE, batch.id.to_string(), now.as_millis()).is_some() {
                for row in &batch.rows {
                    run!(tx, ADD, row.day.number(), row.license.to_string(), row.tool.as_str(),
                        stored(row.answered), stored(row.failed), stored(row.refused),
                        stored(row.cost));
                }
            }
        })
    }

    /// Uses in the order of day, license and tool, page by page.
    pub async fn tool_usage(&self, filter: &UsageFilter) -> Result<Vec<ListedUsage>, StoreError> {
        const ALL: &str = "SELECT u.day, u.license_id, u.tool, u.answered, u.failed, u.refused, \
             u.cost, COALESCE(l.name, ''), COALESCE(l.plan, '') FROM usage_days u \
             LEFT JOIN licenses l ON l.id = u.license_id WHERE u.day >= $1 AND u.day <= $2 \
             AND (u.day, u.license_id, u.tool) > ($3, $4, $5) \
             ORDER BY u.day, u.license_id, u.tool LIMIT $6";
        const ONE: &str = "SELECT u.day, u.license_id, u.tool, u.answered, u.failed, u.refused, \
             u.cost, COALESCE(l.name, ''), COALESCE(l.plan, '') FROM usage_days u \
             LEFT JOIN licenses l ON l.id = u.license_id WHERE u.day >= $1 AND u.day <= $2 \
             AND (u.day, u.license_id, u.tool) > ($3, $4, $5) AND u.license_id = $7 \
             ORDER BY u.day, u.license_id, u.tool LIMIT $6";
        let (day, license, tool) = match &filter.after {
            Some((day, license, tool)) => (day.number(), license.to_string(), tool.as_str()),
            None => (i64::MIN, String::new(), ""),
        };
        let sql = if filter.license.is_some() { ONE } else { ALL };
        read!(self, pool => {
            let mut query = sqlx::query(sql)
                .bind(filter.from.number())
                .bind(filter.to.number())
                .bind(day)
                .bind(&license)
                .bind(tool)
                .bind(i64::from(filter.limit));
            if let Some(license) = filter.license {
                query = query.bind(license.to_string());
            }
            let rows = query.fetch_all(pool).await?;
            rows.iter().map(tool_usage).collect::<Result<Vec<_>, _>>()?
        })
    }
}

fn tool_usage(row: &impl Columns) -> Result<ListedUsage, StoreError> {
    let usage = ToolUsage {
        day: Day::from_number(row.int(0)?),
        license: row.parsed(1, "usage_days.license_id")?,
        tool: row.parsed(2, "usage_days.tool")?,
        answered: row.count(3, "usage_days.answered")?,
        failed: row.count(4, "usage_days.failed")?,
        refused: row.count(5, "usage_days.refused")?,
        cost: row.count(6, "usage_days.cost")?,
    };
    Ok(ListedUsage {
        usage,
        name: row.text(7)?,
        plan: row.text(8)?,
    })
}
