//! `wicketgate license usage`: calls by UTC day against the plan's limit.

use std::num::NonZeroU32;

use clap::Args;
use serde::Serialize;

use super::select;
use crate::{
    cli::{
        failure::Failure,
        open::{Desk, Opened},
        output,
    },
    clock::Day,
    ids::LicenseId,
    license::License,
    store::LicenseFilter,
};

/// Most days in one table.
const MOST_DAYS: u32 = 400;

/// Show calls by day against the plan's limit
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Its id, the beginning of its id, or its name. Left out: the first 1,000 licenses, today
    license: Option<String>,
    /// How many UTC days, today included
    #[arg(long, default_value = "7")]
    days: NonZeroU32,
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
}

/// Runs the command.
pub async fn run(desk: &Desk, args: UsageArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let today = desk.clock.now().day();
    let mut rows = Vec::new();
    if let Some(wanted) = &args.license {
        let license = select::find(&opened.store, wanted).await?;
        let days = i64::from(args.days.get().min(MOST_DAYS));
        rows_of(
            &opened,
            &license,
            today.number() - days + 1,
            today,
            &mut rows,
        )
        .await?;
    } else {
        for license in opened.store.licenses(&LicenseFilter::default()).await? {
            rows_of(&opened, &license, today.number(), today, &mut rows).await?;
        }
    }
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let table = output::table(
        ["license", "name", "day", "used", "limit", "left"],
        rows.iter().map(|row| {
            [
                row.license.to_string(),
                row.name.clone(),
                row.day.clone(),
                row.used.to_string(),
                number(row.limit.map(u64::from)),
                number(row.left),
            ]
        }),
    );
    desk.output.show(&rows, table);
    desk.output
        .note("Calls that a running gateway holds in reserve count as used.");
    Ok(())
}

async fn rows_of(
    opened: &Opened,
    license: &License,
    from: i64,
    to: Day,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    let usage = opened
        .store
        .usage(license.id, Day::from_number(from), to)
        .await?;
    let plan = opened.loaded.config.plans.get(&license.plan);
    let limit = plan.and_then(|plan| plan.per_day).map(NonZeroU32::get);
    for number in from..=to.number() {
        let day = Day::from_number(number);
        let used = usage
            .iter()
            .find(|one| one.day == day)
            .map_or(0, |one| one.used);
        rows.push(Row {
            license: license.id,
            name: license.name.clone(),
            day: day.to_string(),
            used,
            limit,
            left: limit.map(|limit| u64::from(limit).saturating_sub(used)),
        });
    }
    Ok(())
}
