//! `wicketgate key rewrap`: everything that an older master key wraps comes under the active one.

use clap::Args;
use serde_json::json;

use super::{faults, progress::Speaker};
use crate::cli::{
    failure::Failure,
    open::{ACTOR, Desk},
};

/// Wrap all data keys under the first key of `keys:`; gateways go on meanwhile
///
/// Needs the old and the new master key in `keys:`, here and at every gateway. Can be stopped and
/// run again at any time. Afterwards the old one can leave `keys:`, and `key destroy` forgets it.
#[derive(Debug, Args)]
pub struct RewrapArgs {}

/// Runs the command.
pub async fn run(desk: &Desk, _: RewrapArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let speaker = Speaker::new(desk);
    let done = opened
        .vault
        .rewrap(ACTOR, &|progress| speaker.hear(progress))
        .await?;
    let active = opened.vault.active_master_key().to_string();
    desk.output.show(
        &json!({ "master_key": active, "root_secrets": done.root_secrets,
            "data_keys": done.data_keys, "faults": faults::machine(&done.faults) }),
        format_args!(
            "{}wrapped {} data keys and {} root secrets under {active}",
            faults::table(&done.faults),
            done.data_keys,
            done.root_secrets,
        ),
    );
    faults::outcome(&done.faults)?;
    desk.output.note(
        "when every gateway runs with the new key, remove the old one from `keys:` and run \
         `wicketgate key destroy`",
    );
    Ok(())
}
