//! `wicketgate tool …`: what clients would see, and what a call becomes.

pub mod call;
pub mod view;

use clap::Subcommand;

use super::{failure::Failure, open::Desk};

/// List tools, look at one, try one
#[derive(Debug, Subcommand)]
pub enum ToolCommand {
    List(view::ListArgs),
    Show(view::ShowArgs),
    Call(call::CallArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: ToolCommand) -> Result<(), Failure> {
    match command {
        ToolCommand::List(args) => view::list(desk, args).await,
        ToolCommand::Show(args) => view::show(desk, &args),
        ToolCommand::Call(args) => call::run(desk, args).await,
    }
}
