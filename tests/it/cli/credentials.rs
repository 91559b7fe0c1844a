//! Upstream credentials: in by stdin or file, never out, never an argument.

use std::fs;

use super::Place;

const CANARY: &str = "CANARY-7f3a91-upstream-secret";

#[test]
fn a_secret_goes_in_and_never_comes_out() {
    let place = Place::initialised();
    let set = place
        .run_with(&["credential", "set", "example"], &format!("{CANARY}\n"))
        .done();
    assert!(!set.shows(CANARY));
    let list = place.run("credential list --json").done();
    assert_eq!(list.json()[0]["upstream"], "example");
    assert_eq!(list.json()[0]["generation"], 1);
    for line in [
        "credential list",
        "config show",
        "tool show get_order",
        "check",
    ] {
        assert!(!place.run(line).done().shows(CANARY), "{line}");
    }
    let bytes = place.all_bytes();
    assert!(
        !bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes())
    );

    place.run("credential delete example").done();
    assert_eq!(
        place.run("credential list --json").done().json(),
        serde_json::json!([])
    );
    place.run("credential delete example").refused(1);
}

#[test]
fn a_file_serves_as_well() {
    let place = Place::initialised();
    fs::write(place.path("key.txt"), CANARY).unwrap();
    let ran = place
        .run("credential set example --file key.txt --json")
        .done();
    assert_eq!(ran.json()["upstream"], "example");
    assert!(!ran.shows(CANARY));
    place
        .run("credential set example --file missing.txt")
        .refused(1);
}

#[test]
fn an_argument_is_not_a_place_for_a_secret() {
    let place = Place::initialised();
    let ran = place
        .run(&format!("credential set example {CANARY}"))
        .refused(2);
    assert!(!ran.shows(CANARY), "{}", ran.err);
    let ran = place
        .run(&format!("--json credential set example --value={CANARY}"))
        .refused(2);
    assert!(!ran.shows(CANARY), "{}", ran.err);
}

#[test]
fn unknown_upstreams_and_empty_secrets_are_refused() {
    let place = Place::initialised();
    let ran = place
        .run_with(&["credential", "set", "exmaple"], CANARY)
        .refused(1);
    assert!(
        ran.err.contains("example") && !ran.shows(CANARY),
        "{}",
        ran.err
    );
    let ran = place
        .run_with(&["credential", "set", "example"], "\n")
        .refused(1);
    assert!(ran.err.contains("empty"), "{}", ran.err);
}

#[test]
fn a_license_may_have_its_own() {
    let place = Place::initialised();
    let issued = place
        .run("license issue --name Acme --plan pro --json")
        .done();
    let id = issued.json()["id"].as_str().unwrap().to_owned();
    let set = ["credential", "set", "example", "--license"];
    let unknown = [&set[..], &["lic_00000000000000000000000000"]].concat();
    place.run_with(&unknown, CANARY).refused(1);
    let pasted = [&set[..], &["wgl_CANARY"]].concat();
    let ran = place.run_with(&pasted, CANARY).refused(1);
    assert!(!ran.shows("CANARY"), "{}", ran.err);
    let ran = place
        .run_with(&[&set[..], &["Acme"]].concat(), CANARY)
        .done();
    assert!(ran.shows(&id) && !ran.shows(CANARY), "{}", ran.out);

    let list = place.run("credential list --json").done().json();
    let row = &list[0];
    assert_eq!(list.as_array().unwrap().len(), 1);
    for (name, wanted) in [
        ("owner", id.as_str()),
        ("kind", "static"),
        ("label", "default"),
        ("state", "active"),
        ("upstream", "example"),
    ] {
        assert_eq!(row[name], wanted, "{row}");
    }
    assert!(row["updated"].is_string());
    let table = place.run("credential list").done();
    for word in ["OWNER", "KIND", "STATE", "LABEL", "UPDATED", &id] {
        assert!(table.shows(word), "{word}: {}", table.out);
    }

    // The operator's and the license's are apart.
    place.run("credential delete example").refused(1);
    place
        .run(&format!("credential delete example --license {id}"))
        .done();
    place
        .run("credential delete example --license Acme")
        .refused(1);
}

#[test]
fn a_secret_that_cannot_be_sent_is_not_stored() {
    let place = Place::initialised();
    let ran = place
        .run_with(&["credential", "set", "example"], "CANARY one\ntwo\n")
        .refused(1);
    assert!(ran.err.contains("nothing was stored"), "{}", ran.err);
    assert!(!ran.shows("CANARY"), "{}", ran.err);
    place.edit(
        "credential: { header: X-Api-Key }",
        "credential: { sigv4: { region: eu-west-1, service: execute-api, access_key_id: AKIDEXAMPLE } }",
    );
    let ran = place
        .run_with(&["credential", "set", "example"], "AKIACANARY0000000000\n")
        .refused(1);
    assert!(
        ran.err.contains("secret access key is wanted"),
        "{}",
        ran.err
    );
    assert!(!ran.shows("CANARY"), "{}", ran.err);
    assert_eq!(
        place.run("credential list --json").done().json(),
        serde_json::json!([])
    );
}

#[test]
fn connected_accounts_take_no_stored_secret() {
    let place = Place::initialised();
    place.edit(
        "credential: { header: X-Api-Key }",
        "credential: { account: { provider: google, client_id: us, scopes: [openid] } }",
    );
    let ran = place
        .run_with(&["credential", "set", "example"], CANARY)
        .refused(1);
    assert!(ran.err.contains("connects its own account"), "{}", ran.err);
    assert!(ran.err.contains("connection list"), "{}", ran.err);
    assert!(!ran.shows(CANARY), "{}", ran.err);
}
