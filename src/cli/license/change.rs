//! `wicketgate license suspend|resume|revoke`: what a license may no longer, or may again.

use clap::Args;
use serde_json::json;

use super::select;
use crate::{
    cli::{failure::Failure, open::Desk},
    license::LicenseStatus,
    store::StatusChange,
};

/// Stop a license for a while; its keys are refused within a second or two
#[derive(Debug, Args)]
pub struct SuspendArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
    /// Why, for the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// Let a suspended license call again
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
    /// Why, for the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// End a license for good; its keys are refused within a second or two
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
    /// Why, for the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// `active` to `suspended`.
pub async fn suspend(desk: &Desk, args: SuspendArgs) -> Result<(), Failure> {
    change(desk, &args.license, LicenseStatus::Suspended, args.reason).await
}

/// `suspended` to `active`.
pub async fn resume(desk: &Desk, args: ResumeArgs) -> Result<(), Failure> {
    change(desk, &args.license, LicenseStatus::Active, args.reason).await
}

/// Anything to `revoked`.
pub async fn revoke(desk: &Desk, args: RevokeArgs) -> Result<(), Failure> {
    change(desk, &args.license, LicenseStatus::Revoked, args.reason).await
}

async fn change(
    desk: &Desk,
    wanted: &str,
    to: LicenseStatus,
    reason: Option<String>,
) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let license = select::find(&opened.store, wanted).await?;
    let reason = reason.unwrap_or_default();
    let changed = opened
        .store
        .set_license_status(license.id, to, &reason, &desk.stamp())
        .await?;
    let from = match changed {
        StatusChange::Changed { from } => from,
        StatusChange::Unchanged => to,
        StatusChange::Final => {
            return Err(
                Failure::failed(format_args!("{} is revoked, which is final", license.id))
                    .fix("issue a new license"),
            );
        }
        StatusChange::NotFound => return Err(select::unknown(wanted)),
    };
    let (was, is) = (from.as_str(), to.as_str());
    desk.output.show(
        &json!({ "id": license.id, "name": license.name, "status": to, "was": from }),
        if from == to {
            format!("{} ({}) was {is} already", license.id, license.name)
        } else {
            format!("{} ({}) is {is}, was {was}", license.id, license.name)
        },
    );
    Ok(())
}
