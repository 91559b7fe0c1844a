//! `wicketgate credential …`: upstream secrets in the store. They go in sealed and never come out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    failure::Failure,
    license::expiry::minute,
    open::{ACTOR, Desk},
    output, typed,
};
use crate::{
    config::Config,
    names::{Label, UpstreamName},
    store::{Removal, Tenant},
};

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

async fn set(desk: &Desk, args: SetArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    wants_stored(&opened.loaded.config, &args.upstream)?;
    let prompt = format!("Credential for {}", args.upstream);
    let secret = typed::read_secret(args.file.as_deref(), &prompt)?;
    let info = opened
        .vault
        .put(Tenant::Operator, &args.upstream, &secret, ACTOR)
        .await?;
    desk.output.show(
        &json!({ "upstream": info.upstream, "generation": info.generation }),
        format_args!(
            "stored the credential of {}, sealed; a running gateway uses it from the next call on",
            info.upstream
        ),
    );
    Ok(())
}

/// Is there such an upstream, and does it look into the credential store?
fn wants_stored(config: &Config, name: &UpstreamName) -> Result<(), Failure> {
    let Some(upstream) = config.upstreams.get(name) else {
        let names: Vec<_> = config.upstreams.keys().map(UpstreamName::as_str).collect();
        return Err(
            Failure::failed(format_args!("no upstream `{name}` in the configuration"))
                .fix(format_args!("there are: {}", names.join(", "))),
        );
    };
    let credential = upstream
        .rest
        .as_ref()
        .and_then(|rest| rest.credential.as_ref());
    let place = format!("upstreams.{name}.rest.credential");
    match credential {
        None => Err(
            Failure::failed(format_args!("upstream `{name}` wants no credential")).fix(
                format_args!("say how it wants it: `{place}: {{ header: X-Api-Key }}`"),
            ),
        ),
        Some(credential) if credential.value.is_some() => Err(Failure::failed(format_args!(
            "the configuration says where the credential of `{name}` is"
        ))
        .fix(format_args!(
            "remove `{place}.value` to keep it in the credential store"
        ))),
        Some(_) => Ok(()),
    }
}

async fn list(desk: &Desk) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let stored = opened.vault.list().await?;
    let owner = |tenant: Tenant| match tenant {
        Tenant::Operator => "operator".to_owned(),
        Tenant::License(id) => id.to_string(),
    };
    let machine: Vec<_> = stored
        .iter()
        .map(|info| {
            json!({
                "upstream": info.upstream,
                "owner": owner(info.tenant),
                "generation": info.generation,
                "created": info.created.to_string(),
                "updated": info.updated.to_string(),
            })
        })
        .collect();
    let rows = stored.iter().map(|info| {
        [
            info.upstream.to_string(),
            owner(info.tenant),
            info.generation.to_string(),
            minute(info.created),
            minute(info.updated),
        ]
    });
    let table = output::table(
        ["upstream", "owner", "generation", "stored", "changed"],
        rows,
    );
    desk.output.show(&machine, table);
    if stored.is_empty() {
        desk.output
            .note("no credentials yet; store one with `wicketgate credential set UPSTREAM`");
    }
    Ok(())
}

async fn delete(desk: &Desk, args: DeleteArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    match opened
        .vault
        .delete(
            Tenant::Operator,
            &args.upstream,
            &Label::default_label(),
            ACTOR,
        )
        .await?
    {
        Removal::Removed => {
            desk.output.show(
                &json!({ "upstream": args.upstream, "deleted": true }),
                format_args!("deleted the credential of {}", args.upstream),
            );
            Ok(())
        }
        Removal::NotFound => Err(Failure::failed(format_args!(
            "no credential is stored for `{}`",
            args.upstream
        ))
        .fix("see `wicketgate credential list`")),
    }
}
