//! `wicketgate key status`: which keys there are, whether they are the right ones, and what is under
//! them. Works also where a gateway would not start.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{failure::Failure, license::expiry::minute, open::Desk, output},
    clock::Timestamp,
    store::{DataKeyState, RowSecurity},
    vault::{Canary, Inventory, MasterKeyUse, inventory},
};

/// A key older than this is worth a rotation.
const OLD: Duration = Duration::from_hours(365 * 24);

/// Show master keys, data keys, and what is still under old ones; warns about old keys
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Runs the command.
pub async fn run(desk: &Desk, _: StatusArgs) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let keyring = desk.keyring(&loaded.config)?;
    let store = desk.prepared(&loaded).await?;
    let found = inventory(&store, &keyring).await?;
    let fence = store.row_security().await?;
    let warnings = warnings(&found, desk.clock.now());
    desk.output
        .show(&machine(&found, fence, &warnings), human(&found, fence));
    for warning in &warnings {
        desk.output.note(format_args!("warning: {warning}"));
    }
    let wrong = found.master_keys.iter();
    let wrong = wrong.filter(|key| key.canary == Canary::Wrong);
    match wrong.map(|key| key.id.as_str()).collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        ids => Err(Failure::failed(format_args!(
            "master key {} is not the key that sealed this database",
            ids.join(", ")
        ))
        .fix("restore the key that belongs to this database, and name it in `keys:`")),
    }
}

const fn word(canary: Canary) -> &'static str {
    match canary {
        Canary::Opens => "ok",
        Canary::Wrong => "wrong",
        Canary::Missing => "new",
        Canary::NotConfigured => "not configured",
        Canary::Unavailable => "unavailable",
    }
}

fn machine(found: &Inventory, fence: RowSecurity, warnings: &[String]) -> Value {
    let keys = found.master_keys.iter().map(|key| {
        json!({ "id": key.id, "kind": key.kind, "active": key.active, "canary": word(key.canary),
            "since": key.since.map(|at| at.to_string()), "root_secrets": key.root_secrets,
            "data_keys": key.data_keys })
    });
    let states = found.counts.states.iter().map(|of| {
        json!({ "state": of.state.as_str(), "keys": of.keys, "tenants": of.tenants,
            "oldest": of.oldest.to_string() })
    });
    json!({ "master_keys": keys.collect::<Vec<_>>(), "data_keys": states.collect::<Vec<_>>(),
        "outdated": { "credentials": found.counts.outdated_credentials,
            "revocations": found.counts.outdated_revocations },
        "sealed_since": found.sealed_since.map(|at| at.to_string()),
        "row_security": fence.as_str(), "warnings": warnings })
}

fn human(found: &Inventory, fence: RowSecurity) -> String {
    let keys = found.master_keys.iter().map(|key| {
        [
            key.id.clone(),
            key.kind.unwrap_or("-").to_owned(),
            if key.active { "yes" } else { "no" }.to_owned(),
            word(key.canary).to_owned(),
            key.root_secrets.to_string(),
            key.data_keys.to_string(),
            key.since.map_or_else(|| "-".to_owned(), minute),
        ]
    });
    let head = [
        "master key",
        "kind",
        "active",
        "canary",
        "root secrets",
        "data keys",
        "since",
    ];
    let mut text = output::table(head, keys);
    text.push_str("\n\n");
    let states = found.counts.states.iter().map(|of| {
        [
            of.state.as_str().to_owned(),
            of.keys.to_string(),
            of.tenants.to_string(),
            minute(of.oldest),
        ]
    });
    text.push_str(&output::table(
        ["data keys", "keys", "tenants", "oldest"],
        states,
    ));
    text.push_str("\n\n");
    let since = found.sealed_since.map_or_else(|| "no".to_owned(), minute);
    text.push_str(&output::pairs([
        [
            "credentials not under an active key".to_owned(),
            found.counts.outdated_credentials.to_string(),
        ],
        [
            "revocations not under an active key".to_owned(),
            found.counts.outdated_revocations.to_string(),
        ],
        ["sealed since".to_owned(), since],
        [
            "row security of the database".to_owned(),
            fence.as_str().replace('_', " "),
        ],
    ]));
    text
}

/// What is worth doing.
fn warnings(found: &Inventory, now: Timestamp) -> Vec<String> {
    let old = |since: Timestamp| now.since(since) > OLD;
    let mut warnings = Vec::new();
    let active = found.master_keys.iter().find(|key| key.active);
    if let Some(MasterKeyUse { id, since, .. }) = active
        && since.is_some_and(old)
    {
        warnings.push(format!(
            "master key {id} is older than a year: name a new one first in `keys:`, then \
             `wicketgate key rewrap`"
        ));
    }
    for key in &found.master_keys {
        let under = key.root_secrets + key.data_keys;
        if key.kind.is_none() && under > 0 {
            warnings.push(format!(
                "{under} keys and secrets are wrapped under {}, which is not configured",
                key.id
            ));
        } else if !key.active && under > 0 {
            warnings.push(format!(
                "{under} keys and secrets are still wrapped under {}: `wicketgate key rewrap`",
                key.id
            ));
        }
    }
    let states = &found.counts.states;
    let sealing = states.iter().find(|of| of.state == DataKeyState::Active);
    if sealing.is_some_and(|of| old(of.oldest)) {
        warnings.push(
            "a data key that seals is older than a year: `wicketgate key rotate --all`".to_owned(),
        );
    }
    if states
        .iter()
        .any(|of| of.state == DataKeyState::DecryptOnly)
    {
        warnings.push(
            "a rotation of data keys is not finished: run `wicketgate key rotate` again".to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{KeyCounts, KeysInState};

    #[test]
    fn old_keys_and_unfinished_work_are_warned_about() {
        let now = Timestamp::from_millis(1_795_348_800_000);
        let day = Duration::from_hours(24);
        let made = |days: u32| {
            let age = i64::try_from((day * days).as_millis()).unwrap();
            Timestamp::from_millis(now.as_millis() - age)
        };
        let found = |days| Inventory {
            master_keys: vec![MasterKeyUse {
                id: "a".to_owned(),
                kind: Some("file"),
                active: true,
                canary: Canary::Opens,
                since: Some(made(days)),
                root_secrets: 1,
                data_keys: 1,
            }],
            counts: KeyCounts {
                states: vec![KeysInState {
                    state: DataKeyState::Active,
                    keys: 1,
                    tenants: 1,
                    oldest: made(days),
                }],
                ..KeyCounts::default()
            },
            sealed_since: None,
        };
        assert_eq!(warnings(&found(364), now), [""; 0]);
        let old = warnings(&found(366), now);
        assert_eq!(old.len(), 2, "{old:?}");
        assert!(old[0].contains("master key a") && old[1].contains("data key"));

        let mut unfinished = found(1);
        unfinished.counts.states[0].state = DataKeyState::DecryptOnly;
        unfinished.master_keys[0].active = false;
        let said = warnings(&unfinished, now);
        assert!(said[0].contains("key rewrap") && said[1].contains("not finished"));
        unfinished.master_keys[0].kind = None;
        assert!(warnings(&unfinished, now)[0].contains("not configured"));
    }
}
