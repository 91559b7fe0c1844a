//! `wicketgate license issue`: a new license and its key, which is shown this once.

use clap::Args;

use super::{
    expiry::Expiry,
    handover::{Handover, key_record},
    recipes::Connector,
    view,
};
use crate::{
    cli::{
        failure::Failure,
        open::{Desk, Opened},
    },
    config::Config,
    crypto::LicenseKey,
    ids::LicenseId,
    license::{License, LicenseStatus, Overrides},
    names::{PlanName, ToolPattern},
};

/// Issue a license: prints its key, once, and what the customer pastes
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Your label, such as the customer's name
    #[arg(long, value_parser = label)]
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
    #[command(flatten)]
    handover: Handover,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: IssueArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let config = &opened.loaded.config;
    known_plan(config, &args.plan)?;
    let now = desk.clock.now();
    let expires = args.expires.map(|expiry| expiry.counted_from(now));
    if expires.is_some_and(|at| at <= now) {
        return Err(Failure::usage("--expires is not in the future"));
    }
    let license = License {
        id: LicenseId::generate(now, &*desk.entropy),
        name: args.name,
        plan: args.plan,
        tools: (!args.tools.is_empty()).then_some(args.tools),
        overrides: Overrides::default(),
        status: LicenseStatus::Active,
        created: now,
        expires,
    };
    let key = LicenseKey::generate(&*desk.entropy);
    args.handover.prepare(&key)?;
    let added = add(desk, &opened, &license, &key).await;
    added.inspect_err(|_| args.handover.take_back())?;

    let (url, connector) = (config.connector_url(), Connector::of(config));
    let mut machine = view::to_json(&license, now);
    let (name, value) = args.handover.json(&key);
    machine[name] = value;
    machine["connector_url"] = url.as_str().into();
    let human = format!(
        "license       {} ({}, plan {})\n{}",
        license.id,
        license.name,
        license.plan,
        args.handover.text(&key, &connector),
    );
    desk.output.show(&machine, human);
    Ok(())
}

/// Stores a license with its first key.
pub async fn add(
    desk: &Desk,
    opened: &Opened,
    license: &License,
    key: &LicenseKey,
) -> Result<(), Failure> {
    let record = key_record(key, opened.vault.pepper(), license.created);
    Ok(opened
        .store
        .insert_license(license, &record, &desk.stamp())
        .await?)
}

fn known_plan(config: &Config, plan: &PlanName) -> Result<(), Failure> {
    if config.plans.contains_key(plan) {
        return Ok(());
    }
    let plans: Vec<_> = config.plans.keys().map(PlanName::as_str).collect();
    let fix = if plans.is_empty() {
        "the configuration has no plans yet: add one under `plans:`".to_owned()
    } else {
        format!("choose one of: {}", plans.join(", "))
    };
    Err(Failure::failed(format_args!("no plan `{plan}` in the configuration")).fix(fix))
}

fn label(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let length = text.chars().count();
    if (1..=200).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 200 characters, none of them a control character")
    }
}
