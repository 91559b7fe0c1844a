//! `wicketgate connection …`: the accounts that licenses connected, and ending that. Never a token.

pub mod list;
pub mod revoke;

use clap::Subcommand;

use super::{failure::Failure, open::Desk};

/// List and end connected accounts: what customers connected at providers
#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    List(list::ListArgs),
    Revoke(revoke::RevokeArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: ConnectionCommand) -> Result<(), Failure> {
    match command {
        ConnectionCommand::List(args) => list::run(desk, args).await,
        ConnectionCommand::Revoke(args) => revoke::run(desk, args).await,
    }
}
