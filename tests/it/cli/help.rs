//! Help, version, completions, and command lines that are not understood.

use super::Place;

#[test]
fn help_names_every_command_and_exit_code() {
    let ran = Place::empty().run("--help").done();
    for word in [
        "init",
        "check",
        "serve",
        "demo",
        "migrate",
        "license",
        "credential",
        "key",
        "seal",
        "unseal",
        "tool",
        "config",
        "completions",
        "health",
        "--json",
        "--config",
        "78",
    ] {
        assert!(ran.out.contains(word), "{word}\n{}", ran.out);
    }
    assert_eq!(ran.err, "");
    assert!(
        Place::empty()
            .run("--version")
            .done()
            .out
            .starts_with("wicketgate 0.")
    );
}

#[test]
fn every_command_has_help() {
    let place = Place::empty();
    for command in [
        "init",
        "check",
        "serve",
        "demo",
        "migrate",
        "completions",
        "health",
        "license issue",
        "license list",
        "license show",
        "license usage",
        "license suspend",
        "license resume",
        "license revoke",
        "client add",
        "client list",
        "client remove",
        "license rotate",
        "credential set",
        "credential list",
        "credential delete",
        "scope report",
        "key generate",
        "key status",
        "key rotate",
        "key rewrap",
        "key verify",
        "key destroy",
        "seal",
        "unseal",
        "tool list",
        "tool show",
        "tool call",
        "config schema",
        "config example",
        "config show",
        "config reference",
    ] {
        let ran = place.run(&format!("{command} --help")).done();
        let first = ran.out.lines().next().unwrap_or_default();
        assert!(first.len() > 15, "{command}: {first:?}");
        assert!(
            !first.starts_with("Usage"),
            "{command} does not say what it is for"
        );
    }
}

#[test]
fn what_is_not_understood_ends_with_two() {
    let place = Place::empty();
    for line in [
        "",
        "nonsense",
        "license",
        "license issue",
        "license issue --name a --plan A!",
    ] {
        let arguments: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let ran = place.run_with(&arguments, "").refused(2);
        assert!(!ran.err.is_empty(), "{line}");
    }
    let error = place.run("--json license frobnicate").refused(2).error();
    assert_eq!(error["code"], "usage");
    assert!(error["message"].as_str().unwrap().contains("frobnicate"));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run(&format!("completions {shell}")).done();
        assert!(
            ran.out.contains("wicketgate") && ran.out.contains("rotate"),
            "{shell}"
        );
    }
    place.run("completions cobol").refused(2);
}
