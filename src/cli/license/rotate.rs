//! `wicketgate license rotate`: a new key; the old ones end after an overlap.

use clap::Args;

use super::{
    expiry::minute,
    handover::{Handover, key_record},
    recipes::Connector,
    select, view,
};
use crate::{
    cli::{failure::Failure, open::Desk},
    config::Span,
    crypto::LicenseKey,
    store::KeyChange,
};

/// Give a license a new key: prints it, once; the old ones end after the overlap
///
/// Connections that clients hold go on, unless the overlap is `0s`: then they end with the old keys.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
    /// How long the old keys still work; `0s` when one leaked
    #[arg(long, default_value = "24h", value_name = "SPAN")]
    overlap: Span,
    #[command(flatten)]
    handover: Handover,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: RotateArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let license = select::find(&opened.store, &args.license).await?;
    let now = desk.clock.now();
    let old_until = now.plus(args.overlap.duration());
    let key = LicenseKey::generate(&*desk.entropy);
    args.handover.prepare(&key)?;
    let record = key_record(&key, opened.vault.pepper(), now);
    let added = opened
        .store
        .add_key(license.id, &record, Some(old_until), &desk.stamp())
        .await;
    let mut ended = 0;
    let refused = match added {
        Ok(KeyChange::Added { ended: count, .. }) => {
            ended = count;
            None
        }
        Ok(KeyChange::Final) => Some(
            Failure::failed(format_args!("{} is revoked, which is final", license.id))
                .fix("issue a new license"),
        ),
        Ok(KeyChange::NotFound) => Some(select::unknown(&args.license)),
        Err(error) => Some(error.into()),
    };
    if let Some(failure) = refused {
        args.handover.take_back();
        return Err(failure);
    }

    let config = &opened.loaded.config;
    let (url, connector) = (config.connector_url(), Connector::of(config));
    let mut machine = view::to_json(&license, now);
    let (name, value) = args.handover.json(&key);
    machine[name] = value;
    machine["connector_url"] = url.as_str().into();
    machine["old_keys_end"] = old_until.to_string().into();
    machine["sessions_ended"] = ended.into();
    let sessions = if args.overlap.duration().is_zero() {
        format!("{ended} ended")
    } else {
        format!(
            "go on; to end them: wicketgate session revoke-all --license {}",
            license.id
        )
    };
    let human = format!(
        "license       {} ({})\nold keys end  {} UTC\nsessions      {sessions}\n{}",
        license.id,
        license.name,
        minute(old_until),
        args.handover.text(&key, &connector),
    );
    desk.output.show(&machine, human);
    Ok(())
}
