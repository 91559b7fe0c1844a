//! The first minutes: `init`, `check`, `key generate`, `migrate`, `health`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use super::Place;

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_writes_a_configuration_that_passes_check() {
    let place = Place::empty();
    let ran = place.run("init").done();
    assert!(
        ran.out.contains("license issue") && ran.out.contains("serve"),
        "{}",
        ran.out
    );
    assert_eq!(mode(&place, "data/master.key"), 0o600);
    assert_eq!(mode(&place, "data"), 0o700);
    let key = fs::read_to_string(place.path("data/master.key")).unwrap();
    assert!(key.starts_with("wgk_") && !ran.shows(key.trim()));

    let checked = place.run("check --json").done().json();
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["tools"], 1);
    assert_eq!(checked["connector_url"], "http://127.0.0.1:8080/mcp");
    assert_eq!(checked["problems"], serde_json::json!([]));
}

#[test]
fn init_makes_its_directory_and_names_the_file_in_what_comes_next() {
    let place = Place::empty();
    let ran = place.run("init --json gate/one").done().json();
    assert_eq!(ran["config"], "gate/one/wicketgate.yaml");
    assert!(
        ran["next"][0]
            .as_str()
            .unwrap()
            .contains("-c gate/one/wicketgate.yaml")
    );
    place.run("-c gate/one/wicketgate.yaml check").done();
    place.run("check -c gate/one/wicketgate.yaml").done();
}

#[test]
fn init_writes_the_file_that_is_named() {
    let place = Place::empty();
    let ran = place.run("-c etc/gate.yaml init --json").done().json();
    assert_eq!(ran["config"], "etc/gate.yaml");
    assert_eq!(ran["master_key"], "etc/data/master.key");
    assert_eq!(ran["next"][2], "wicketgate -c etc/gate.yaml serve");
    assert_eq!(mode(&place, "etc/data/master.key"), 0o600);
    assert!(!place.path("wicketgate.yaml").exists());
    place.run("check -c etc/gate.yaml").done();

    let ran = place.run("-c other.yaml init elsewhere").refused(2);
    assert!(ran.err.contains("--config"), "{}", ran.err);
    assert!(!place.path("other.yaml").exists() && !place.path("elsewhere").exists());
}

#[test]
fn init_overwrites_nothing() {
    let place = Place::initialised();
    let config = fs::read(place.path("wicketgate.yaml")).unwrap();
    let key = fs::read(place.path("data/master.key")).unwrap();
    let ran = place.run("init").refused(1);
    assert!(
        ran.err.contains("wicketgate.yaml") && ran.err.contains("fix:"),
        "{}",
        ran.err
    );
    fs::remove_file(place.path("wicketgate.yaml")).unwrap();
    let ran = place.run("init").refused(1);
    assert!(ran.err.contains("master.key"), "{}", ran.err);
    assert!(!place.path("wicketgate.yaml").exists());
    assert_eq!(fs::read(place.path("data/master.key")).unwrap(), key);
    assert!(!config.is_empty());
}

#[test]
fn a_missing_configuration_is_a_bad_one() {
    let place = Place::empty();
    let ran = place.run("check").refused(78);
    assert!(
        ran.err.contains("wicketgate.yaml") && ran.err.contains("fix:"),
        "{}",
        ran.err
    );
    for line in [
        "license list",
        "credential list",
        "tool list",
        "migrate",
        "config show",
    ] {
        place.run(line).refused(78);
    }
}

#[test]
fn check_reports_every_finding_with_its_line_and_a_fix() {
    let place = Place::initialised();
    place.edit("additionalProperties: false", "additionalProperties: true");
    place.edit("path: /orders/{order_id}", "path: /orders/{number}");
    let ran = place.run("check").refused(78);
    assert!(ran.err.matches("fix:").count() >= 2, "{}", ran.err);
    assert!(ran.err.contains("wicketgate.yaml:"), "{}", ran.err);

    let error = place.run("check --json").refused(78).error();
    assert_eq!(error["code"], "bad_configuration");
    let problems = error["problems"].as_array().unwrap();
    assert!(problems.len() >= 2, "{error}");
    for problem in problems {
        assert!(
            problem["line"].as_u64().is_some_and(|line| line > 1),
            "{problem}"
        );
        assert!(!problem["fix"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_master_key_that_others_can_read_is_refused() {
    let place = Place::initialised();
    let key = place.path("data/master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    for line in ["check", "license list", "serve"] {
        let ran = place.run(line).refused(78);
        assert!(
            ran.err.contains("master.key") && ran.err.contains("0600"),
            "{line}: {}",
            ran.err
        );
    }
}

#[test]
fn keys_are_generated_to_stdout_or_a_closed_file() {
    let place = Place::empty();
    let first = place.run("key generate").done().out;
    let second = place.run("key generate --json").done().json();
    assert!(first.starts_with("wgk_") && first.trim() != second["key"]);
    let ran = place.run("key generate --out next.key").done();
    assert_eq!(mode(&place, "next.key"), 0o600);
    assert!(!ran.shows("wgk_"));
    place.run("key generate --out next.key").refused(1);
}

#[test]
fn migrate_says_what_it_did() {
    let place = Place::initialised();
    assert_eq!(place.run("migrate --pending").code, 1);
    let first = place.run("migrate --json").done().json();
    assert!(!first["applied"].as_array().unwrap().is_empty(), "{first}");
    assert_eq!(
        place.run("migrate --json").done().json()["applied"],
        serde_json::json!([])
    );
    place.run("migrate --pending").done();
}

#[test]
fn health_tells_a_living_gateway_from_a_dead_one() {
    let place = Place::empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |status: &'static str| {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            stream.write_all(head.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        })
    };
    let asked = answer("200 OK");
    place.run(&format!("health --address {address}")).done();
    assert!(asked.join().unwrap().starts_with("GET /livez HTTP/1.1\r\n"));
    let asked = answer("503 Service Unavailable");
    let ran = place
        .run(&format!("health --ready --address {address}"))
        .refused(1);
    assert!(asked.join().unwrap().starts_with("GET /readyz "));
    assert!(ran.err.contains("503"), "{}", ran.err);
    drop(listener);
    place.run(&format!("health --address {address}")).refused(1);
}
