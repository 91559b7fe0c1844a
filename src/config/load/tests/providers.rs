//! `providers:` — what `check` says about them.

use super::*;

/// Problems of `providers:` with these entries, as `path: message`.
fn found(providers: &str) -> Vec<String> {
    problems(&format!("{GOOD}providers:\n{providers}"))
        .into_iter()
        .filter(|problem| problem.path.starts_with("providers"))
        .map(|problem| {
            assert!(problem.line.is_some_and(|line| line > 21), "{problem}");
            assert!(!problem.fix.is_empty());
            format!("{}: {}", problem.path, problem.message)
        })
        .collect()
}

#[test]
fn good_providers_have_no_findings() {
    let good = "  mine:
    authorize_url: https://id.example.com/authorize
    token_url: https://id.example.com/token
    revoke_url: https://id.example.com/revoke
    revoke: rfc7009
    scopes: [{ name: read, title: Read, access: read }, { name: all, title: All, access: write, implies: [read] }]
  inside:
    like: google
    issuer: http://127.0.0.1:9
    authorize_url: http://127.0.0.1:9/authorize
    token_url: http://127.0.0.1:9/token
    revoke_url: http://127.0.0.1:9/revoke
    allow_special_use: [127.0.0.0/8]
  sp-api: { like: amazon, attach_header: x-amz-access-token }\n";
    assert_eq!(found(good), [""; 0]);
}

/// A provider `p`, and what its finding begins with.
const FAULTS: &[(&str, &str)] = &[
    ("{ like: gogle }", "p.like: no preset has this name"),
    (
        "{ token_url: 'https://x.example.com' }",
        "p: `authorize_url` is missing",
    ),
    (
        "{ authorize_url: 'https://x.example.com' }",
        "p: `token_url` is missing",
    ),
    (
        "{ like: amazon, revoke: rfc7009 }",
        "p: `revoke_url` is missing",
    ),
    (
        "{ like: amazon, revoke_url: 'https://x.example.com' }",
        "p.revoke_url: never called, because `revoke` is `none`",
    ),
    (
        "{ like: google, token_url: 'http://x.example.com/token' }",
        "p.token_url: `http:` is not encrypted",
    ),
    (
        "{ like: google, token_url: 'https://u:p@x.example.com/token' }",
        "p.token_url: has a user or an `@`",
    ),
    (
        "{ like: google, authorize_url: 'https://x.example.com/a?b=c' }",
        "p.authorize_url: has a query or a fragment",
    ),
    (
        "{ like: google, issuer: 'https://x.example.com/#a' }",
        "p.issuer: has a query or a fragment",
    ),
    (
        "{ like: google, token_url: 'https://x.example.com/{tenant}' }",
        "p.token_url: holds a brace or a dollar",
    ),
    (
        "{ like: google, token_url: 'https://127.0.0.1/token' }",
        "p.token_url: the address is private, loopback or reserved",
    ),
    (
        "{ like: google, token_url: 'https://x.example.com/token' }",
        "p: still the preset's: `issuer`, `authorize_url`, `revoke_url`",
    ),
    (
        "{ like: google, allow_special_use: [0.0.0.0/0] }",
        "p.allow_special_use[0]: every address would be allowed",
    ),
    (
        "{ like: google, authorize_parameters: { state: x } }",
        "p.authorize_parameters.state: the gateway sets this one itself",
    ),
    (
        "{ like: google, attach_header: Host }",
        "p.attach_header: this header belongs to the connection",
    ),
    (
        "{ like: google, access_token_lifetime: 0s }",
        "p.access_token_lifetime: must be more than 0",
    ),
    (
        "{ like: google, pkce: none }",
        "p.pkce: without it whoever steals a code can connect the account elsewhere",
    ),
    (
        "{ like: google, always_scopes: [nothing] }",
        "p.always_scopes[0]: no scope in the catalogue has this name",
    ),
    (
        "{ like: google, scopes: [{ name: a, title: A, access: read, implies: [b] }] }",
        "p.scopes[0].implies[0]: no scope in the catalogue has this name",
    ),
    (
        "{ like: google, scopes: [{ name: a, title: ' ', access: read }] }",
        "p.scopes[0].title: must not be empty",
    ),
    (
        "{ like: google, scopes: [{ name: a b, title: A, access: read }] }",
        "p.scopes[0].name: is not spelled right",
    ),
    (
        "{ like: meta, scopes: [{ name: 'a,b', title: A, access: read }] }",
        "p.scopes[0].name: holds a comma, which stands between scopes here",
    ),
    (
        "{ like: google, secret: x }",
        "p.secret: unknown key `secret`",
    ),
    (
        "{ like: google, refresh: often }",
        "p.refresh: must be one of",
    ),
];

#[test]
fn each_fault_of_a_provider_is_found() {
    for (provider, wanted) in FAULTS {
        let found = found(&format!("  p: {provider}\n"));
        let wanted = format!("providers.{wanted}");
        let fits = found.iter().any(|found| found.starts_with(&wanted));
        assert!(fits, "{provider}: {found:?}");
    }
    let twice = "  p: { like: google, scopes: [{ name: a, title: A, access: read }, { name: a, title: B, access: read }] }\n";
    assert_eq!(
        found(twice),
        ["providers.p.scopes[1].name: this scope stands here twice"]
    );
    assert_eq!(
        found("  P: { like: google }\n"),
        ["providers.P: not a valid name"]
    );
}
