//! `credential:` — one kind, complete, with secrets that are there and tokens that come from where they
//! seem to come from. Which scopes accounts may be asked for is judged elsewhere.

use url::Url;

use super::{
    super::{
        Config, CredentialConfig,
        credential::{
            AccountConfig, ClientCredentialsConfig, LoginWithAmazonConfig, ServiceAccountConfig,
            SigV4Config,
        },
        findings::{Findings, Spot},
        provider::{ClientAuthentication, Pkce},
        rest::RestConfig,
    },
    Scope, base_url, header, secret, visible,
};

/// Longest name of an argument that chooses an account.
const LONGEST_ARGUMENT: usize = 64;

/// What is judged of one upstream, whose `rest` is at `rest_at`.
pub(super) fn check(
    rest: &RestConfig,
    config: &Config,
    scope: &Scope<'_>,
    rest_at: &Spot<'_>,
    findings: &mut Findings,
) {
    let Some(wanted) = &rest.credential else {
        return;
    };
    let at = &rest_at.key("credential");
    exactly_one(wanted, at, findings);
    plain(wanted, at, findings);
    if let Some(sigv4) = &wanted.sigv4 {
        signature(sigv4, scope, &at.key("sigv4"), findings);
    }
    if let Some(client) = &wanted.client_credentials {
        client_credentials(client, rest, &at.key("client_credentials"), findings);
    }
    if let Some(account) = &wanted.service_account {
        service_account(account, rest, &at.key("service_account"), findings);
    }
    if let Some(amazon) = &wanted.login_with_amazon {
        let at = at.key("login_with_amazon");
        login_with_amazon(amazon, rest, scope, &at, findings);
    }
    if let Some(account) = &wanted.account {
        connected(account, config, scope, &at.key("account"), findings);
        if let Some(argument) = &account.choose_by {
            choice(argument, rest, rest_at, findings);
        }
    }
    match &wanted.value {
        Some(_) if wanted.account.is_some() => findings.error(
            &at.key("value"),
            "each license connects its own account: there is no secret to read",
            "remove it; our secret at the provider is `account.client_secret`",
        ),
        Some(value) => secret(value, &at.key("value"), scope, findings),
        None => {}
    }
}

fn exactly_one(wanted: &CredentialConfig, at: &Spot<'_>, findings: &mut Findings) {
    let kinds = [
        wanted.header.is_some(),
        wanted.query.is_some(),
        wanted.bearer.is_some(),
        wanted.basic.is_some(),
        wanted.sigv4.is_some(),
        wanted.client_credentials.is_some(),
        wanted.service_account.is_some(),
        wanted.login_with_amazon.is_some(),
        wanted.account.is_some(),
    ];
    if kinds.into_iter().filter(|there| *there).count() != 1 {
        findings.error(
            at,
            "a credential needs exactly one kind, such as `header` or `account`",
            "keep one of them",
        );
    }
}

/// Kinds that send the secret itself.
fn plain(wanted: &CredentialConfig, at: &Spot<'_>, findings: &mut Findings) {
    carried_by(wanted.header.as_deref(), at, findings);
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if (wanted.query.as_ref()).is_some_and(|name| name.is_empty() || name.contains(odd)) {
        findings.error(
            &at.key("query"),
            "not a parameter name",
            "write its name alone",
        );
    }
    let odd = |c: char| c == ':' || c.is_control();
    if (wanted.basic.as_ref()).is_some_and(|basic| basic.username.contains(odd)) {
        findings.error(
            &at.key("basic").key("username"),
            "a user name has no colon and no control character (RFC 7617)",
            "remove it",
        );
    }
}

/// `header` of any kind.
fn carried_by(name: Option<&str>, at: &Spot<'_>, findings: &mut Findings) {
    if let Some(fault) = name.and_then(header::credential_fault) {
        findings.error(
            &at.key("header"),
            fault,
            "name the header that the API reads",
        );
    }
}

fn signature(config: &SigV4Config, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    for (key, text, example) in [
        (
            "region",
            &config.region,
            "write it as AWS does: `eu-west-1`",
        ),
        (
            "service",
            &config.service,
            "write the service's signing name: `execute-api`",
        ),
    ] {
        if text.is_empty() || !text.bytes().all(plain) {
            findings.error(
                &at.key(key),
                "must be small letters, digits and `-`",
                example,
            );
        }
    }
    let id = &config.access_key_id;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if id.is_empty() || !id.bytes().all(word) {
        findings.error(
            &at.key("access_key_id"),
            "not the id of an access key: letters and digits alone",
            "write the one that begins with `AKIA`; the secret is stored apart",
        );
    }
    match &config.session_token {
        Some(token) => secret(token, &at.key("session_token"), scope, findings),
        None if id.starts_with("ASIA") => findings.warning(
            at,
            "a temporary access key without its `session_token`: AWS refuses what it signs",
            "add `session_token: { file: PATH }`, or use a lasting key that may do little",
        ),
        None => {}
    }
}

