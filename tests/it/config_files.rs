//! The files that ship with the program: they load clean, and the generated ones are up to date.
//!
//! `WICKETGATE_REGENERATE=1 cargo test --test it config_files` writes the generated ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use wicketgate::config::{
    Environment, Loaded, config_reference, config_schema, content_hash, load,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Loads a shipped file from a folder of its own, beside a key file.
fn loaded(name: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("config").join(name)).unwrap();
    let text = text.replace("/run/secrets/", "");
    for key in ["master.key", "wicketgate-key-2026a", "wicketgate-key-2026b"] {
        fs::write(folder.path().join(key), "key\n").unwrap();
    }
    let path = folder.path().join("wicketgate.yaml");
    fs::write(&path, text).unwrap();
    let nothing = Environment::from_map::<String, String>([]);
    match load(&path, &nothing) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{name} has problems:\n{error}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for the developer, not for the program"
)]
fn same_as_committed(path: &str, wanted: &str) {
    let path = root().join(path);
    if std::env::var("WICKETGATE_REGENERATE").is_ok() {
        fs::write(&path, wanted).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == wanted,
        "{} is out of date: WICKETGATE_REGENERATE=1 cargo test --test it config_files",
        path.display()
    );
}

#[test]
fn the_example_loads_clean() {
    let loaded = loaded("wicketgate.example.yaml");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.files.len(), 1);
    let rest = loaded.config.upstreams["analytics"].rest.as_ref().unwrap();
    let names: Vec<&str> = rest.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["run_report", "list_properties", "rename_property"]);
    assert_eq!(rest.tools[0].input["properties"]["limit"]["default"], 100);
    assert_eq!(loaded.config.connector_url(), "https://mcp.example.com/mcp");
}

#[test]
fn the_minimal_file_loads_clean_and_is_short() {
    let loaded = loaded("minimal.yaml");
    assert_eq!(loaded.warnings, []);
    let text = fs::read_to_string(root().join("config/minimal.yaml")).unwrap();
    let useful = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(useful <= 15, "{useful} lines");
}

/// What a new file has in comments can be taken out of them.
#[test]
fn the_new_file_is_good_without_its_comment_signs_too() {
    let text = fs::read_to_string(root().join("src/cli/init/wicketgate.yaml")).unwrap();
    let opened: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if ["auth:", "branding:", "  "]
                    .iter()
                    .any(|w| rest.starts_with(w)) =>
            {
                rest
            }
            _ => line,
        })
        .fold(String::new(), |whole, line| whole + line + "\n");
    assert!(opened.contains("\nauth:\n") && opened.contains("\nbranding:\n"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/master.key"), "key\n").unwrap();
    fs::write(folder.path().join("logo.svg"), "<svg/>").unwrap();
    let path = folder.path().join("wicketgate.yaml");
    fs::write(&path, opened).unwrap();
    let nothing = Environment::from_map::<String, String>([]);
    let loaded = load(&path, &nothing).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.auth.issuers.len(), 1);
    assert_eq!(loaded.config.branding.name, "Your service");
}

#[test]
fn the_published_schema_is_up_to_date() {
    let schema = config_schema();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    same_as_committed("config/wicketgate.schema.json", &text);
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(schema["description"].is_string());
}

#[test]
fn the_reference_is_up_to_date() {
    let text = config_reference();
    same_as_committed("docs/config.md", &text);
    for section in [
        "## `upstreams.NAME.rest.tools[].request`",
        "## `store.postgres`",
        "`{ env: NAME }`",
    ] {
        assert!(text.contains(section), "{section}");
    }
}

#[test]
fn the_content_hash_sees_the_file_and_its_includes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wicketgate.yaml");
    fs::create_dir(folder.path().join("up")).unwrap();
    fs::write(&path, "include: [\"up/*.yaml\"]\n").unwrap();
    let first = content_hash(&path);
    assert_eq!(first, content_hash(&path));
    fs::write(folder.path().join("up/a.yaml"), "upstreams: {}\n").unwrap();
    let second = content_hash(&path);
    assert_ne!(first, second);
    fs::write(folder.path().join("up/a.yaml"), "upstreams: { }\n").unwrap();
    assert_ne!(second, content_hash(&path));
}
