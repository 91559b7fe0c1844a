//! `providers`: complete, at addresses that are what they look like, with scopes that refer to each other.

use std::collections::HashSet;

use super::{
    super::{
        Config,
        findings::{Findings, Spot},
        provider::{Pkce, ProviderConfig, Revoke, ScopeSeparator, presets},
    },
    Scope, base_url, header, issuer, visible,
};
use crate::names::{ProviderName, ScopeName};

/// What the gateway itself says at `authorize_url`.
const OURS: [&str; 9] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "request",
    "response_type",
    "scope",
    "state",
];

pub(super) fn check_all(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    for (name, own) in &config.providers {
        let at = Spot::root(scope.main).key("providers").key(name.as_str());
        check(name, own, &at, findings);
    }
}

fn check(name: &ProviderName, own: &ProviderConfig, at: &Spot<'_>, findings: &mut Findings) {
    let (Some(preset), Ok(whole)) = (own.preset(), own.whole(name)) else {
        let known: Vec<&str> = presets().keys().map(ProviderName::as_str).collect();
        let fix = format!("choose one of {}, or leave it out", known.join(", "));
        findings.error(&at.key("like"), "no preset has this name", fix);
        return;
    };
    addresses(own, preset, &whole, at, findings);
    if let Some(title) = &own.title {
        visible(title, &at.key("title"), findings);
    }
    if own.pkce == Some(Pkce::None) {
        findings.warning(
            &at.key("pkce"),
            "without it whoever steals a code can connect the account elsewhere",
            "write `s256`, unless the provider refuses it",
        );
    }
    if (own.access_token_lifetime).is_some_and(|span| span.duration().is_zero()) {
        findings.error(
            &at.key("access_token_lifetime"),
            "must be more than 0",
            "write `1h`",
        );
    }
    if let Some(fault) = own
        .attach_header
        .as_deref()
        .and_then(header::credential_fault)
    {
        findings.error(
            &at.key("attach_header"),
            fault,
            "name the header that the API reads",
        );
    }
    parameters(own, &at.key("authorize_parameters"), findings);
    scopes(own, &whole, at, findings);
}

fn addresses(
    own: &ProviderConfig,
    preset: &ProviderConfig,
    whole: &ProviderConfig,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    issuer::networks(&own.allow_special_use, at, findings);
    let revokes = whole.revoke.is_some_and(|how| how != Revoke::None);
    for (key, needed) in [
        ("authorize_url", whole.authorize_url.is_none()),
        ("token_url", whole.token_url.is_none()),
        ("revoke_url", revokes && whole.revoke_url.is_none()),
    ] {
        if needed {
            let fix = format!("add `{key}:`, or start from a preset: `like: google`");
            findings.error(at, format!("`{key}` is missing"), fix);
        }
    }
    let all = [
        ("issuer", &own.issuer, &preset.issuer),
        ("authorize_url", &own.authorize_url, &preset.authorize_url),
        ("token_url", &own.token_url, &preset.token_url),
        ("revoke_url", &own.revoke_url, &preset.revoke_url),
        (
            "permissions_url",
            &own.permissions_url,
            &preset.permissions_url,
        ),
    ];
    for (key, text, _) in all {
        let Some(text) = text else { continue };
        if let Err((message, fix)) = base_url::judge(text, &whole.allow_special_use) {
            let message = match message {
                message if message.contains("placeholder") => "holds a brace or a dollar",
                message => message,
            };
            let fix = match fix {
                fix if fix.contains("allow_special_use") || fix.contains("write `https:`") => fix,
                _ => "write an https address without query, fragment and user",
            };
            findings.error(&at.key(key), message, fix);
        }
    }
    if own.revoke_url.is_some() && !revokes {
        findings.error(
            &at.key("revoke_url"),
            "never called, because `revoke` is `none`",
            "add `revoke: rfc7009`",
        );
    }
    let kept: Vec<String> = all
        .iter()
        .filter(|(_, own, preset)| own.is_none() && preset.is_some())
        .map(|(key, ..)| format!("`{key}`"))
        .collect();
    if !kept.is_empty() && all.iter().any(|(_, own, _)| own.is_some()) {
        findings.warning(
            at,
            format!("still the preset's: {}", kept.join(", ")),
            "write these too, or none of them: tokens and secrets go there",
        );
    }
}

fn parameters(own: &ProviderConfig, at: &Spot<'_>, findings: &mut Findings) {
    for (name, value) in &own.authorize_parameters {
        let at = at.key(name);
        if OURS.contains(&name.as_str()) {
            findings.error(&at, "the gateway sets this one itself", "remove it");
        }
        if name.is_empty() || name.contains(|c: char| c.is_control() || c.is_whitespace()) {
            findings.error(&at, "not a parameter name", "write its name alone");
        }
        visible(value, &at, findings);
    }
}

fn scopes(
    own: &ProviderConfig,
    whole: &ProviderConfig,
    provider: &Spot<'_>,
    findings: &mut Findings,
) {
    let catalogue: HashSet<&ScopeName> = whole.scopes.iter().map(|scope| &scope.name).collect();
    let refers = |name: &ScopeName, at: &Spot<'_>, findings: &mut Findings| {
        if !catalogue.contains(name) {
            findings.error(
                at,
                "no scope in the catalogue has this name",
                "add it to `scopes`, with a title and its access",
            );
        }
    };
    for (i, name) in own.always_scopes.iter().enumerate() {
        refers(name, &provider.key("always_scopes").index(i), findings);
    }
    let separators = [whole.scope_separator, whole.granted_scope_separator];
    let mut known = HashSet::new();
    for (i, scope) in own.scopes.iter().enumerate() {
        let at = provider.key("scopes").index(i);
        if !known.insert(&scope.name) {
            findings.error(
                &at.key("name"),
                "this scope stands here twice",
                "join the two",
            );
        }
        if scope.title.trim().is_empty() {
            findings.error(
                &at.key("title"),
                "must not be empty",
                "say what a person lets us do: `See your reports`",
            );
        }
        visible(&scope.title, &at.key("title"), findings);
        if separators.contains(&Some(ScopeSeparator::Comma)) && scope.name.as_str().contains(',') {
            findings.error(
                &at.key("name"),
                "holds a comma, which stands between scopes here",
                "write one scope an entry",
            );
        }
        for (i, name) in scope.implies.iter().enumerate() {
            refers(name, &at.key("implies").index(i), findings);
        }
    }
}
