//! `wicketgate credential delete`: a stored secret is forgotten. Connected accounts are not its business.

use clap::Args;
use serde_json::json;

use super::{is_connected, tenant};
use crate::{
    cli::{
        failure::Failure,
        open::{ACTOR, Desk},
    },
    names::{Label, UpstreamName},
    store::{CredentialKind, Removal, Tenant},
};

/// Delete an upstream's credential
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The upstream
    upstream: UpstreamName,
    /// The one of this license alone: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: DeleteArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let (upstream, label) = (&args.upstream, Label::default_label());
    let tenant = tenant(&opened.store, args.license.as_deref()).await?;
    let known = opened.vault.list_of(tenant).await?;
    let there = known
        .iter()
        .find(|info| info.upstream == *upstream && info.label == label);
    if let Some(info) = there.filter(|info| info.kind == CredentialKind::Grant) {
        return Err(is_connected(info));
    }
    let whose = match tenant {
        Tenant::Operator => String::new(),
        Tenant::License(id) => format!(" of {id}"),
    };
    match (opened.vault.delete(tenant, upstream, &label, ACTOR)).await? {
        Removal::Removed => {
            desk.output.show(
                &json!({ "upstream": upstream, "owner": tenant.to_string(), "deleted": true }),
                format_args!("deleted the credential{whose} for {upstream}"),
            );
            Ok(())
        }
        Removal::NotFound => Err(Failure::failed(format_args!(
            "no credential{whose} is stored for `{upstream}`"
        ))
        .fix("see `wicketgate credential list`")),
    }
}
