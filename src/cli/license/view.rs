//! `wicketgate license list|show`: what there is. Never a key.

use clap::Args;
use serde_json::{Value, json};

use super::{expiry::minute, limit, select};
use crate::{
    cli::{failure::Failure, open::Desk, output},
    clock::Timestamp,
    license::{License, LicenseStatus},
    names::PlanName,
    store::LicenseFilter,
};

/// Most licenses in one list.
const MOST: usize = 10_000;

/// List licenses, newest last
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this plan
    #[arg(long)]
    plan: Option<PlanName>,
    /// Only with this status: active, suspended, revoked or expired
    #[arg(long)]
    status: Option<Standing>,
}

/// Show one license and its keys' hints
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
}

/// What a license may do at a moment: its status, and whether it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It may call.
    Active,
    /// Stopped for a while.
    Suspended,
    /// Ended for good.
    Revoked,
    /// It ended by itself.
    Expired,
}

impl Standing {
    /// Of a license at a moment.
    pub fn of(license: &License, now: Timestamp) -> Self {
        match license.status {
            LicenseStatus::Suspended => Self::Suspended,
            LicenseStatus::Revoked => Self::Revoked,
            LicenseStatus::Active if license.is_usable(now) => Self::Active,
            LicenseStatus::Active => Self::Expired,
        }
    }

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// A license as `--json` shows it.
pub fn to_json(license: &License, now: Timestamp) -> Value {
    json!({
        "id": license.id,
        "name": license.name,
        "plan": license.plan,
        "status": Standing::of(license, now),
        "tools": license.tools,
        "overrides": license.overrides,
        "created": license.created.to_string(),
        "expires": license.expires.map(|at| at.to_string()),
    })
}

/// The list.
pub async fn list(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let now = desk.clock.now();
    // Expiry is no stored status: those that expired are stored as active.
    let stored = args.status.map(|standing| match standing {
        Standing::Active | Standing::Expired => LicenseStatus::Active,
        Standing::Suspended => LicenseStatus::Suspended,
        Standing::Revoked => LicenseStatus::Revoked,
    });
    let mut filter = LicenseFilter {
        plan: args.plan,
        status: stored,
        ..LicenseFilter::default()
    };
    let mut licenses = Vec::new();
    loop {
        let page = opened.store.licenses(&filter).await?;
        filter.after = page.last().map(|license| license.id);
        licenses.extend(page.into_iter().filter(|license| {
            args.status
                .is_none_or(|wanted| Standing::of(license, now) == wanted)
        }));
        if filter.after.is_none() || licenses.len() >= MOST {
            break;
        }
    }
    let machine: Vec<_> = licenses
        .iter()
        .map(|license| to_json(license, now))
        .collect();
    let rows = licenses.iter().map(|license| {
        [
            license.id.to_string(),
            license.name.clone(),
            license.plan.to_string(),
            Standing::of(license, now).as_str().to_owned(),
            license.expires.map_or_else(|| "never".to_owned(), minute),
        ]
    });
    let table = output::table(["id", "name", "plan", "status", "expires"], rows);
    desk.output.show(&machine, table);
    if licenses.is_empty() {
        desk.output
            .note(if filter.plan.is_none() && args.status.is_none() {
                "no licenses yet; make one with `wicketgate license issue`"
            } else {
                "no license of that kind"
            });
    }
    Ok(())
}

/// One license.
pub async fn show(desk: &Desk, args: ShowArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let license = select::find(&opened.store, &args.license).await?;
    let keys = opened.store.license_keys(license.id).await?;
    let now = desk.clock.now();
    let mut machine = to_json(&license, now);
    machine["keys"] = keys
        .iter()
        .map(|key| {
            json!({
                "hint": key.hint,
                "created": key.created.to_string(),
                "expires": key.expires.map(|at| at.to_string()),
            })
        })
        .collect();
    let allowance = opened.loaded.config.allowance_of(&license);
    machine["limits"] = limit::to_json(&allowance);
    let until = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), minute);
    let tools = match &license.tools {
        Some(tools) => tools
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        None => "as the plan".to_owned(),
    };
    let about = output::pairs([
        ["id".to_owned(), license.id.to_string()],
        ["name".to_owned(), license.name.clone()],
        ["plan".to_owned(), license.plan.to_string()],
        [
            "status".to_owned(),
            Standing::of(&license, now).as_str().to_owned(),
        ],
        ["tools".to_owned(), tools],
        ["limits".to_owned(), limit::in_words(&allowance, &license)],
        ["issued".to_owned(), minute(license.created)],
        ["expires".to_owned(), until(license.expires)],
    ]);
    let keys = output::table(
        ["key", "issued", "expires"],
        keys.iter()
            .map(|key| [key.hint.clone(), minute(key.created), until(key.expires)]),
    );
    desk.output
        .show(&machine, format_args!("{about}\n\n{keys}"));
    Ok(())
}
