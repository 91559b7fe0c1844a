//! `wicketgate license …`: the life of a customer's right to call.

pub mod change;
pub mod expiry;
pub mod handover;
pub mod issue;
pub mod limit;
pub mod recipes;
pub mod rotate;
pub mod select;
pub mod usage;
pub mod view;

use clap::Subcommand;

use super::{failure::Failure, open::Desk};

/// Issue, look up, stop and renew licenses
#[derive(Debug, Subcommand)]
pub enum LicenseCommand {
    Issue(issue::IssueArgs),
    List(view::ListArgs),
    Show(view::ShowArgs),
    Usage(usage::UsageArgs),
    Limit(limit::LimitArgs),
    Suspend(change::SuspendArgs),
    Resume(change::ResumeArgs),
    Revoke(change::RevokeArgs),
    Rotate(rotate::RotateArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: LicenseCommand) -> Result<(), Failure> {
    match command {
        LicenseCommand::Issue(args) => issue::run(desk, args).await,
        LicenseCommand::List(args) => view::list(desk, args).await,
        LicenseCommand::Show(args) => view::show(desk, args).await,
        LicenseCommand::Limit(args) => limit::run(desk, args).await,
        LicenseCommand::Usage(args) => usage::run(desk, args).await,
        LicenseCommand::Suspend(args) => change::suspend(desk, args).await,
        LicenseCommand::Resume(args) => change::resume(desk, args).await,
        LicenseCommand::Revoke(args) => change::revoke(desk, args).await,
        LicenseCommand::Rotate(args) => rotate::run(desk, args).await,
    }
}
