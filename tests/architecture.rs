//! Holds the shape of the source: which module may know which, how long a file may be, what may
//! stand where. Reads text, builds nothing, needs no services.

#[path = "architecture/fences.rs"]
mod fences;
#[path = "architecture/tree.rs"]
mod tree;
#[path = "architecture/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};

use tree::File;
use words::{Kind, Word};

/// Floors, lowest first. A module knows its own floor and those below, never one above; inside a
/// floor modules form no circle. A new top-level module gets its place here first: the lowest
/// floor that holds everything it has to know.
const FLOORS: &[&[&str]] = &[
    // 1: words. No I/O, no async.
    &["ids", "names", "clock", "entropy", "secret", "quota"],
    // 2: protocol, crypto, domain. Pure.
    &["mcp", "crypto", "schema", "license", "grant"],
    // 3: configuration. Pure but for reading files.
    &["config"],
    // 4: the outside world: database, counters, network, logs, master keys.
    &["store", "limit", "egress", "telemetry", "kms"],
    // 5: what the gateway can do.
    &[
        "auth", "vault", "ledger", "upstream", "catalog", "connect", "audit",
    ],
    // 6: the journey of a call; the way from a license key to a session.
    &["call", "oauth"],
    // 7: the MCP server role.
    &["server"],
    // 8: HTTP.
    &["http"],
    // 9: assembly and the running process.
    &["gateway", "serve", "reload"],
    // 10: the command line.
    &["cli", "demo", "main"],
];

/// Hard limit of any Rust file, tests included.
const LONGEST_FILE: usize = 500;
/// Half of the source files must be at most this long.
const LONGEST_MEDIAN: usize = 150;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "mod", "util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "stuff",
];
/// Beginnings of statements. SQL stands in `store` only; unit tests may hold it as hostile input.
const SQL: &[&str] = &[
    "SELECT ",
    "INSERT INTO",
    "INSERT OR ",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE INDEX",
    "ALTER TABLE",
    "DROP TABLE",
    "BEGIN IMMEDIATE",
    "PRAGMA ",
];

#[test]
fn imports_fall() {
    let mut wrong = Vec::new();
    for (file, from, to, line) in imports() {
        match (floor(&from), floor(&to)) {
            (Some(own), Some(other)) if other <= own => {}
            (Some(own), Some(other)) => wrong.push(format!(
                "{file}:{line}: `{from}` (floor {own}) must not know `{to}` (floor {other})"
            )),
            (None, _) => wrong.push(format!("{file}: `{from}` has no floor; see FLOORS")),
            (_, None) => wrong.push(format!("{file}:{line}: `{to}` has no floor; see FLOORS")),
        }
    }
    for file in tree::rust("src/") {
        let module = file.module()[0].to_owned();
        if module != "lib" && floor(&module).is_none() {
            wrong.push(format!(
                "{}: `{module}` has no floor; see FLOORS",
                file.path
            ));
        }
    }
    none("imports that climb, modules without a floor", &wrong);
}

#[test]
fn newcomers_read_the_same_floors() {
    let lib = tree::rust("src/")
        .find(|file| file.path == "src/lib.rs")
        .expect("src/lib.rs");
    let rows = lib.text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("//! |")?.split('|').map(str::trim);
        let floor: usize = cells.next()?.parse().ok()?;
        let modules = cells.next()?.split(' ');
        let modules: Vec<&str> = modules.map(|name| name.trim_matches('`')).collect();
        Some((floor, modules))
    });
    let mut told: Vec<(usize, Vec<&str>)> = rows.collect();
    told.reverse();
    let held: Vec<(usize, Vec<&str>)> = FLOORS
        .iter()
        .enumerate()
        .map(|(below, modules)| (below + 1, modules.to_vec()))
        .collect();
    assert_eq!(told, held, "the table in src/lib.rs and FLOORS differ");
}

#[test]
fn modules_of_a_floor_form_no_circle() {
    let mut knows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, from, to, _) in imports() {
        if from != to && floor(&from) == floor(&to) {
            knows.entry(from).or_default().insert(to);
        }
    }
    let circles: Vec<String> = knows
        .keys()
        .filter_map(|start| way_back(&knows, start))
        .map(|way| way.join(" -> "))
        .collect();
    none("circles", &circles);
}

