//! `wicketgate migrate`: brings the store to this version's tables.

use clap::Args;
use serde_json::json;

use super::{failure::Failure, open::Desk};

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
    let pending = store.pending().await.map_err(Desk::store_failed)?;
    if args.pending {
        desk.output.show(
            &json!({ "pending": pending }),
            if pending == 0 {
                "nothing pending".to_owned()
            } else {
                format!("{pending} pending")
            },
        );
        return if pending == 0 {
            Ok(())
        } else {
            Err(Failure::failed("migrations are pending").fix("run `wicketgate migrate`"))
        };
    }
    store.migrate().await.map_err(Desk::store_failed)?;
    desk.output.show(
        &json!({ "applied": pending }),
        if pending == 0 {
            "nothing to do".to_owned()
        } else {
            format!("{pending} applied")
        },
    );
    Ok(())
}
