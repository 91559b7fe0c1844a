//! `wicketgate session revoke|revoke-all`: ends connections. A running gateway refuses their tokens
//! and closes their streams within a second or two.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{failure::Failure, license::select, open::Desk},
    ids::SessionId,
};

/// What ended them, in the list and in the audit trail.
const BY: &str = "operator";

/// End one session; its tokens are refused within a second or two
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Its id
    session: SessionId,
}

/// End every session of a license, or of everyone
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RevokeAllArgs {
    /// Of this license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// Of all licenses
    #[arg(long)]
    everyone: bool,
}

/// One.
pub async fn revoke(desk: &Desk, args: &RevokeArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let ended = opened
        .store
        .end_session(args.session, BY, &desk.stamp())
        .await?;
    if !ended && opened.store.session(args.session).await?.is_none() {
        return Err(
            Failure::failed(format_args!("there is no session {}", args.session))
                .fix("wicketgate session list"),
        );
    }
    desk.output.show(
        &json!({ "id": args.session, "ended": ended }),
        if ended {
            format!("{} is ended", args.session)
        } else {
            format!("{} had ended already", args.session)
        },
    );
    Ok(())
}

/// All.
pub async fn revoke_all(desk: &Desk, args: RevokeAllArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let license = match &args.license {
        Some(wanted) => Some(select::find(&opened.store, wanted).await?),
        None => None,
    };
    let id = license.as_ref().map(|license| license.id);
    let ended = opened.store.end_sessions(id, BY, &desk.stamp()).await?;
    let whose = match &license {
        Some(license) => format!("{} ({})", license.id, license.name),
        None => "everyone".to_owned(),
    };
    desk.output.show(
        &json!({ "license": id, "ended": ended }),
        format!("{ended} sessions of {whose} are ended"),
    );
    Ok(())
}
