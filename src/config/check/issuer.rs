//! `auth.issuers`: addresses that cannot be taken for others, and a license for every token.

use std::collections::HashSet;

use ipnet::IpNet;
use url::Url;

use super::{
    super::{
        auth::IssuerConfig,
        findings::{Findings, Spot},
    },
    base_url,
    gateway::is_loopback,
};

pub(super) fn check_all(issuers: &[IssuerConfig], at: &Spot<'_>, findings: &mut Findings) {
    let mut known = HashSet::new();
    for (i, issuer) in issuers.iter().enumerate() {
        let at = at.index(i);
        check(issuer, &at, findings);
        if !known.insert(issuer.issuer.as_str()) {
            findings.error(
                &at.key("issuer"),
                "this issuer stands here twice",
                "join the two",
            );
        }
    }
}

/// Special-use networks that may be called nevertheless: never all of them.
pub(super) fn networks(allowed: &[IpNet], at: &Spot<'_>, findings: &mut Findings) {
    for (i, network) in allowed.iter().enumerate() {
        if network.prefix_len() == 0 {
            findings.error(
                &at.key("allow_special_use").index(i),
                "every address would be allowed",
                "name the network that is meant",
            );
        }
    }
}

fn check(issuer: &IssuerConfig, at: &Spot<'_>, findings: &mut Findings) {
    networks(&issuer.allow_special_use, at, findings);
    if let Err((message, fix)) = address(&issuer.issuer, &issuer.allow_special_use) {
        findings.error(&at.key("issuer"), message, fix);
    }
    if let Some(url) = &issuer.jwks_url
        && let Err((message, fix)) = address(url.as_str(), &issuer.allow_special_use)
    {
        findings.error(&at.key("jwks_url"), message, fix);
    }
    if issuer.algorithms.is_empty() {
        findings.error(
            &at.key("algorithms"),
            "no signature would be accepted",
            "leave it out, or name one: `RS256`",
        );
    }
    for (i, audience) in issuer.audiences.iter().enumerate() {
        if audience.trim().is_empty() {
            findings.error(
                &at.key("audiences").index(i),
                "must not be empty",
                "write what stands in `aud`",
            );
        }
    }
    for (i, scope) in issuer.scopes.iter().enumerate() {
        // RFC 6749 section 3.3.
        let is_scope = !scope.is_empty()
            && scope
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !is_scope {
            findings.error(
                &at.key("scopes").index(i),
                "not a scope (RFC 6749 section 3.3)",
                "write one word: visible ASCII without quotes and backslashes",
            );
        }
    }
    let at = at.key("license");
    if issuer.license.claim.trim().is_empty() {
        findings.error(
            &at.key("claim"),
            "must not be empty",
            "name the claim that says whose token it is: `org_id`",
        );
    }
    if issuer.license.map.contains_key("") {
        findings.error(
            &at.key("map"),
            "an empty value stands for nobody",
            "write the claim's value: `acme: lic_…`",
        );
    }
}

fn address(text: &str, allowed: &[IpNet]) -> Result<(), base_url::Fault> {
    base_url::judge(text, allowed).map_err(|(message, fix)| {
        let fix = match fix {
            fix if fix.contains("api.example.com") || fix.contains("credential") => {
                "write an https address alone: `https://login.example.com`"
            }
            fix => fix,
        };
        (message, fix)
    })?;
    let in_the_clear =
        Url::parse(text).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url));
    if in_the_clear {
        return Err((
            "`http:` is not encrypted: whoever is on the way could sign tokens",
            "write `https:`; `http:` is only for loopback hosts",
        ));
    }
    Ok(())
}
