//! `wicketgate license issue`: a new license and its key, which is shown this once.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Recipes, expiry::Expiry};
use crate::{
    cli::{failure::Failure, init, open::Desk},
    config::Config,
    crypto::LicenseKey,
    ids::LicenseId,
    license::{License, LicenseStatus},
    names::{PlanName, ToolPattern},
};

/// Issue a license: prints its key, once, and what the customer pastes
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Your label, such as the customer's name
    #[arg(long)]
    name: String,
    /// A plan of the configuration
    #[arg(long)]
    plan: PlanName,
    /// When it ends by itself: `365d` from now, or the UTC date `2027-01-01`
    #[arg(long, value_name = "SPAN|DATE")]
    expires: Option<Expiry>,
    /// Only these of the plan's tools, such as `analytics.*`; may be repeated
    #[arg(long, value_name = "PATTERN")]
    tools: Vec<ToolPattern>,
    /// Write the key to this new file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: IssueArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let config = &opened.loaded.config;
    known_plan(config, &args.plan)?;
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Failure::usage("--name is 1 to 200 characters without control characters"));
    }
    let now = desk.clock.now();
    let expires = args.expires.map(|expiry| expiry.counted_from(now));
    if expires.is_some_and(|at| at <= now) {
        return Err(Failure::usage("--expires is not in the future"));
    }
    let license = License {
        id: LicenseId::generate(now, &*desk.entropy),
        name: name.to_owned(),
        plan: args.plan,
        tools: (!args.tools.is_empty()).then_some(args.tools),
        status: LicenseStatus::Active,
        created: now,
        expires,
    };
    let key = LicenseKey::generate(&*desk.entropy);
    opened.add_license(&license, &key).await?;
    show(desk, config, &license, &Shown::new(&key, args.key_file.as_deref())?);
    Ok(())
}
