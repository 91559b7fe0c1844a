//! `wicketgate license usage`: calls and cost by UTC day against the license's limits.

use std::{collections::HashMap, num::NonZeroU32};

use clap::Args;
use serde::Serialize;

use super::select;
use crate::{
    cli::{
        failure::Failure,
        open::{Desk, Opened},
        output,
    },
    clock::{Day, Month},
    ids::LicenseId,
    license::License,
    quota::{Meter, Window},
    store::{LicenseFilter, ToolUsage, UsageFilter, WindowUsage},
};

/// Most days in one table.
const MOST_DAYS: u32 = 400;
/// Rows of tools that are read at a time.
const PAGE: u32 = 1_000;

/// Show calls and cost by day against the license's limits
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Its id, the beginning of its id, or its name. Left out: the first 1,000 licenses, today
    license: Option<String>,
    /// How many UTC days, today included
    #[arg(long, default_value = "7", conflicts_with = "from")]
    days: NonZeroU32,
    /// The first UTC day, in place of `--days`; at most 400 days before the last
    #[arg(long, value_name = "DATE", requires = "license")]
    from: Option<Day>,
    /// The last UTC day, included. Left out: today
    #[arg(long, value_name = "DATE", requires = "license")]
    to: Option<Day>,
}

/// One license's day.
#[derive(Debug, Serialize)]
struct Row {
    license: LicenseId,
    name: String,
    day: String,
    used: u64,
    limit: Option<u32>,
    left: Option<u64>,
    /// What of `used` was granted to open leases.
    leased: u64,
    cost: u64,
    cost_limit: Option<u32>,
    month: String,
    month_used: u64,
    month_limit: Option<u32>,
    tools: Vec<Tool>,
}

/// One tool of that day.
#[derive(Debug, Serialize)]
struct Tool {
    #[serde(rename = "tool")]
    name: String,
    answered: u64,
    failed: u64,
    refused: u64,
    cost: u64,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: UsageArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let today = desk.clock.now().day();
    let mut rows = Vec::new();
    if let Some(wanted) = &args.license {
        let license = select::find(&opened.store, wanted).await?;
        let to = args.to.unwrap_or(today);
        let before = |days: u32| Day::from_number(to.number() - i64::from(days) + 1);
        let days = before(args.days.get().min(MOST_DAYS));
        let from = args.from.unwrap_or(days).max(before(MOST_DAYS));
        if from > to {
            return Err(Failure::usage("--from is after --to"));
        }
        rows_of(&opened, &license, from, to, &mut rows).await?;
    } else {
        for license in opened.store.licenses(&LicenseFilter::default()).await? {
            rows_of(&opened, &license, today, today, &mut rows).await?;
        }
    }
    let mut shown = days(&rows);
    if args.license.is_some() && rows.iter().any(|row| !row.tools.is_empty()) {
        shown = format!("{shown}\n\n{}", tools(&rows));
    }
    desk.output.show(&rows, shown);
    desk.output
        .note("Calls that a running gateway holds in reserve count as used.");
    Ok(())
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |n| n.to_string())
}

fn days(rows: &[Row]) -> String {
    output::table(
        [
            "license", "name", "day", "used", "limit", "left", "cost", "budget", "month", "limit",
        ],
        rows.iter().map(|row| {
            [
                row.license.to_string(),
                row.name.clone(),
                row.day.clone(),
                row.used.to_string(),
                number(row.limit.map(u64::from)),
                number(row.left),
                row.cost.to_string(),
                number(row.cost_limit.map(u64::from)),
                row.month_used.to_string(),
                number(row.month_limit.map(u64::from)),
            ]
        }),
    )
}

fn tools(rows: &[Row]) -> String {
    let tools = rows
        .iter()
        .flat_map(|row| row.tools.iter().map(move |tool| (row, tool)));
    output::table(
        ["day", "tool", "answered", "failed", "refused", "cost"],
        tools.map(|(row, tool)| {
            [
                row.day.clone(),
                tool.name.clone(),
                tool.answered.to_string(),
                tool.failed.to_string(),
                tool.refused.to_string(),
                tool.cost.to_string(),
            ]
        }),
    )
}

async fn rows_of(
    opened: &Opened,
    license: &License,
    from: Day,
    to: Day,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    let windows = opened.store.windows(license.id, from, to).await?;
    let window = |meter: Meter, window: Window| -> Option<&WindowUsage> {
        let mut of = windows.iter().filter(|counted| counted.meter == meter);
        of.find(|counted| counted.window == window)
    };
    // Whole months: what no limit counts is known from the tools.
    let end = Month::from_number(to.month().number() + 1).first_day();
    let mut by_day = by_day(opened, license.id, from.month().first_day(), end).await?;
    let allowance = opened.loaded.config.allowance_of(license);
    let mut months: HashMap<_, u64> = HashMap::new();
    for used in by_day.values().flatten() {
        *months.entry(used.day.month()).or_default() += used.answered + used.failed;
    }
    for number in from.number()..=to.number() {
        let day = Day::from_number(number);
        let tools = by_day.remove(&day).unwrap_or_default();
        let calls = tools.iter().map(|tool| tool.answered + tool.failed).sum();
        let counted = window(Meter::CallsDay, day.into());
        let used = counted.map_or(calls, |counted| counted.used);
        let month = day.month();
        let limit = allowance.of_meter(Meter::CallsDay);
        rows.push(Row {
            license: license.id,
            name: license.name.clone(),
            day: day.to_string(),
            used,
            limit,
            left: limit.map(|limit| u64::from(limit).saturating_sub(used)),
            leased: counted.map_or(0, |counted| counted.leased),
            cost: window(Meter::CostDay, day.into()).map_or_else(
                || tools.iter().map(|tool| tool.cost).sum(),
                |counted| counted.used,
            ),
            cost_limit: allowance.of_meter(Meter::CostDay),
            month: month.to_string(),
            month_used: window(Meter::CallsMonth, month.into()).map_or_else(
                || months.get(&month).copied().unwrap_or(0),
                |counted| counted.used,
            ),
            month_limit: allowance.of_meter(Meter::CallsMonth),
            tools: tools.iter().map(tool_of).collect(),
        });
    }
    Ok(())
}

fn tool_of(used: &ToolUsage) -> Tool {
    Tool {
        name: used.tool.to_string(),
        answered: used.answered,
        failed: used.failed,
        refused: used.refused,
        cost: used.cost,
    }
}

async fn by_day(
    opened: &Opened,
    license: LicenseId,
    from: Day,
    to: Day,
) -> Result<HashMap<Day, Vec<ToolUsage>>, Failure> {
    let mut filter = UsageFilter {
        from,
        to,
        license: Some(license),
        after: None,
        limit: PAGE,
    };
    let mut found: HashMap<Day, Vec<ToolUsage>> = HashMap::new();
    loop {
        let page = opened.store.tool_usage(&filter).await?;
        let Some(last) = page.last().map(|listed| &listed.usage) else {
            return Ok(found);
        };
        filter.after = Some((last.day, last.license, last.tool.clone()));
        for listed in page {
            let day = found.entry(listed.usage.day).or_default();
            day.push(listed.usage);
        }
    }
}
