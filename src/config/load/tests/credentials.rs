//! `credential:` — what `check` says about every kind.

use super::*;

/// What is found for an upstream with this credential and this argument besides, as
/// `severity path: message`. Each has a line and a fix, and repeats no value.
fn found_with(credential: &str, argument: &str) -> Vec<String> {
    let text = GOOD
        .replace(
            "credential: { header: X-Key, value: { env: KEY } }",
            &format!("credential: {credential}"),
        )
        .replace("view: { enum", &format!("{argument}: {{ enum"))
        .replace("view: $view", &format!("view: ${argument}"));
    let found = problems(&text);
    found
        .into_iter()
        .filter(|problem| {
            let path = &problem.path;
            !path.contains("account.scopes[") && !path.ends_with("tools[0]")
        })
        .map(|problem| {
            assert!(problem.line.is_some_and(|line| line > 7), "{problem}");
            assert!(!problem.fix.is_empty() && !problem.message.contains("CANARY"));
            let path = problem.path.trim_start_matches("upstreams.crm.rest.");
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            format!("{severity} {path}: {}", problem.message)
        })
        .collect()
}

fn found(credential: &str) -> Vec<String> {
    found_with(credential, "view")
}

const GOOD_ONES: &[&str] = &[
    "{ header: X-Key }",
    "{ query: key }",
    "{ bearer: {} }",
    "{ basic: { username: gateway } }",
    "{ sigv4: { region: eu-west-1, service: execute-api, access_key_id: AKIDEXAMPLE } }",
    "{ sigv4: { region: eu-west-1, service: execute-api, access_key_id: ASIAEXAMPLE, session_token: { env: KEY } }, value: { env: KEY } }",
    "{ client_credentials: { token_url: 'https://id.example.com/token', client_id: us, scopes: [a], audience: b, header: X-Token } }",
    "{ service_account: { scopes: [a], subject: ann@example.com } }",
    "{ login_with_amazon: { client_id: us, client_secret: { env: KEY }, header: x-amz-access-token } }",
];

#[test]
fn every_kind_can_be_written_without_findings() {
    for good in GOOD_ONES {
        assert_eq!(found(good), [""; 0], "{good}");
    }
}

