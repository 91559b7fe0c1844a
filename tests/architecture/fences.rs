//! Tenants stay apart in the source already: statements name a tenant, few functions may look over
//! all of them, and nobody gets a credential without saying for whom.

use std::collections::BTreeSet;

use crate::{
    none, tree,
    tree::File,
    words::{Kind, Word},
};

/// Tables whose rows belong to a tenant.
const FENCED: &[&str] = &[
    "credentials",
    "data_keys",
    "connect_attempts",
    "scope_uses",
    "once_calls",
];

/// Who may look over all tenants at once: lists of the command line, keys, clearing up. A function
/// that a request reaches has no place here.
const OVER_ALL: &[(&str, &str)] = &[
    ("src/cli/key/rotate.rs", "run"),
    ("src/store/credentials.rs", "credentials"),
    ("src/store/destruction.rs", "destroy_data_key"),
    ("src/store/destruction.rs", "forget_master_key"),
    ("src/store/key_counts.rs", "key_counts"),
    ("src/store/keys.rs", "data_keys_not_under"),
    ("src/store/keys.rs", "rewrap_data_keys"),
    ("src/store/prune.rs", "prune_once"),
    ("src/store/prune.rs", "prune_scope_uses"),
    ("src/store/prune.rs", "prune_sessions"),
    ("src/store/rotation.rs", "reseal_credentials"),
    // Written and read for all licenses together; holds no secret.
    ("src/store/scope_uses.rs", "note_scope_uses"),
    ("src/store/scope_uses.rs", "scope_uses"),
    // The command line over all tenants, and what it says of each.
    ("src/vault/rotate.rs", "finish"),
    ("src/vault/rotate.rs", "retire_of_the_whole"),
    ("src/vault/verify.rs", "verify"),
];

/// What an opened credential is or stands in.
const OPENED: &[&str] = &["OpenedCredential", "Held", "GrantTokens", "Material"];
/// What proves for whom it is opened.
/// A queued revocation is one: what is in it is good for ending a grant, at its issuer.
const PROOFS: &[&str] = &["Principal", "OperatorAct", "Held", "RevocationRecord"];

/// A function: its name, what it takes and gives, and what it does.
struct Function<'a> {
    name: &'a str,
    /// `pub` without parentheses behind it.
    is_public: bool,
    line: usize,
    signature: &'a [Word],
    body: &'a [Word],
}

/// Every function of a file that has a body, those inside others too.
fn functions(words: &[Word]) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let (true, Some(name)) = (pair[0].is_name("fn"), pair[1].name()) else {
            continue;
        };
        let ends = |word: &Word| matches!(word.kind, Kind::Mark('{' | ';'));
        let Some(length) = words[at..].iter().position(ends) else {
            continue;
        };
        let open = at + length;
        if words[open].kind == Kind::Mark(';') {
            continue;
        }
        let before = words[..at].iter().rev();
        let mut before = before.skip_while(|word| word.is_name("async") || word.is_name("const"));
        found.push(Function {
            name,
            is_public: before.next().is_some_and(|word| word.is_name("pub")),
            line: words[at].line,
            signature: &words[at..open],
            body: braced(&words[open..]),
        });
    }
    found
}

/// From an opening brace to its end.
fn braced(words: &[Word]) -> &[Word] {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word.kind {
            Kind::Mark('{') => depth += 1,
            Kind::Mark('}') => depth -= 1,
            Kind::Name(_) | Kind::Text(_) | Kind::PathSeparator | Kind::Mark(_) => {}
        }
        if depth == 0 {
            return &words[..=at];
        }
    }
    words
}

fn names(words: &[Word], name: &str) -> bool {
    words.iter().any(|word| word.is_name(name))
}

fn is_over_all(words: &[Word]) -> bool {
    words.windows(3).any(|three| {
        three[0].is_name("Fence")
            && three[1].kind == Kind::PathSeparator
            && three[2].is_name("Whole")
    })
}

