//! `wicketgate usage …`: what all licenses used.

pub mod csv;
pub mod export;

use clap::Subcommand;

use super::{failure::Failure, open::Desk};

/// Report what licenses used
#[derive(Debug, Subcommand)]
pub enum UsageCommand {
    Export(export::ExportArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: UsageCommand) -> Result<(), Failure> {
    match command {
        UsageCommand::Export(args) => export::run(desk, args).await,
    }
}
