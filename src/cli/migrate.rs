//! `wicketgate migrate`: brings the store to this version's tables.

use clap::Args;
use serde_json::json;

use super::{failure::Failure, open::Desk};
use crate::store::newest_schema;

/// Bring the store to this version's tables
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Only say what is pending; exit code 1 when something is
    #[arg(long)]
    pending: bool,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: &MigrateArgs) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let store = desk.connect(&loaded).await?;
    let report = if args.pending {
        store.pending().await?
    } else {
        store.migrate(desk.clock.now()).await?
    };
    let schema = newest_schema();
    let word = if args.pending { "pending" } else { "applied" };
    let lines: Vec<_> = report
        .steps
        .iter()
        .map(|step| format!("{word} {step}"))
        .collect();
    desk.output.show(
        &json!({ "from": report.from, "to": schema, word: report.steps }),
        if lines.is_empty() {
            format!("nothing to do: schema {schema}")
        } else {
            lines.join("\n")
        },
    );
    if args.pending && !report.steps.is_empty() {
        return Err(Failure::failed("migrations are pending").fix("run `wicketgate migrate`"));
    }
    Ok(())
}
