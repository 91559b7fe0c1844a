//! K-01 and K-02: the wrong master key, and a key file that others could have read or replaced.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use wicketgate::store::{LicenseFilter, Store, StoreTarget};

use super::{Place, Ran};

const COMMANDS: [&str; 3] = ["serve", "license list", "credential list"];

/// A place whose database is in use, and everything in it that a start could change.
fn in_use() -> (Place, String) {
    let place = Place::initialised();
    place
        .run("license issue --name first --plan starter")
        .done();
    place
        .run_with(&["credential", "set", "example"], "secret")
        .done();
    let state = state(&place);
    (place, state)
}

/// What is stored, whatever part of it stands in the file and whatever in the log beside it.
fn state(place: &Place) -> String {
    let target = StoreTarget::Sqlite(place.path("data/wicketgate.db"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&target).await.unwrap();
        let audit = store.audit_tail(100).await.unwrap();
        let licenses = store.licenses(&LicenseFilter::default()).await.unwrap();
        let credentials = store.credentials().await.unwrap();
        let epoch = store.epoch().await.unwrap();
        store.close().await;
        format!("{epoch} {audit:?} {licenses:?} {credentials:?}")
    })
}

fn refusal(ran: Ran) -> String {
    let err = ran.refused(78).err;
    assert!(err.contains("fix:"), "{err}");
    assert!(!err.contains("wgk_"), "{err}");
    err
}

#[test]
fn k_01_another_master_key_is_refused_before_anything_is_written() {
    let (place, before) = in_use();
    let good = fs::read(place.path("data/master.key")).unwrap();
    fs::remove_file(place.path("data/master.key")).unwrap();
    place.run("key generate --out data/master.key").done();
    // `serve` waits for the right one instead, and writes nothing either: `sealed_start`.
    for line in &COMMANDS[1..] {
        let err = refusal(place.run(line));
        assert!(err.contains("master key"), "{line}: {err}");
        assert_eq!(state(&place), before, "{line} wrote");
    }
    // With the key that belongs to it everything is as it was.
    fs::write(place.path("data/master.key"), good).unwrap();
    let list = place.run("license list --json").done().json();
    assert_eq!(list[0]["name"], "first");
}

#[test]
fn k_02_a_key_file_that_others_can_reach_is_refused() {
    let (place, before) = in_use();
    let key = place.path("data/master.key");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o644, 0o640, 0o604, 0o660, 0o620, 0o601] {
        mode(open);
        for line in COMMANDS {
            let err = refusal(place.run(line));
            let named = err.contains("master.key") && err.contains(&format!("{open:04o}"));
            assert!(named, "{line}: {err}");
        }
        checked(&place, &format!("{open:04o}"));
    }
    mode(0o600);
    place.run("check").done();

    let elsewhere = place.path("elsewhere.key");
    fs::rename(&key, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &key).unwrap();
    all_refuse(&place, &key, "links are not followed");
    fs::remove_file(&key).unwrap();
    fs::write(&key, "not a key").unwrap();
    mode(0o600);
    all_refuse(&place, &key, "keys: ");
    assert_eq!(state(&place), before, "nothing was written");
}

fn all_refuse(place: &Place, key: &Path, reason: &str) {
    assert!(key.symlink_metadata().is_ok());
    for line in COMMANDS {
        let err = place.run(line).refused(78).err;
        assert!(err.contains(reason), "{line}: {err}");
        assert!(!err.contains("not a key\n"), "{err}");
    }
    checked(place, reason);
}

/// `check` says so too, before the gateway is started.
fn checked(place: &Place, reason: &str) {
    let err = place.run("check").refused(78).err;
    assert!(err.contains(reason), "check: {err}");
    let error = place.run("check --json").refused(78).error();
    assert_eq!(error["code"], "bad_configuration");
}

#[test]
fn a_key_file_that_is_not_there_is_missed_by_every_command() {
    let place = Place::initialised();
    fs::remove_file(place.path("data/master.key")).unwrap();
    for line in ["check", "serve", "license list"] {
        assert!(refusal(place.run(line)).contains("master.key"), "{line}");
    }
    assert!(!place.path("data/wicketgate.db").exists());
}
