//! `wicketgate session …`: what clients are connected, and ending that.

pub mod end;
pub mod list;

use clap::Subcommand;

use super::{failure::Failure, open::Desk};

/// List and end connections: clients that signed in, and tokens of `POST /session`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    List(list::ListArgs),
    Revoke(end::RevokeArgs),
    RevokeAll(end::RevokeAllArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List(args) => list::run(desk, args).await,
        SessionCommand::Revoke(args) => end::revoke(desk, &args).await,
        SessionCommand::RevokeAll(args) => end::revoke_all(desk, args).await,
    }
}