#[test]
fn files_stay_short() {
    let mut long: Vec<String> = Vec::new();
    for file in tree::rust("src/").chain(tree::rust("tests/")) {
        if file.lines() > LONGEST_FILE {
            long.push(format!("{}: {} lines", file.path, file.lines()));
        }
    }
    none(&format!("files over {LONGEST_FILE} lines"), &long);

    let mut lengths: Vec<usize> = tree::rust("src/").map(File::lines).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median <= LONGEST_MEDIAN,
        "half of the files in src are longer than {median} lines; aim at {LONGEST_MEDIAN}"
    );
}

#[test]
fn files_have_telling_names_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for file in tree::rust("src/").chain(tree::rust("tests/")) {
        for part in file.module() {
            if EMPTY_NAMES.contains(&part) {
                wrong.push(format!("{}: `{part}` says nothing", file.path));
            }
        }
        if !file.text.starts_with("//!") && !file.is_unit_tests() {
            wrong.push(format!("{}: begins without `//!`", file.path));
        }
    }
    none("files that do not say what they are for", &wrong);
}

#[test]
fn sql_stands_in_the_store() {
    let mut wrong = Vec::new();
    for file in tree::rust("src/") {
        if file.module()[0] == "store" {
            continue;
        }
        for word in file.words_before_tests() {
            let text = word.text().unwrap_or_default().trim_start();
            let update = text.starts_with("UPDATE ") && text.contains(" SET ");
            if update || SQL.iter().any(|sql| text.contains(sql)) {
                wrong.push(format!("{}:{}: {text:.60}", file.path, word.line));
            }
        }
    }
    none("SQL outside src/store", &wrong);
}

#[test]
fn only_egress_makes_http_clients() {
    let mut wrong = Vec::new();
    for file in tree::rust("src/") {
        if file.module()[0] == "egress" {
            continue;
        }
        for client in ["reqwest", "hyper_rustls"] {
            for (name, line) in reached(&file.words, client) {
                wrong.push(format!("{}:{line}: {client}::{name}", file.path));
            }
        }
        for (name, line) in reached(&file.words, "hyper_util") {
            if name == "client" {
                wrong.push(format!("{}:{line}: hyper_util::{name}", file.path));
            }
        }
    }
    none("HTTP clients outside src/egress", &wrong);
}

#[test]
fn every_test_runs() {
    let mut wrong = Vec::new();
    for file in tree::rust("src/").chain(tree::rust("tests/")) {
        for three in file.words.windows(3) {
            if three[0].kind == Kind::Mark('#')
                && three[1].kind == Kind::Mark('[')
                && three[2].is_name("ignore")
            {
                wrong.push(format!("{}:{}", file.path, three[2].line));
            }
        }
    }
    none("ignored tests", &wrong);
}

#[test]
fn dependencies_come_from_the_registry() {
    let mut wrong = Vec::new();
    for file in tree::everything() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let bad: &[&str] = match name {
            "Cargo.toml" => &["git =", "[patch", "git=", "registry ="],
            "Cargo.lock" => &["git+"],
            // An address in a lock file ties it to one mirror.
            "package-lock.json" => &["\"resolved\""],
            _ => continue,
        };
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or_default();
            if bad.iter().any(|bad| code.contains(bad)) {
                wrong.push(format!("{}:{}: {line}", file.path, number + 1));
            }
        }
    }
    none("dependencies from elsewhere", &wrong);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    // Put together here, so that this file does not name them.
    let folders = ["work", "root", "Users"].map(|name| format!("/{name}/"));
    let mut wrong = Vec::new();
    for file in tree::everything() {
        for (number, line) in file.text.lines().enumerate() {
            if folders.iter().any(|folder| line.contains(folder)) {
                wrong.push(format!("{}:{}: {line:.100}", file.path, number + 1));
            }
        }
    }
    none("folders of one machine", &wrong);
}

