//! `wicketgate session list`: who is connected. Never a token.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        failure::Failure,
        license::{expiry::minute, select},
        open::Desk,
        output,
    },
    clock::Timestamp,
    store::{SessionFilter, SessionRecord},
};

/// Most sessions in one list.
const MOST: usize = 10_000;

/// List sessions, newest last
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// Also those that ended in the last 30 days
    #[arg(long)]
    all: bool,
}

/// A session as `--json` shows it.
pub fn to_json(session: &SessionRecord, now: Timestamp) -> Value {
    json!({
        "id": session.id,
        "license": session.license,
        "kind": session.kind,
        "client": session.client,
        "client_name": session.client_name,
        "scope": session.scope,
        "binding": session.binding,
        "calls": session.calls,
        "status": status(session, now),
        "created": session.created.to_string(),
        "seen": session.seen.map(|at| at.to_string()),
        "expires": session.expires.to_string(),
        "ended": session.ended.as_ref().map(|(at, _)| at.to_string()),
        "ended_by": session.ended.as_ref().map(|(_, by)| by),
    })
}

/// `live`, `expired`, or what ended it.
fn status(session: &SessionRecord, now: Timestamp) -> &str {
    match &session.ended {
        Some((_, by)) => by,
        None if session.is_live(now) => "live",
        None => "expired",
    }
}

/// The list.
pub async fn run(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let now = desk.clock.now();
    let license = match &args.license {
        Some(wanted) => Some(select::find(&opened.store, wanted).await?.id),
        None => None,
    };
    let mut filter = SessionFilter {
        license,
        live_at: (!args.all).then_some(now),
        ..SessionFilter::default()
    };
    let mut sessions = Vec::new();
    loop {
        let page = opened.store.sessions(&filter).await?;
        filter.after = page.last().map(|session| session.id);
        sessions.extend(page);
        if filter.after.is_none() || sessions.len() >= MOST {
            break;
        }
    }
    let machine: Vec<_> = sessions
        .iter()
        .map(|session| to_json(session, now))
        .collect();
    let rows = sessions.iter().map(|session| {
        [
            session.id.to_string(),
            session.license.to_string(),
            session.client_name.clone(),
            status(session, now).to_owned(),
            minute(session.created),
            session.seen.map_or_else(|| "never".to_owned(), minute),
            session.calls.to_string(),
        ]
    });
    let head = [
        "id",
        "license",
        "client",
        "status",
        "began",
        "last used",
        "calls",
    ];
    desk.output.show(&machine, output::table(head, rows));
    if sessions.is_empty() {
        desk.output.note(if args.all {
            "no sessions"
        } else {
            "no live sessions; --all shows ended ones too"
        });
    }
    Ok(())
}
