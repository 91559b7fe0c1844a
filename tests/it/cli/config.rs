//! `wicketgate config …`: what an operator reads before writing.

use super::Place;

#[test]
fn the_schema_is_a_json_schema() {
    let schema = Place::empty().run("config schema").done().json();
    assert!(
        schema["$schema"]
            .as_str()
            .unwrap()
            .contains("json-schema.org")
    );
    assert!(schema["properties"]["upstreams"].is_object());
}

#[test]
fn the_example_is_the_shipped_one() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/config/wicketgate.example.yaml"
    );
    let shipped = std::fs::read_to_string(path).unwrap();
    assert_eq!(Place::empty().run("config example").done().out, shipped);
}

#[test]
fn the_reference_explains_every_top_level_key() {
    let text = Place::empty().run("config reference").done().out;
    for key in [
        "public_url",
        "listen",
        "store",
        "keys",
        "limits",
        "plans",
        "upstreams",
    ] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn show_fills_in_defaults_and_keeps_secrets_out() {
    let place = Place::initialised();
    std::fs::write(place.path("upstream.key"), "CANARY-4b1d").unwrap();
    place.edit(
        "credential: { header: X-Api-Key }",
        "credential: { header: X-Api-Key, value: { file: upstream.key } }",
    );
    let ran = place.run("config show --json").done();
    let shown = ran.json();
    assert_eq!(shown["limits"]["call_timeout"], "55s");
    assert_eq!(shown["connector_url"], "http://127.0.0.1:8080/mcp");
    let credential = &shown["upstreams"]["example"]["rest"]["credential"];
    assert_eq!(credential["value"]["file"], "upstream.key");
    assert!(!ran.shows("CANARY"));
    let table = place.run("config show").done();
    assert!(
        table.out.contains("plans.pro.per_day") && !table.shows("CANARY"),
        "{}",
        table.out
    );
}
