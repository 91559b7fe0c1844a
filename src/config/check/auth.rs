//! `auth`: spans in their bounds, schemes and hosts that are some, and a way in for somebody.

use url::{Host, Url};

use super::{
    super::{
        Config, Span,
        auth::{AcceptDocuments, AuthConfig, ClientDocumentsConfig, OPEN_SENTENCE},
        findings::{Findings, Spot},
    },
    Coverage, Scope,
    gateway::is_loopback,
    issuer,
};

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// Schemes that a browser itself acts on: no program of their own answers to them.
const NOT_FOR_PROGRAMS: [&str; 8] = [
    "http",
    "https",
    "javascript",
    "data",
    "file",
    "blob",
    "about",
    "vbscript",
];

pub(super) fn check(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    let at = Spot::root(scope.main).key("auth");
    let auth = &config.auth;
    open(config, scope, &at.key("open"), findings);
    oauth(auth, &at.key("oauth"), findings);
    let lifetime = &at.key("session_tokens").key("lifetime");
    between(
        auth.session_tokens.lifetime,
        (Span::seconds(MINUTE), Span::seconds(DAY)),
        lifetime,
        findings,
    );
    issuer::check_all(&auth.issuers, &at.key("issuers"), findings);
    let nobody = !auth.license_keys
        && !auth.oauth.enabled
        && !auth.session_tokens.enabled
        && auth.issuers.is_empty()
        && auth.open.is_none();
    if nobody {
        findings.error(
            &at.key("license_keys"),
            "nobody can call: license keys, sign-in, session tokens and issuers are all off",
            "leave `license_keys` out, or switch one of the others on",
        );
    }
}

fn between(span: Span, (least, most): (Span, Span), at: &Spot<'_>, findings: &mut Findings) {
    if span < least {
        findings.error(at, format!("must be at least {least}"), "raise it");
    } else if span > most {
        findings.error(at, format!("must be at most {most}"), "lower it");
    }
}

fn oauth(auth: &AuthConfig, at: &Spot<'_>, findings: &mut Findings) {
    let oauth = &auth.oauth;
    let minute = Span::seconds(MINUTE);
    for (name, span, least, most) in [
        (
            "access_token",
            oauth.access_token,
            Span::seconds(5 * MINUTE),
            Span::seconds(DAY),
        ),
        ("absolute", oauth.absolute, minute, Span::seconds(400 * DAY)),
        ("browser", oauth.browser, minute, Span::seconds(30 * DAY)),
    ] {
        between(span, (least, most), &at.key(name), findings);
    }
    if oauth.idle < minute {
        between(oauth.idle, (minute, minute), &at.key("idle"), findings);
    } else if oauth.idle > oauth.absolute {
        findings.error(
            &at.key("idle"),
            format!("longer than `absolute`, which is {}", oauth.absolute),
            "lower it, or raise `absolute`",
        );
    }
    client_documents(
        &oauth.client_documents,
        &at.key("client_documents"),
        findings,
    );
    let at = at.key("registration");
    if oauth.registration.enabled && oauth.registration.most == 0 {
        findings.error(&at.key("most"), "must be at least 1", "raise it");
    }
    for (i, scheme) in oauth.registration.schemes.iter().enumerate() {
        if let Some((message, fix)) = scheme_fault(scheme) {
            findings.error(&at.key("schemes").index(i), message, fix);
        }
    }
}

/// RFC 3986 section 3.1, and nothing a browser would run, show or fetch itself.
fn scheme_fault(scheme: &str) -> Option<(&'static str, &'static str)> {
    let is_scheme = scheme.len() <= 64
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme {
        return Some((
            "not a scheme (RFC 3986 section 3.1)",
            "write the word before the colon alone: `cursor`",
        ));
    }
    let lower = scheme.to_ascii_lowercase();
    NOT_FOR_PROGRAMS.contains(&lower.as_str()).then_some((
        "a scheme that browsers act on themselves",
        "name the private scheme of a desktop program; `https` and loopback `http` always work",
    ))
}

fn client_documents(documents: &ClientDocumentsConfig, at: &Spot<'_>, findings: &mut Findings) {
    if documents.accept == AcceptDocuments::Listed && documents.hosts.is_empty() {
        findings.error(
            &at.key("accept"),
            "`listed`, and no host is",
            "name some under `hosts`, such as `claude.ai`; or write `off`",
        );
    }
    for (i, host) in documents.hosts.iter().enumerate() {
        if !is_place(host) {
            findings.error(
                &at.key("hosts").index(i),
                "not a host name",
                "write the name alone, in lower case: `claude.ai`; with a port only where it is not 443",
            );
        }
    }
    issuer::networks(&documents.allow_special_use, at, findings);
}

/// A DNS name, with a port where that is not the one of https.
fn is_place(text: &str) -> bool {
    match text.split_once(':') {
        None => is_host_name(text),
        Some((name, port)) => {
            let number = port.parse::<u16>().ok();
            let is_port = number.is_some_and(|n| n != 0 && n != 443 && n.to_string() == port);
            is_port && is_host_name(name)
        }
    }
}

/// A DNS name as a URL would print it.
fn is_host_name(text: &str) -> bool {
    matches!(Host::parse(text), Ok(Host::Domain(name)) if name == text)
        && !text.contains('*')
        && !text.ends_with('.')
}

fn open(config: &Config, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    let Some(open) = &config.auth.open else {
        return;
    };
    if open.i_understand_that != OPEN_SENTENCE {
        findings.error(
            &at.key("i_understand_that"),
            "the sentence is not written out exactly",
            format!("write: {OPEN_SENTENCE}"),
        );
    }
    if !config.listen.public.ip().is_loopback() {
        findings.error(
            at,
            "open access is only for a loopback address",
            "set `listen.public` to `127.0.0.1:8080`, or remove `auth.open`",
        );
    }
    let is_public = |url: &Url| !is_loopback(url);
    if config.public_url.as_ref().is_some_and(is_public) {
        findings.error(
            at,
            "open access behind a public address",
            "remove `public_url`, or remove `auth.open`",
        );
    }
    if scope.coverage == Coverage::Whole && !config.plans.contains_key(&open.plan) {
        findings.error(
            &at.key("plan"),
            "there is no such plan",
            "name one of `plans`",
        );
    }
}
