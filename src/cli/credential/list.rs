//! `wicketgate credential list`: what is stored, for whom. Never the credentials.

use clap::Args;
use serde_json::json;

use crate::cli::{failure::Failure, license::expiry::minute, open::Desk, output};

/// List which upstreams have a credential; never the credentials
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs the command.
pub async fn run(desk: &Desk) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let stored = opened.vault.list().await?;
    let machine: Vec<_> = stored
        .iter()
        .map(|info| {
            json!({
                "upstream": info.upstream,
                "owner": info.tenant.to_string(),
                "kind": info.kind.as_str(),
                "label": info.label,
                "state": info.state.as_str(),
                "generation": info.generation,
                "created": info.created.to_string(),
                "updated": info.updated.to_string(),
            })
        })
        .collect();
    let rows = stored.iter().map(|info| {
        [
            info.upstream.to_string(),
            info.tenant.to_string(),
            info.kind.as_str().to_owned(),
            info.label.to_string(),
            info.state.as_str().replace('_', " "),
            info.generation.to_string(),
            minute(info.created),
            minute(info.updated),
        ]
    });
    let head = [
        "upstream",
        "owner",
        "kind",
        "label",
        "state",
        "generation",
        "stored",
        "updated",
    ];
    desk.output.show(&machine, output::table(head, rows));
    if stored.is_empty() {
        desk.output
            .note("no credentials yet; store one with `wicketgate credential set UPSTREAM`");
    }
    Ok(())
}