/// A literal on one line.
fn flat(text: &str) -> String {
    let words = text.replace("\\\n", " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Does this statement touch rows of tenants without naming one?
fn is_open(statement: &str) -> bool {
    let touches = |table: &&&str| {
        ["FROM", "INTO", "UPDATE", "JOIN"].iter().any(|verb| {
            statement
                .match_indices(&format!("{verb} {table}"))
                .any(|(at, found)| {
                    let after = statement[at + found.len()..].chars().next();
                    !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
        })
    };
    if !FENCED.iter().any(|table| touches(&table)) {
        return false;
    }
    // What is written names its tenant as a column, and the policy compares that too.
    let written = statement.starts_with("INSERT INTO")
        && statement
            .split(')')
            .next()
            .is_some_and(|columns| columns.contains("tenant"));
    !written && !statement.contains("tenant = $") && !statement.contains("tenant = 'operator'")
}

/// Statements of a file that are open, with the functions that run them.
fn open_statements(file: &File) -> Vec<String> {
    let words = file.words_before_tests();
    let functions = functions(words);
    let fenced_by_caller =
        |one: &Function<'_>| names(one.signature, "Fence") || is_over_all(one.body);
    let mut wrong = Vec::new();
    let mut constant = "";
    for (at, word) in words.iter().enumerate() {
        if word.is_name("const") {
            constant = words.get(at + 1).and_then(Word::name).unwrap_or_default();
        }
        let Some(text) = word.text() else { continue };
        let statement = flat(text);
        if !is_open(&statement) {
            continue;
        }
        let inside = |one: &&Function<'_>| one.body.iter().any(|own| std::ptr::eq(own, word));
        // A constant of the file is run wherever it is named.
        let is_local = functions.iter().any(|one| inside(&one));
        let runs = |one: &&Function<'_>| inside(one) || (!is_local && names(one.body, constant));
        let mut users = functions.iter().filter(runs).peekable();
        if users.peek().is_none() || !users.all(fenced_by_caller) {
            wrong.push(format!("{}:{}: {statement:.90}", file.path, word.line));
        }
    }
    wrong
}

#[test]
fn statements_name_a_tenant_or_are_known_to_look_over_all() {
    let mut wrong = Vec::new();
    for file in tree::rust("src/store/") {
        wrong.extend(open_statements(file));
    }
    none("statements over tenants' rows that name no tenant", &wrong);
}

#[test]
fn few_functions_look_over_all_tenants() {
    let mut found = BTreeSet::new();
    for file in tree::rust("src/").filter(|file| !file.path.contains("/tests/")) {
        let words = file.words_before_tests();
        let mut all = 0;
        for one in functions(words) {
            if is_over_all(one.body) {
                found.insert((file.path.as_str(), one.name.to_owned()));
                all += 1;
            }
        }
        assert!(
            all > 0 || !is_over_all(words),
            "{}: outside of functions",
            file.path
        );
    }
    let known: BTreeSet<(&str, String)> = OVER_ALL
        .iter()
        .map(|(path, name)| (*path, (*name).to_owned()))
        .collect();
    assert_eq!(found, known, "who may look over all tenants, and OVER_ALL");
}

#[test]
fn nobody_gets_a_credential_without_saying_for_whom() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in tree::rust("src/") {
        // The command line is the operator; a request's body has a `Held` of its own.
        let module = file.module()[0];
        if matches!(module, "cli" | "http") {
            continue;
        }
        for one in functions(file.words_before_tests()) {
            let arrow =
                |two: &[Word]| two[0].kind == Kind::Mark('-') && two[1].kind == Kind::Mark('>');
            let Some(at) = one.signature.windows(2).position(arrow) else {
                continue;
            };
            let (takes, gives) = one.signature.split_at(at);
            if !one.is_public || !OPENED.iter().any(|opened| names(gives, opened)) {
                continue;
            }
            seen += 1;
            if !PROOFS.iter().any(|proof| names(takes, proof)) {
                wrong.push(format!("{}:{}: {}", file.path, one.line, one.name));
            }
        }
    }
    assert!(seen >= 5, "only {seen} were found: the reader is broken");
    none(
        "functions that open credentials for nobody in particular",
        &wrong,
    );
}

#[test]
fn the_reader_of_fences_sees_what_is_open() {
    assert!(is_open("SELECT id FROM credentials WHERE id = $1"));
    assert!(is_open("UPDATE data_keys SET wrapped = $2 WHERE id = $1"));
    assert!(is_open("DELETE FROM scope_uses"));
    assert!(is_open(
        "INSERT INTO connect_attempts (state_digest) VALUES ($1)"
    ));
    assert!(!is_open(
        "SELECT id FROM credentials WHERE id = $1 AND tenant = $2"
    ));
    assert!(!is_open(
        "INSERT INTO data_keys (id, tenant) VALUES ($1, $2)"
    ));
    assert!(!is_open("SELECT id FROM credentials_old"));
    assert_eq!(flat("FROM \\\n     credentials"), "FROM credentials");

    let source = "
        const ALL: &str = \"DELETE FROM scope_uses\";
        impl Store {
            pub async fn a(&self, who: &Principal) -> Arc<OpenedCredential> { run(ALL) }
            pub(super) fn b() -> Held { fenced_write!(self, Fence::Whole, tx => {}) }
        }
    ";
    let words = crate::words::words(source);
    let all = functions(&words);
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.name, one.is_public, is_over_all(one.body)))
        .collect();
    assert_eq!(told, [("a", true, false), ("b", false, true)]);
    assert!(names(all[0].body, "ALL") && !names(all[1].body, "ALL"));
}
