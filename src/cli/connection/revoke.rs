//! `wicketgate connection revoke`: an account is forgotten, and its provider told.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        failure::Failure,
        license::select,
        open::{ACTOR, Desk},
    },
    config::{Config, provider::Revocation},
    names::{Label, UpstreamName},
    store::{Removal, Tenant},
};

/// Forget a connected account at once, and queue its end at the provider
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Whose: the license's id, the beginning of its id, or its name
    license: String,
    /// At which upstream
    upstream: UpstreamName,
    /// Which of several
    #[arg(long, default_value = "default")]
    label: Label,
}

/// What becomes of the grant at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtProvider {
    /// A running gateway ends it there.
    Queued,
    /// Only the account's owner can.
    OwnersAct,
    /// The upstream is not in the configuration, so nobody knows whom to tell.
    Unknown,
}

impl AtProvider {
    fn of(config: &Config, upstream: &UpstreamName) -> Self {
        let upstream = config.upstreams.get(upstream);
        let rest = upstream.and_then(|upstream| upstream.rest.as_ref());
        let credential = rest.and_then(|rest| rest.credential.as_ref());
        let account = credential.and_then(|credential| credential.account.as_ref());
        let provider = account.and_then(|account| config.provider(&account.provider).ok());
        match provider.map(|provider| provider.revocation) {
            Some(Revocation::None) => Self::OwnersAct,
            Some(_) => Self::Queued,
            None => Self::Unknown,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::OwnersAct => "not_offered",
            Self::Unknown => "unknown",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Queued => "a running gateway ends it at the provider as soon as that listens",
            Self::OwnersAct => {
                "its provider has no way of being told: the account's owner ends it in the settings there"
            }
            Self::Unknown => {
                "the upstream connects no accounts any more: its provider is not told by us"
            }
        }
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, args: RevokeArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let license = select::find(&opened.store, &args.license).await?;
    let tenant = Tenant::License(license.id);
    let (upstream, label) = (&args.upstream, &args.label);
    let known = opened.vault.list_of(tenant).await?;
    match opened.vault.delete(tenant, upstream, label, ACTOR).await? {
        Removal::Removed => {
            let provider = AtProvider::of(&opened.loaded.config, upstream);
            desk.output.show(
                &json!({ "license": license.id, "upstream": upstream, "label": label,
                    "deleted": true, "provider": provider.as_str() }),
                format_args!(
                    "forgot the account {label} of {} ({}) at {upstream}; {}",
                    license.id,
                    license.name,
                    provider.text()
                ),
            );
            Ok(())
        }
        Removal::NotFound => {
            let there: Vec<_> = known
                .iter()
                .map(|info| format!("{} {}", info.upstream, info.label))
                .collect();
            let failure = Failure::failed(format_args!(
                "{} has no account {label} at {upstream}",
                license.id
            ));
            Err(failure.fix(if there.is_empty() {
                "it has none at all; see `wicketgate connection list`".to_owned()
            } else {
                format!("it has: {}", there.join(", "))
            }))
        }
    }
}
