//! `wicketgate client …`: OAuth clients that are kept here. Those that name themselves by an address
//! need no entry.

pub mod add;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{failure::Failure, license::expiry::minute, open::Desk, output};
use crate::{
    grant::ClientId,
    store::{ClientRecord, Store},
};

/// Most clients in one list.
const MOST: u32 = 10_000;

/// Add, list and remove OAuth clients
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    Add(add::AddArgs),
    List(ListArgs),
    Remove(RemoveArgs),
}

/// List OAuth clients, newest last; those that registered themselves too
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Remove an OAuth client; its connections end
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Its id, or its name when only one client has it
    client: String,
}

/// Runs the command.
pub async fn run(desk: &Desk, command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::Add(args) => add::run(desk, args).await,
        ClientCommand::List(_) => list(desk).await,
        ClientCommand::Remove(args) => remove(desk, args).await,
    }
}

/// A client as `--json` shows it.
fn to_json(client: &ClientRecord) -> Value {
    json!({
        "id": client.id,
        "name": client.name,
        "kind": client.kind,
        "auth": client.auth,
        "redirect_uris": client.redirect_uris,
        "secret_hint": client.secret_hint,
        "jwks_uri": client.jwks_uri,
        "created": client.created.to_string(),
        "used": client.used.map(|at| at.to_string()),
    })
}

async fn list(desk: &Desk) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let clients = opened.store.clients(None, MOST).await?;
    let machine: Vec<_> = clients.iter().map(to_json).collect();
    let rows = clients.iter().map(|client| {
        [
            client.id.to_string(),
            client.name.clone(),
            client.kind.as_str().to_owned(),
            client.auth.as_str().to_owned(),
            minute(client.created),
            client.used.map_or_else(|| "never".to_owned(), minute),
        ]
    });
    let table = output::table(["id", "name", "kind", "auth", "created", "used"], rows);
    desk.output.show(&machine, table);
    if clients.is_empty() {
        desk.output.note("no clients yet; most register themselves");
    }
    Ok(())
}

async fn remove(desk: &Desk, args: RemoveArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let client = find(&opened.store, &args.client).await?;
    let removed = opened
        .store
        .remove_client(&client.id, &desk.stamp())
        .await?;
    let ended = removed.ok_or_else(|| unknown(&args.client))?;
    let connections = if ended == 1 {
        "connection"
    } else {
        "connections"
    };
    desk.output.show(
        &json!({ "id": client.id, "name": client.name, "removed": true, "sessions_ended": ended }),
        format_args!(
            "removed {} ({}); {ended} {connections} ended",
            client.id, client.name
        ),
    );
    Ok(())
}

/// The one client that a text means.
async fn find(store: &Store, text: &str) -> Result<ClientRecord, Failure> {
    if let Ok(id) = text.parse::<ClientId>() {
        return store.client(&id).await?.ok_or_else(|| unknown(text));
    }
    let all = store.clients(None, MOST).await?;
    let mut named = all.into_iter().filter(|client| client.name == text);
    match (named.next(), named.next()) {
        (Some(client), None) => Ok(client),
        (Some(_), Some(_)) => Err(Failure::failed("several clients have this name")
            .fix("write the id; see `wicketgate client list`")),
        (None, _) => Err(unknown(text)),
    }
}

fn unknown(text: &str) -> Failure {
    // Somebody may have pasted the secret instead of the id: it is not repeated.
    let message = if text.starts_with("wgs_") {
        "that is a client secret, not a client id".to_owned()
    } else {
        format!("no client `{text}`")
    };
    Failure::failed(message).fix("see `wicketgate client list`")
}