fn client_credentials(
    config: &ClientCredentialsConfig,
    rest: &RestConfig,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    sold_at(Some(&config.token_url), rest, at, findings);
    client_id(&config.client_id, at, findings);
    carried_by(config.header.as_deref(), at, findings);
    if let Some(audience) = &config.audience {
        visible(audience, &at.key("audience"), findings);
    }
}

fn service_account(
    config: &ServiceAccountConfig,
    rest: &RestConfig,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    sold_at(config.token_url.as_ref(), rest, at, findings);
    if config.scopes.is_empty() {
        findings.error(
            &at.key("scopes"),
            "must not be empty",
            "write the scopes that the tools need",
        );
    }
    if let Some(subject) = &config.subject {
        visible(subject, &at.key("subject"), findings);
    }
}

fn login_with_amazon(
    config: &LoginWithAmazonConfig,
    rest: &RestConfig,
    scope: &Scope<'_>,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    sold_at(config.token_url.as_ref(), rest, at, findings);
    client_id(&config.client_id, at, findings);
    carried_by(config.header.as_deref(), at, findings);
    secret(
        &config.client_secret,
        &at.key("client_secret"),
        scope,
        findings,
    );
}

fn connected(
    config: &AccountConfig,
    all: &Config,
    scope: &Scope<'_>,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    client_id(&config.client_id, at, findings);
    carried_by(config.header.as_deref(), at, findings);
    if let Some(source) = &config.client_secret {
        secret(source, &at.key("client_secret"), scope, findings);
        return;
    }
    // What is wrong with the provider itself is told elsewhere.
    let Ok(provider) = all.provider(&config.provider) else {
        return;
    };
    let add = "add it: `client_secret: { env: NAME }`";
    if provider.client_auth == ClientAuthentication::Basic {
        findings.warning(
            at,
            "no `client_secret`, which this provider wants in `Authorization: Basic`",
            add,
        );
    } else if provider.pkce == Pkce::None {
        findings.warning(
            at,
            "no `client_secret`, and the provider does without PKCE: whoever steals a code can redeem it",
            add,
        );
    }
}

/// The argument stands beside those of every tool.
fn choice(argument: &str, rest: &RestConfig, at: &Spot<'_>, findings: &mut Findings) {
    let begins = argument.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !begins || !argument.chars().all(word) || argument.len() > LONGEST_ARGUMENT {
        findings.error(
            &at.key("credential").key("account").key("choose_by"),
            "not the name of an argument: a letter, then letters, digits and `_`, 64 at most",
            "write a name such as `account`",
        );
        return;
    }
    for (i, tool) in rest.tools.iter().enumerate() {
        if tool.input["properties"].get(argument).is_some() {
            let input = at.key("tools").index(i).key("input");
            findings.error(
                &input.key("properties").key(argument),
                format!(
                    "tool `{}` has an argument of the name that chooses the account",
                    tool.name
                ),
                "rename it, or choose another name in `credential.account.choose_by`",
            );
        }
    }
}

fn client_id(id: &str, at: &Spot<'_>, findings: &mut Findings) {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if id.is_empty() || id.contains(odd) {
        findings.error(
            &at.key("client_id"),
            "empty, or with spaces or control characters",
            "write what the provider's console calls the client id",
        );
    }
}

/// A token endpoint. Secrets go there.
fn sold_at(url: Option<&Url>, rest: &RestConfig, at: &Spot<'_>, findings: &mut Findings) {
    const PLAIN: &str = "write an https address without query, fragment and user";
    let Some(url) = url else { return };
    if let Err((message, fix)) = base_url::judge(url.as_str(), &rest.allow_special_use) {
        let message = match message {
            message if message.contains("placeholder") => "holds a brace or a dollar",
            message => message,
        };
        let fix = match fix {
            fix if fix.contains("allow_special_use") || fix.contains("write `https:`") => fix,
            _ => PLAIN,
        };
        findings.error(&at.key("token_url"), message, fix);
    }
}
