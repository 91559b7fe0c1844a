//! The documents people read say what the program does: commands exist, links lead somewhere, the
//! configuration loads, recipes and defaults are the real ones.
//!
//! `WICKETGATE_REGENERATE=1 cargo test --test it readme` writes the table of defaults.

mod defaults;
mod documents;

use std::fs;

use wicketgate::config::{Environment, load};

use self::documents::{block_after, blocks, commands, read, words_of};
use crate::cli::Place;

/// What people read, besides the generated pages.
const DOCUMENTS: [&str; 15] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/adding-an-upstream.md",
    "docs/clients.md",
    "docs/deploy.md",
    "docs/sizing.md",
    "docs/operations.md",
    "docs/signing-in.md",
    "docs/connecting-accounts.md",
    "docs/threat-model.md",
    "docs/cli.md",
    "docs/doctor.md",
    "docs/failure-modes.md",
];

/// A directory with the README's configuration and a master key.
fn with_the_readmes_configuration() -> Place {
    let place = Place::empty();
    fs::create_dir(place.path("data")).unwrap();
    place.run("key generate --out data/master.key").done();
    let text = block_after("README.md", "## A configuration, line by line", "yaml");
    fs::write(place.path("wicketgate.yaml"), text).unwrap();
    place
}

#[test]
fn the_configuration_loads_without_findings() {
    let place = with_the_readmes_configuration();
    let nothing = Environment::from_map::<String, String>([]);
    let loaded = load(&place.path("wicketgate.yaml"), &nothing).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.connector_url(), "https://mcp.example.com/mcp");
    assert_eq!(place.run("check --strict").done().err, "");
}

#[test]
fn the_configuration_for_customers_own_accounts_loads_without_findings() {
    let place = with_the_readmes_configuration();
    let heading = "## Let customers connect their own Google account";
    let text = block_after("README.md", heading, "yaml");
    fs::write(place.path("wicketgate.yaml"), text).unwrap();
    // The length of any secret will do.
    place.run("key generate --out data/google.secret").done();
    assert_eq!(place.run("check --strict").done().err, "");
}

#[test]
fn every_numbered_line_is_explained() {
    let text = block_after("README.md", "## A configuration, line by line", "yaml");
    let marked = text
        .lines()
        .filter_map(|line| line.rsplit_once("# ")?.1.parse().ok());
    let marked: Vec<usize> = marked.collect();
    let readme = read("README.md");
    let explained = readme
        .lines()
        .filter_map(|line| line.split_once(". ")?.0.parse().ok());
    let explained: Vec<usize> = explained.take(marked.len()).collect();
    assert_eq!(marked, (1..=marked.len()).collect::<Vec<_>>());
    assert_eq!(explained, marked);
}

#[test]
fn the_shown_request_is_the_real_one() {
    let place = with_the_readmes_configuration();
    let line = commands("README.md")
        .into_iter()
        .find(|words| words.join(" ").starts_with("tool call forecast"))
        .unwrap();
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    let ran = place.run_with(&words, "").done();
    let shown = block_after("README.md", "## A configuration, line by line", "text");
    assert_eq!(ran.out, shown);
}

#[test]
fn the_first_hour_is_what_init_says_and_runs() {
    let place = Place::empty();
    let lines: Vec<String> = block_after("README.md", "## The first hour", "sh")
        .lines()
        .map(|line| {
            line.split("  #")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect();
    assert_eq!(lines[0], "wicketgate init");
    let init = place.run("init --json").done().json();
    assert_eq!(serde_json::json!(lines[1..]), init["next"]);
    for (line, input) in [(&lines[1], "secret\n"), (&lines[2], "")] {
        let words = words_of(line);
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        place.run_with(&words, input).done();
    }
    assert_eq!(lines[3], "wicketgate serve");
    assert_eq!(lines.len(), 4);
}

#[test]
fn recipes_are_those_that_issue_prints() {
    let place = with_the_readmes_configuration();
    let ran = place
        .run("license issue --name Acme --plan pro --key-file key")
        .done();
    let (_, recipes) = ran.out.split_once("\n\n").unwrap();
    let readme = read("README.md");
    let mut count = 0;
    for recipe in recipes.trim_end().split("\n\n") {
        let (head, body) = recipe.split_once('\n').unwrap();
        let (client, place) = head.split_once(": ").unwrap();
        let body: Vec<&str> = body
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap())
            .collect();
        let body = body.join("\n");
        let kind = if body.starts_with('{') { "json" } else { "sh" };
        let place = match place.split_once(' ') {
            None if place == "run" => place.to_owned(),
            None => format!("`{place}`"),
            Some((file, rest)) => format!("`{file}` {rest}"),
        };
        let wanted = format!("**{client}**: {place}\n\n```{kind}\n{body}\n```\n");
        assert!(readme.contains(&wanted), "README.md lacks:\n{wanted}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn commands_in_documents_exist() {
    let place = Place::empty();
    let mut seen = 0;
    for document in DOCUMENTS {
        for words in commands(document) {
            let names: Vec<&str> = words.iter().map(String::as_str).collect();
            let group = matches!(
                names[0],
                "license"
                    | "session"
                    | "usage"
                    | "client"
                    | "connection"
                    | "credential"
                    | "scope"
                    | "key"
                    | "tool"
                    | "config"
            );
            let mut line = names[..names.len().min(1 + usize::from(group))].to_vec();
            if line.last() == Some(&"…") {
                line.pop();
            }
            if names[0] != "help" {
                line.push("--help");
            }
            let help = place.run_with(&line, "").done().out;
            for option in names.iter().filter(|word| word.starts_with("--")) {
                let option = option.trim_end_matches(['.', ',']);
                assert!(help.contains(option), "{document}: {names:?}: no {option}");
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} commands found");
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for target in documents::links(document) {
            if !documents::leads_somewhere(document, &target) {
                wrong.push(format!("{document}: {target}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The threat model names `file.rs`: `test`, `test`.
#[test]
fn tests_named_in_the_threat_model_exist() {
    let text = read("docs/threat-model.md");
    let (mut file, mut seen) = (String::new(), 0);
    for span in text.split('`').skip(1).step_by(2) {
        if span.contains('/') && span.rsplit('.').next() == Some("rs") {
            file = read(span);
        } else if span.contains('_') && !file.is_empty() {
            assert!(file.contains(&format!("fn {span}(")), "{span}");
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} tests found");
}

/// Blocks of YAML in the other documents are parts of an upstream or whole sections.
#[test]
fn yaml_in_documents_loads() {
    for document in ["docs/adding-an-upstream.md", "docs/operations.md"] {
        for (number, text) in blocks(document, "yaml").into_iter().enumerate() {
            let place = with_the_readmes_configuration();
            let whole = documents::completed(&text);
            fs::write(place.path("wicketgate.yaml"), &whole).unwrap();
            for name in ["customers.secret", "database-url", "key-2026a", "key-2026b"] {
                place.run(&format!("key generate --out {name}")).done();
            }
            let ran = place.run("check");
            assert_eq!(
                ran.code, 0,
                "{document}, block {number}:\n{whole}\n{}",
                ran.err
            );
        }
    }
}
