//! `wicketgate credential set`: a secret is tried for its shape, sealed and stored. Never sent anywhere.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{is_connected, tenant};
use crate::{
    cli::{
        failure::Failure,
        open::{ACTOR, Desk},
        typed,
    },
    config::{Config, CredentialConfig},
    names::{Label, UpstreamName},
    secret::SecretString,
    store::{CredentialKind, Tenant},
    upstream::credential::{Given, Kind},
};

/// Store an upstream's credential, read from standard input, a file, or a prompt without an echo
#[derive(Debug, Args)]
pub struct SetArgs {
    /// An upstream of the configuration
    upstream: UpstreamName,
    /// For this license alone: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// Read the secret from this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: SetArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let config = &opened.loaded.config;
    let credential = wants_stored(config, &args.upstream)?;
    let client = desk.configured(config, &args.upstream)?.client;
    let tenant = tenant(&opened.store, args.license.as_deref()).await?;
    let label = Label::default_label();
    let known = opened.vault.list_of(tenant).await?;
    let granted = known.iter().find(|info| {
        info.upstream == args.upstream && info.label == label && info.kind == CredentialKind::Grant
    });
    if let Some(info) = granted {
        return Err(is_connected(info));
    }
    let prompt = format!("Credential for {}", args.upstream);
    let secret = typed::read_secret(args.file.as_deref(), &prompt)?;
    usable(desk, &args.upstream, credential, client.as_ref(), &secret)?;
    let stored = opened.vault.put(tenant, &args.upstream, &secret, ACTOR);
    let info = stored.await?;
    let owner = match tenant {
        Tenant::Operator => String::new(),
        Tenant::License(id) => format!(" for {id} alone"),
    };
    desk.output.show(
        &json!({ "upstream": info.upstream, "owner": info.tenant.to_string(),
            "generation": info.generation }),
        format_args!(
            "stored the credential of {}{owner}, sealed; a running gateway uses it from the next call on",
            info.upstream
        ),
    );
    Ok(())
}

/// The credential of such an upstream, when it looks into the credential store.
fn wants_stored<'a>(
    config: &'a Config,
    name: &UpstreamName,
) -> Result<&'a CredentialConfig, Failure> {
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
        Some(credential) if credential.account.is_some() => Err(Failure::failed(format_args!(
            "each license connects its own account to `{name}`: no credential is stored for it"
        ))
        .fix(
            "customers connect theirs from a tool's first call; `wicketgate connection list` shows them",
        )),
        Some(credential) if credential.value.is_some() => Err(Failure::failed(format_args!(
            "the configuration says where the credential of `{name}` is"
        ))
        .fix(format_args!(
            "remove `{place}.value` to keep it in the credential store"
        ))),
        Some(credential) => Ok(credential),
    }
}

/// Tries what is about to be stored as a call would use it, short of sending.
fn usable(
    desk: &Desk,
    name: &UpstreamName,
    config: &CredentialConfig,
    client_secret: Option<&SecretString>,
    secret: &SecretString,
) -> Result<(), Failure> {
    let kind = Kind::from_config(&Given {
        config,
        client_secret,
        provider_header: None,
    });
    let kind = kind.map_err(|fault| {
        Failure::bad_configuration(format_args!("upstreams.{name}.rest.{fault}"))
    })?;
    kind.try_secret(secret, desk.clock.now()).map_err(|fault| {
        let wanted = wanted(config);
        Failure::failed(format_args!("nothing was stored for `{name}`: {fault}"))
            .fix(format_args!("{name} wants {wanted}"))
    })
}

/// What the secret of this kind is.
const fn wanted(config: &CredentialConfig) -> &'static str {
    if config.service_account.is_some() {
        "the JSON key file of the service account, whole: name it with --file"
    } else if config.sigv4.is_some() {
        "the secret access key that belongs to `access_key_id`"
    } else if config.client_credentials.is_some() {
        "the client's secret at the token endpoint"
    } else if config.login_with_amazon.is_some() {
        "the refresh token from Login with Amazon"
    } else {
        "the secret alone, without anything before or behind it"
    }
}
