//! `wicketgate credential …`: upstream secrets in the store. They go in sealed and never come out.

pub mod delete;
pub mod list;
pub mod set;

use clap::Subcommand;

use super::{failure::Failure, license::select, open::Desk};
use crate::store::{CredentialInfo, Store, Tenant};

/// Set, list and delete upstream credentials
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    Set(set::SetArgs),
    List(list::ListArgs),
    Delete(delete::DeleteArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: CredentialCommand) -> Result<(), Failure> {
    match command {
        CredentialCommand::Set(args) => set::run(desk, args).await,
        CredentialCommand::List(_) => list::run(desk).await,
        CredentialCommand::Delete(args) => delete::run(desk, args).await,
    }
}

/// Whose: the license's that is named, else the operator's.
async fn tenant(store: &Store, license: Option<&str>) -> Result<Tenant, Failure> {
    Ok(match license {
        Some(wanted) => Tenant::License(select::find(store, wanted).await?.id),
        None => Tenant::Operator,
    })
}

/// What stands where a static credential would, but was granted by a provider.
fn is_connected(info: &CredentialInfo) -> Failure {
    let (owner, upstream, label) = (info.tenant, &info.upstream, &info.label);
    Failure::failed(format_args!(
        "{owner} has a connected account at {upstream}, which is no stored credential"
    ))
    .fix(format_args!(
        "end it first: wicketgate connection revoke {owner} {upstream} --label {label}"
    ))
}