/// A credential, and how what is said about it begins.
const FAULTS: &[(&str, &str)] = &[
    (
        "{}",
        "error credential: a credential needs exactly one kind",
    ),
    (
        "{ header: X-Key, bearer: {} }",
        "error credential: a credential needs exactly one kind",
    ),
    (
        "{ header: Host }",
        "error credential.header: this header belongs to the connection",
    ),
    (
        "{ query: 'a CANARY' }",
        "error credential.query: not a parameter name",
    ),
    (
        "{ basic: { username: 'a:CANARY' } }",
        "error credential.basic.username: a user name has no colon",
    ),
    (
        "{ sigv4: { region: 'eu west', service: s3, access_key_id: AKID } }",
        "error credential.sigv4.region: must be small letters",
    ),
    (
        "{ sigv4: { region: eu-west-1, service: '', access_key_id: AKID } }",
        "error credential.sigv4.service: must be small letters",
    ),
    (
        "{ sigv4: { region: eu-west-1, service: s3, access_key_id: 'AK/CANARY+' } }",
        "error credential.sigv4.access_key_id: not the id of an access key",
    ),
    (
        "{ sigv4: { region: eu-west-1, service: s3, access_key_id: ASIAEXAMPLE } }",
        "warning credential.sigv4: a temporary access key without its `session_token`",
    ),
    (
        "{ sigv4: { region: eu-west-1, service: s3, access_key_id: AKID, session_token: { env: NONE } } }",
        "error credential.sigv4.session_token: ",
    ),
    (
        "{ client_credentials: { token_url: 'http://id.example.com/token', client_id: us } }",
        "error credential.client_credentials.token_url: `http:` is not encrypted",
    ),
    (
        "{ client_credentials: { token_url: 'https://127.0.0.1/token', client_id: us } }",
        "error credential.client_credentials.token_url: the address is private",
    ),
    (
        "{ client_credentials: { token_url: 'https://us:CANARY@id.example.com/token', client_id: us } }",
        "error credential.client_credentials.token_url: has a user or an `@`",
    ),
    (
        "{ client_credentials: { token_url: 'https://id.example.com/token#CANARY', client_id: us } }",
        "error credential.client_credentials.token_url: has a query or a fragment",
    ),
    (
        "{ client_credentials: { token_url: 'https://id.example.com/token', client_id: '' } }",
        "error credential.client_credentials.client_id: empty",
    ),
    (
        "{ client_credentials: { token_url: 'https://id.example.com/token', client_id: us, header: Connection } }",
        "error credential.client_credentials.header: this header belongs to the connection",
    ),
    (
        "{ service_account: { scopes: [] } }",
        "error credential.service_account.scopes: must not be empty",
    ),
    (
        "{ service_account: { scopes: [a], token_url: 'ftp://id.example.com' } }",
        "error credential.service_account.token_url: neither `https:` nor `http:`",
    ),
    (
        "{ login_with_amazon: { client_id: us, client_secret: { env: NONE } } }",
        "error credential.login_with_amazon.client_secret: ",
    ),
    (
        "{ login_with_amazon: { client_id: us, client_secret: { env: KEY }, header: 'a b' } }",
        "error credential.login_with_amazon.header: not a header name",
    ),
    (
        "{ account: { provider: google, client_id: us, scopes: [openid] }, value: { env: KEY } }",
        "error credential.value: each license connects its own account",
    ),
    (
        "{ account: { provider: google, client_id: us, client_secret: { env: NONE }, scopes: [openid] } }",
        "error credential.account.client_secret: ",
    ),
    (
        "{ account: { provider: google, client_id: us, scopes: [openid], header: Host } }",
        "error credential.account.header: this header belongs to the connection",
    ),
    (
        "{ account: { provider: google, client_id: 'a b', scopes: [openid] } }",
        "error credential.account.client_id: empty, or with spaces",
    ),
    (
        "{ account: { provider: google, client_id: us, scopes: [openid], choose_by: 'which one' } }",
        "error credential.account.choose_by: not the name of an argument",
    ),
    (
        "{ account: { provider: google, client_id: us, scopes: [openid], choose_by: id } }",
        "error tools[0].input.properties.id: tool `get` has an argument of the name",
    ),
];

#[test]
fn each_fault_of_a_credential_is_found_once() {
    for (credential, wanted) in FAULTS {
        let found = found(credential);
        let fits = found.iter().filter(|found| found.starts_with(wanted));
        assert_eq!(fits.count(), 1, "{credential}: {found:?}");
        assert_eq!(found.len(), 1, "{credential}: {found:?}");
    }
}

#[test]
fn a_provider_that_wants_a_secret_is_told_apart() {
    let without = |provider: &str, like: &str| {
        let text = GOOD.replace(
            "credential: { header: X-Key, value: { env: KEY } }",
            &format!(
                "credential: {{ account: {{ provider: {provider}, client_id: us, scopes: [openid] }} }}"
            ),
        );
        let text = format!("{text}providers:\n  mine: {like}\n");
        let found = problems(&text).into_iter();
        let about = found.filter(|problem| problem.message.starts_with("no `client_secret`"));
        about.map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(without("mine", "{ like: google }"), [""; 0]);
    let basic = without("mine", "{ like: google, client_auth: basic }");
    assert!(basic.len() == 1 && basic[0].contains("`Authorization: Basic`"));
    let open = without("mine", "{ like: google, client_auth: body, pkce: none }");
    assert!(open.len() == 1 && open[0].contains("steals a code"));
    // An unknown provider is told once, by who judges scopes.
    assert_eq!(without("nobody", "{ like: google }"), [""; 0]);
}
