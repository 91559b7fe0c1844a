//! Scopes of tools and accounts — what `check` says about them.

use super::*;

const ANALYTICS: &str = "https://www.googleapis.com/auth/analytics";

/// What is found for an upstream of these accounts and these entries in its tool, as `path: message`
/// with the fix behind it; `A` stands for Google's scope for Analytics.
fn found(credential: &str, tool: &str) -> Vec<String> {
    let text = GOOD
        .replace(
            "credential: { header: X-Key, value: { env: KEY } }",
            &format!("credential: {credential}"),
        )
        .replace("read_only: true", tool)
        .replace("=A", ANALYTICS);
    let found = problems(&text);
    found
        .into_iter()
        .map(|problem| {
            let path = problem.path.trim_start_matches("upstreams.crm.rest.");
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            format!("{severity} {path}: {} | {}", problem.message, problem.fix)
                .replace(ANALYTICS, "=A")
        })
        .collect()
}

fn account(scopes: &str) -> String {
    format!("{{ account: {{ provider: google, client_id: us, scopes: {scopes} }} }}")
}

#[test]
fn scopes_within_the_ceiling_have_no_findings() {
    let good = account("[=A.readonly]");
    assert_eq!(
        found(&good, "read_only: true\n          scopes: [=A.readonly]"),
        [""; 0]
    );
    assert_eq!(found(&account("[=A]"), "scopes: [=A]"), [""; 0]);
}

#[test]
fn a_tool_may_not_need_more_than_the_ceiling() {
    let wider = found(&account("[=A.readonly]"), "scopes: [=A, =A.readonly]");
    assert_eq!(
        wider,
        [
            "error tools[0].scopes[0]: tool `get` needs `=A`, which `credential.account.scopes` does \
          not allow | add `=A` to `credential.account.scopes`, or name a narrower one"
        ]
    );
    // A wider one in the ceiling covers what it implies, and is told to be too wide.
    assert_eq!(
        found(&account("[=A]"), "scopes: [=A.readonly]"),
        [
            "warning credential.account.scopes[0]: `=A` is wider than what tools need | \
          write `=A.readonly` in its place"
        ]
    );
    let nothing = found(&account("[]"), "scopes: [=A.readonly]");
    assert_eq!(nothing.len(), 1, "{nothing:?}");
    assert!(nothing[0].starts_with("error tools[0].scopes[0]: tool `get` needs"));
}

#[test]
fn a_tool_that_reads_should_not_ask_to_write() {
    assert_eq!(
        found(&account("[=A]"), "read_only: true\n          scopes: [=A]"),
        [
            "warning tools[0].scopes[0]: `=A` lets its holder change things, but the tool is \
          `read_only` | `=A.readonly` only reads"
        ]
    );
    let ads = "https://www.googleapis.com/auth/adwords";
    let tool = format!("read_only: true\n          scopes: ['{ads}']");
    let found = found(&account(&format!("['{ads}']")), &tool);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("| name one that only reads, if the provider has one"));
}

#[test]
fn what_nobody_needs_and_what_nobody_knows_is_told() {
    assert_eq!(
        found(
            &account("[=A.readonly, =A.edit, odd]"),
            "scopes: [=A.readonly, odd]"
        ),
        [
            "warning credential.account.scopes[1]: no tool needs `=A.edit` | remove it: what is \
             not asked for cannot be lost",
            "warning credential.account.scopes[2]: the provider is not known to have a scope \
             `odd` | correct it, or describe it in `scopes` of its entry in `providers:`",
        ]
    );
    let none = found(&account("[]"), "read_only: true");
    assert_eq!(
        none,
        [
            "warning tools[0]: tool `get` says no `scopes`: its call asks for none | write the \
          scopes that its request needs"
        ]
    );
}

#[test]
fn accounts_need_the_pages_on_which_they_are_connected() {
    let text = GOOD
        .replace(
            "credential: { header: X-Key, value: { env: KEY } }",
            &format!("credential: {}", account("[=A.readonly]")),
        )
        .replace("read_only: true", "scopes: [=A.readonly]")
        .replace("=A", ANALYTICS);
    assert_eq!(problems(&text), []);
    let found = problems(&format!("{text}auth: {{ oauth: {{ enabled: false }} }}\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Warning);
    assert_eq!(found[0].path, "upstreams.crm.rest.credential.account");
    assert!(found[0].message.contains("auth.oauth.enabled"));
}

#[test]
fn scopes_need_an_account_of_a_known_provider() {
    assert_eq!(
        found("{ header: X-Key, value: { env: KEY } }", "scopes: [=A]"),
        [
            "error tools[0].scopes: tool `get` names scopes, but no account is connected | remove \
          `scopes`, or connect accounts with `credential: { account: … }`"
        ]
    );
    let unknown = account("[=A]").replace("google", "gogle");
    assert_eq!(
        found(&unknown, "scopes: [=A]"),
        [
            "error credential.account.provider: there is no provider `gogle` | name a preset, or \
          describe it in `providers:`"
        ]
    );
}

#[test]
fn what_is_always_asked_for_stays_within_the_ceiling_too() {
    let providers = "providers: { mine: { like: google, always_scopes: [ 'https://www.googleapis.com/auth/adwords', openid ] } }\nupstreams:";
    let text = GOOD
        .replace("upstreams:", providers)
        .replace(
            "credential: { header: X-Key, value: { env: KEY } }",
            &account("[openid]").replace("google", "mine"),
        )
        .replace("read_only: true", "scopes: [openid]")
        .replace("{ account:", "credential: { account:");
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .message
            .starts_with("`always_scopes` of the provider asks for")
    );
    assert_eq!(found[0].severity, Severity::Error);
}
