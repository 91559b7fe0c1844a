//! `wicketgate key destroy`: ends a key that nothing needs any more.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{failure::Failure, open::Desk},
    crypto::MasterKeyId,
    ids::DataKeyId,
    store::{DataKeyState, Destruction},
};

/// Wipe a retired data key, or forget a master key; refuses while anything needs it
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// The id of a retired data key (`dek_…`), or the name of a master key
    key: String,
    /// Yes: what only an old backup still holds under it can then never be opened
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: DestroyArgs) -> Result<(), Failure> {
    if !args.yes {
        return Err(Failure::failed(format_args!(
            "backups from before its retirement need `{}`; nothing was done",
            args.key
        ))
        .fix("say --yes when no such backup will be restored"));
    }
    let opened = desk.open().await?;
    if let Ok(id) = args.key.parse::<DataKeyId>() {
        let done = opened.store.destroy_data_key(id, &desk.stamp()).await?;
        return data_key(desk, id, done);
    }
    let name: MasterKeyId = args.key.parse().map_err(|_| {
        Failure::failed("that is neither the id of a data key nor a master key's name").fix(STATUS)
    })?;
    let configured = opened.loaded.config.keys.iter();
    if configured.map(|key| &key.id).any(|id| id == name.as_str()) {
        return Err(Failure::failed(format_args!("master key {name} is configured")).fix(
            "remove it from `keys:` here and at every gateway, and let them start with that first",
        ));
    }
    let stamp = desk.stamp();
    let done = opened
        .store
        .forget_master_key(name.as_str(), &stamp)
        .await?;
    master_key(desk, &name, done)
}

const STATUS: &str = "see `wicketgate key status`";

fn data_key(desk: &Desk, id: DataKeyId, done: Destruction) -> Result<(), Failure> {
    match done {
        Destruction::Destroyed => {
            desk.output.show(
                &json!({ "id": id, "destroyed": true }),
                format_args!("{id} is destroyed; what an old backup holds under it stays sealed"),
            );
            Ok(())
        }
        Destruction::NotFound => {
            Err(Failure::failed(format_args!("there is no data key {id}")).fix(STATUS))
        }
        Destruction::NotRetired(DataKeyState::Destroyed) => {
            Err(Failure::failed(format_args!("{id} is destroyed already")))
        }
        Destruction::NotRetired(state) => Err(Failure::failed(format_args!(
            "{id} is in use: its state is {}",
            state.as_str()
        ))
        .fix("retire it first: wicketgate key rotate --tenant TENANT")),
        Destruction::Needed { rows } => Err(Failure::failed(format_args!(
            "{rows} rows are still sealed under {id}"
        ))
        .fix("seal them anew first: wicketgate key rotate --all")),
    }
}

fn master_key(desk: &Desk, name: &MasterKeyId, done: Destruction) -> Result<(), Failure> {
    match done {
        Destruction::Destroyed => {
            desk.output.show(
                &json!({ "id": name.as_str(), "destroyed": true }),
                format_args!(
                    "{name} is forgotten here; the key itself may now be deleted where it is kept"
                ),
            );
            Ok(())
        }
        Destruction::NotFound | Destruction::NotRetired(_) => Err(Failure::failed(format_args!(
            "this database knows no master key {name}"
        ))
        .fix(STATUS)),
        Destruction::Needed { rows } => Err(Failure::failed(format_args!(
            "{rows} keys and secrets are still wrapped under {name}"
        ))
        .fix("name it in `keys:` again, behind the active one, and run `wicketgate key rewrap`")),
    }
}
