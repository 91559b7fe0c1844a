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
