//! The life of a license, as its operator types it.

use std::{fs, os::unix::fs::PermissionsExt};

use super::Place;

fn issue(place: &Place, name: &str) -> (String, String) {
    let ran = place
        .run_with(
            &[
                "license", "issue", "--name", name, "--plan", "pro", "--json",
            ],
            "",
        )
        .done()
        .json();
    let text = |key: &str| ran[key].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[test]
fn a_key_is_shown_once_with_recipes() {
    let place = Place::initialised();
    let line = [
        "license",
        "issue",
        "--name",
        "Acme GmbH",
        "--plan",
        "starter",
    ];
    let ran = place.run_with(&line, "").done();
    let key = ran
        .out
        .split_whitespace()
        .find(|word| word.starts_with("wgl_"))
        .unwrap()
        .to_owned();
    assert_eq!(key.len(), 53, "{key}");
    for word in [
        "claude mcp add --transport http",
        "~/.cursor/mcp.json",
        ".vscode/mcp.json",
        "httpUrl",
        "mcp-remote",
        "http://127.0.0.1:8080/mcp",
    ] {
        assert!(ran.out.contains(word), "{word}");
    }
    for line in [
        "license list",
        "license list --json",
        "license show Acme*",
        "license usage",
    ] {
        let line = line.replace("Acme*", "lic_");
        assert!(!place.run(&line).shows(&key), "{line}");
    }
    let bytes = place.all_bytes();
    assert!(
        !bytes
            .windows(key.len())
            .any(|window| window == key.as_bytes())
    );
}

#[test]
fn json_has_what_a_program_needs() {
    let place = Place::initialised();
    let line = "license issue --name Acme --plan pro --expires 2099-01-01 --tools example.* --json";
    let ran = place.run(line).done().json();
    assert!(ran["id"].as_str().unwrap().starts_with("lic_"));
    assert!(ran["key"].as_str().unwrap().starts_with("wgl_"));
    assert_eq!(ran["plan"], "pro");
    assert_eq!(ran["connector_url"], "http://127.0.0.1:8080/mcp");
    assert_eq!(ran["expires"], "2099-01-01T00:00:00Z");
    assert_eq!(ran["tools"], serde_json::json!(["example.*"]));

    let list = place.run("license list --json").done().json();
    assert_eq!(list[0]["id"], ran["id"]);
    assert_eq!(list[0]["status"], "active");
    assert!(list[0].get("key").is_none());
}

#[test]
fn a_key_can_go_to_a_closed_file_instead() {
    let place = Place::initialised();
    let ran = place
        .run("license issue --name Acme --plan pro --key-file acme.key")
        .done();
    let file = place.path("acme.key");
    let key = fs::read_to_string(&file).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(key.starts_with("wgl_") && !ran.shows(key.trim()));
    let before = place.run("license list --json").done().json();
    place
        .run("license issue --name Bolt --plan pro --key-file acme.key")
        .refused(1);
    assert_eq!(place.run("license list --json").done().json(), before);
}

#[test]
fn what_cannot_be_issued_is_refused_with_a_reason() {
    let place = Place::initialised();
    let ran = place
        .run("license issue --name Acme --plan gold")
        .refused(1);
    assert!(
        ran.err.contains("pro") && ran.err.contains("starter"),
        "{}",
        ran.err
    );
    place
        .run("license issue --name Acme --plan pro --expires 2001-01-01")
        .refused(2);
    place
        .run("license issue --name Acme --plan pro --expires soon")
        .refused(2);
    place
        .run_with(&["license", "issue", "--name", " ", "--plan", "pro"], "")
        .refused(2);
    place
        .run_with(
            &["license", "issue", "--name", "a\u{1b}[2J", "--plan", "pro"],
            "",
        )
        .refused(2);
    assert_eq!(
        place.run("license list --json").done().json(),
        serde_json::json!([])
    );
}

#[test]
fn licenses_are_listed_by_plan_and_status() {
    let place = Place::initialised();
    let (acme, _) = issue(&place, "Acme");
    place.run("license issue --name Bolt --plan starter").done();
    place.run(&format!("license suspend {acme}")).done();
    let names = |line: &str| {
        let list = place.run(line).done().json();
        let names = list.as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("license list --json"), ["Acme", "Bolt"]);
    assert_eq!(names("license list --plan starter --json"), ["Bolt"]);
    assert_eq!(names("license list --status suspended --json"), ["Acme"]);
    let table = place.run("license list").done().out;
    assert!(
        table.starts_with("ID ") && table.contains("suspended"),
        "{table}"
    );
}

#[test]
fn a_license_is_suspended_resumed_and_revoked_for_good() {
    let place = Place::initialised();
    let (id, _) = issue(&place, "Acme");
    let status = || {
        place
            .run(&format!("license show {id} --json"))
            .done()
            .json()["status"]
            .clone()
    };
    place.run("license suspend Acme").done();
    assert_eq!(status(), "suspended");
    place.run(&format!("license resume {id}")).done();
    assert_eq!(status(), "active");
    let line = ["license", "revoke", &id, "--reason", "left us"];
    place.run_with(&line, "").done();
    assert_eq!(status(), "revoked");
    let ran = place.run(&format!("license resume {id}")).refused(1);
    assert!(ran.err.contains("revoked"), "{}", ran.err);
}

#[test]
fn unknown_and_ambiguous_names_are_explained() {
    let place = Place::initialised();
    let (first, key) = issue(&place, "Acme");
    let (second, _) = issue(&place, "Acme");
    let ran = place.run("license show Acme").refused(1);
    assert!(
        ran.err.contains(&first) && ran.err.contains(&second),
        "{}",
        ran.err
    );
    let ran = place
        .run("license show lic_00000000000000000000000000")
        .refused(1);
    assert!(ran.err.contains("license list"), "{}", ran.err);
    let ran = place.run(&format!("license show {key}")).refused(1);
    assert!(!ran.shows(&key));
}

#[test]
fn rotation_gives_a_new_key_and_ends_the_old_one() {
    let place = Place::initialised();
    let (id, old) = issue(&place, "Acme");
    let ran = place
        .run(&format!("license rotate {id} --overlap 24h --json"))
        .done()
        .json();
    let new = ran["key"].as_str().unwrap();
    assert!(new.starts_with("wgl_") && new != old);
    assert_eq!(ran["sessions_ended"], 0);
    let shown = place
        .run(&format!("license show {id} --json"))
        .done()
        .json();
    let keys = shown["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{shown}");
    assert_eq!(
        keys.iter().filter(|key| key["expires"].is_null()).count(),
        1
    );
    assert!(!shown.to_string().contains(new) && !shown.to_string().contains(&old));
    place.run(&format!("license revoke {id}")).done();
    place.run(&format!("license rotate {id}")).refused(1);
}

#[test]
fn usage_shows_the_days_and_what_is_left() {
    let place = Place::initialised();
    let (id, _) = issue(&place, "Acme");
    let usage = place
        .run(&format!("license usage {id} --days 3 --json"))
        .done()
        .json();
    let days = usage.as_array().unwrap();
    assert_eq!(days.len(), 3, "{usage}");
    let today = &days[2];
    assert_eq!(
        (&today["used"], &today["limit"], &today["left"]),
        (&0.into(), &50_000.into(), &50_000.into())
    );
    place.run("license usage --days 0").refused(2);
    assert!(place.run("license usage").done().out.contains("Acme"));
}
