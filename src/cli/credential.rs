//! `wicketgate credential …`: upstream secrets in the store. They go in sealed and never come out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{failure::Failure, license::minute, open::Desk, output, typed};
use crate::{config::Config, names::UpstreamName};

/// Set, list and delete upstream credentials
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    Set(SetArgs),
    List(ListArgs),
    Delete(DeleteArgs),
}

/// Store an upstream's credential, read from standard input, a file, or a prompt without an echo
#[derive(Debug, Args)]
pub struct SetArgs {
    /// An upstream of the configuration
    upstream: UpstreamName,
    /// Read the secret from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// List which upstreams have a credential; never the credentials
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Delete an upstream's credential
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The upstream
    upstream: UpstreamName,
}

/// Runs the command.
pub async fn run(desk: &Desk, command: CredentialCommand) -> Result<(), Failure> {
    match command {
        CredentialCommand::Set(args) => set(desk, args).await,
        CredentialCommand::List(_) => list(desk).await,
        CredentialCommand::Delete(args) => delete(desk, args).await,
    }
}
