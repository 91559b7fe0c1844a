//! `wicketgate connection list`: which accounts are connected, and with what they may be used.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        failure::Failure,
        license::{expiry::minute, select},
        open::Desk,
        output,
    },
    names::{ScopeName, UpstreamName},
    store::{CredentialInfo, CredentialKind, Tenant},
};

/// List connected accounts; never their tokens
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// Only at this upstream
    #[arg(long)]
    upstream: Option<UpstreamName>,
}

/// Whose account it is.
pub(super) fn owner(info: &CredentialInfo) -> String {
    match info.tenant {
        Tenant::Operator => "operator".to_owned(),
        Tenant::License(id) => id.to_string(),
    }
}

fn to_json(info: &CredentialInfo) -> Value {
    json!({
        "license": owner(info),
        "upstream": info.upstream,
        "label": info.label,
        "state": info.state.as_str(),
        "scopes": info.scopes,
        "shortfalls": info.shortfalls,
        "token_expires": info.expires.map(|at| at.to_string()),
        "created": info.created.to_string(),
        "updated": info.updated.to_string(),
    })
}

/// The list.
pub async fn run(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let mut found = match &args.license {
        Some(wanted) => {
            let license = select::find(&opened.store, wanted).await?;
            opened.vault.list_of(Tenant::License(license.id)).await?
        }
        None => opened.vault.list().await?,
    };
    found.retain(|info| {
        let here = args.upstream.as_ref().is_none_or(|it| *it == info.upstream);
        info.kind == CredentialKind::Grant && here
    });
    let machine: Vec<_> = found.iter().map(to_json).collect();
    let rows = found.iter().map(|info| {
        let scopes: Vec<_> = info.scopes.iter().map(ScopeName::as_str).collect();
        [
            owner(info),
            info.upstream.to_string(),
            info.label.to_string(),
            info.state.as_str().replace('_', " "),
            minute(info.created),
            minute(info.updated),
            scopes.join(" "),
        ]
    });
    let head = [
        "license",
        "upstream",
        "label",
        "state",
        "connected",
        "changed",
        "scopes",
    ];
    desk.output.show(&machine, output::table(head, rows));
    if found.is_empty() {
        desk.output
            .note("no connected accounts; customers connect their own from a tool's first call");
    }
    Ok(())
}