/// The floor of a top-level module, counted from 1.
fn floor(module: &str) -> Option<usize> {
    let at = FLOORS.iter().position(|floor| floor.contains(&module))?;
    Some(at + 1)
}

/// Every knowledge of a module of ours: file, who knows, who is known, line.
fn imports() -> Vec<(String, String, String, usize)> {
    let mut found = Vec::new();
    for file in tree::rust("src/") {
        let module = file.module();
        // The library lists its modules and the binary starts one: neither is part of the floors'
        // traffic, but the binary may not be known.
        if module == ["lib"] {
            continue;
        }
        let mut reached = reached(&file.words, "crate");
        reached.extend(reached_by_super(&file.words, module.len()));
        for (to, line) in reached {
            // Items of `lib.rs` itself, such as macros and constants, are everybody's.
            if to.starts_with(char::is_lowercase) {
                found.push((file.path.clone(), module[0].to_owned(), to, line));
            }
        }
    }
    assert!(
        !found.is_empty(),
        "no imports were found: the reader is broken"
    );
    found
}

/// The names right behind `root::`, also those of `root::{a::x, b}`.
fn reached(words: &[Word], root: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        if pair[0].is_name(root) && pair[1].kind == Kind::PathSeparator {
            found.extend(first_names(&words[at + 2..]));
        }
    }
    found
}

/// The names right behind a chain of `super::` that is long enough to reach the crate's root.
fn reached_by_super(words: &[Word], depth_of_file: usize) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let (mut braces, mut inline) = (0_usize, Vec::new());
    let mut at = 0;
    while at < words.len() {
        match &words[at].kind {
            Kind::Mark('{') => {
                braces += 1;
                if at >= 2 && words[at - 2].is_name("mod") {
                    inline.push(braces);
                }
            }
            Kind::Mark('}') => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces = braces.saturating_sub(1);
            }
            Kind::Name(name) if name == "super" => {
                let mut supers = 0;
                while words.get(at).is_some_and(|word| word.is_name("super")) {
                    supers += 1;
                    at += 2;
                }
                if supers >= depth_of_file + inline.len() {
                    found.extend(first_names(words.get(at..).unwrap_or_default()));
                }
                continue;
            }
            Kind::Name(_) | Kind::Text(_) | Kind::PathSeparator | Kind::Mark(_) => {}
        }
        at += 1;
    }
    found
}

/// `a::b` gives `a`; `{a::b, c::{d}}` gives `a` and `c`.
fn first_names(words: &[Word]) -> Vec<(String, usize)> {
    let Some(first) = words.first() else {
        return Vec::new();
    };
    if let Some(name) = first.name() {
        return vec![(name.to_owned(), first.line)];
    }
    let (mut found, mut depth, mut fresh) = (Vec::new(), 0, false);
    for word in words {
        match &word.kind {
            Kind::Mark('{') => {
                depth += 1;
                fresh = depth == 1;
            }
            Kind::Mark('}') => depth -= 1,
            Kind::Mark(',') => fresh = depth == 1,
            Kind::Name(name) if fresh && depth == 1 => {
                found.push((name.clone(), word.line));
                fresh = false;
            }
            Kind::Name(_) | Kind::Text(_) | Kind::PathSeparator | Kind::Mark(_) => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// A way from `start` back to it.
fn way_back(knows: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in knows.get(way.last()?).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(next.clone());
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn the_reader_sees_every_way_to_name_a_module() {
    let source = "
        use crate::{ids::LicenseId, names::{PlanName, ToolName}, quota};
        fn f() -> crate::config::Config { todo }
        mod tests { use super::*; use super::super::vault::Vault; }
        use super::http;
    ";
    let words = words::words(source);
    let names = |found: Vec<(String, usize)>| found.into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    assert_eq!(
        names(reached(&words, "crate")),
        ["ids", "names", "quota", "config"]
    );
    assert_eq!(names(reached_by_super(&words, 1)), ["vault", "http"]);

    let knows: BTreeMap<String, BTreeSet<String>> = [("a", "b"), ("b", "c"), ("c", "a")]
        .map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()])))
        .into();
    assert_eq!(way_back(&knows, "a").map(|way| way.len()), Some(4));
}
