//! `wicketgate key rotate`: new data keys, and everything that the old ones sealed under them.

use clap::Args;
use serde_json::{Value, json};

use super::{faults, progress::Speaker};
use crate::{
    cli::{
        failure::Failure,
        license::select,
        open::{ACTOR, Desk, Opened},
        output,
    },
    store::{Fence, Tenant},
    vault::{Emergency, Rotated},
};

/// Give tenants a new data key and seal all they have under it; gateways go on meanwhile
///
/// Can be stopped and run again at any time: a rotation that was not finished is finished. The old
/// keys are retired when nothing is sealed under them; `key destroy` ends them.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// Somebody may know its secrets: also disconnect its accounts and tell their providers
    #[arg(long, conflicts_with = "all")]
    emergency: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// Of one: `operator`, or a license by its id, the beginning of its id, or its name
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Of the operator and all licenses
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: RotateArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let speaker = Speaker::new(desk);
    let watch = |progress| speaker.hear(progress);
    let Some(tenant) = &args.whose.tenant else {
        let rotated = opened.vault.rotate(Fence::Whole, ACTOR, &watch).await?;
        desk.output.show(&machine(&rotated), human(&rotated));
        return faults::outcome(&rotated.faults);
    };
    let tenant = tenant_of(&opened, tenant).await?;
    if args.emergency {
        let done = opened.vault.rotate_in_emergency(tenant, ACTOR, &watch);
        let done = done.await?;
        report(desk, &done);
        return faults::outcome(&done.rotated.faults);
    }
    let whose = Fence::Of(tenant);
    let rotated = opened.vault.rotate(whose, ACTOR, &watch).await?;
    desk.output.show(&machine(&rotated), human(&rotated));
    if rotated.begun + rotated.resumed == 0 {
        desk.output
            .note(format_args!("{tenant} has no data key yet: nothing to do"));
    }
    faults::outcome(&rotated.faults)
}

async fn tenant_of(opened: &Opened, text: &str) -> Result<Tenant, Failure> {
    if text == "operator" {
        return Ok(Tenant::Operator);
    }
    let license = select::find(&opened.store, text).await?;
    Ok(Tenant::License(license.id))
}

fn machine(rotated: &Rotated) -> Value {
    json!({ "begun": rotated.begun, "resumed": rotated.resumed, "resealed": rotated.resealed,
        "verified": rotated.verified, "retired": rotated.retired,
        "faults": faults::machine(&rotated.faults) })
}

fn human(rotated: &Rotated) -> String {
    let resumed = match rotated.resumed {
        0 => String::new(),
        count => format!(", finished {count} begun before"),
    };
    format!(
        "{}rotated {} data keys{resumed}; sealed {} rows anew, opened {}, retired {} old keys",
        faults::table(&rotated.faults),
        rotated.begun,
        rotated.resealed,
        rotated.verified,
        rotated.retired.len(),
    )
}

fn report(desk: &Desk, done: &Emergency) {
    let accounts = done.disconnected.iter().map(|account| {
        json!({ "upstream": account.upstream, "label": account.label,
            "revocation": account.revocation })
    });
    let accounts: Vec<_> = accounts.collect();
    let to_replace = done.to_replace.iter();
    let to_replace: Vec<_> = to_replace
        .map(|info| json!({ "upstream": info.upstream, "label": info.label }))
        .collect();
    let mut machine = machine(&done.rotated);
    machine["disconnected"] = json!(accounts);
    machine["to_replace"] = json!(to_replace);
    let mut lines = human(&done.rotated);
    let rows = done.disconnected.iter().map(|account| {
        let told = match account.revocation {
            Some(id) => format!("its provider is told ({id})"),
            None => "no token to tell its provider about".to_owned(),
        };
        let (upstream, label) = (account.upstream.to_string(), account.label.to_string());
        [upstream, label, format!("disconnected; {told}")]
    });
    let kept = done.to_replace.iter().map(|info| {
        let (upstream, label) = (info.upstream.to_string(), info.label.to_string());
        let what = "replace it where it was issued, then store the new one";
        [upstream, label, what.to_owned()]
    });
    let rows: Vec<_> = rows.chain(kept).collect();
    if !rows.is_empty() {
        lines.push('\n');
        lines.push_str(&output::table(["upstream", "label", "what happens"], rows));
    }
    desk.output.show(&machine, lines);
}
