//! One upstream: its address, limits and times.

use std::collections::HashMap;

use super::{
    super::{
        Config, Span,
        findings::{Findings, Spot},
        rest::RestConfig,
    },
    Scope, base_url, credential, scopes, tool, visible,
};

/// Most attempts after the first.
const MAX_RETRIES: u32 = 5;

pub(super) fn check_all(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    let mut tools: HashMap<&str, Spot<'_>> = HashMap::new();
    for (name, upstream) in &config.upstreams {
        let home = scope.homes.iter().find(|(known, _)| known == name.as_str());
        let source = home.map_or(scope.main, |(_, source)| source);
        let at = Spot::root(source).key("upstreams").key(name.as_str());
        if let Some(title) = &upstream.title {
            visible(title, &at.key("title"), findings);
        }
        let Some(rest) = &upstream.rest else {
            findings.error(&at, "an upstream needs exactly one kind", "add `rest:`");
            continue;
        };
        let at = at.key("rest");
        check(rest, config, scope, &at, findings);
        scopes::check(rest, config, scope, &at, findings);
        for (i, tool) in rest.tools.iter().enumerate() {
            let at = at.key("tools").index(i);
            if let Some(first) = tools.get(tool.name.as_str()) {
                let line = first.source.tree.line(&first.place);
                let message = format!(
                    "the tool name `{}` is used twice, first in line {line} of {}",
                    tool.name,
                    first.source.path.display()
                );
                findings.error(&at.key("name"), message, "rename one of them");
            } else {
                tools.insert(tool.name.as_str(), at.key("name"));
            }
            tool::check(tool, rest, config, &at, findings);
        }
    }
}

fn check(
    rest: &RestConfig,
    config: &Config,
    scope: &Scope<'_>,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    base_url::check(rest, at, findings);
    credential::check(rest, config, scope, at, findings);
    if rest.limit.is_none() {
        findings.warning(
            at,
            "no `limit`: 50 calls a second will be sent",
            "say what the API takes: `limit: 10/s`",
        );
    }
    if rest.retries > MAX_RETRIES {
        findings.error(&at.key("retries"), "must be at most 5", "lower it");
    }
    if rest.tools.is_empty() {
        findings.warning(&at.key("tools"), "there is no tool", "add one");
    }
    timeout(rest.timeout, config, &at.key("timeout"), findings);
    if rest.connect_timeout.duration().is_zero() {
        findings.error(
            &at.key("connect_timeout"),
            "must be more than 0",
            "write `5s`",
        );
    }
    if rest.max_wait > config.limits.call_timeout {
        findings.error(
            &at.key("max_wait"),
            "longer than `limits.call_timeout`",
            "shorten it",
        );
    }
    if rest.max_response_bytes.bytes() == 0 {
        findings.error(
            &at.key("max_response_bytes"),
            "must be more than 0",
            "raise it",
        );
    }
}

pub(super) fn timeout(span: Span, config: &Config, at: &Spot<'_>, findings: &mut Findings) {
    if span.duration().is_zero() {
        findings.error(at, "must be more than 0", "write `20s`");
    } else if span > config.limits.call_timeout {
        findings.error(
            at,
            "longer than `limits.call_timeout`",
            "shorten it, or raise `limits.call_timeout`",
        );
    }
}
