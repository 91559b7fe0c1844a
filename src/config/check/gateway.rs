//! Everything besides `upstreams`.

use url::{Host, Url};

use super::{
    super::{
        Config, PlanConfig, StoreConfig,
        findings::{Findings, Spot},
    },
    Coverage, Scope, keys, secret,
};
use crate::names::{ToolPattern, UpstreamName};

pub(super) fn check(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    let root = Spot::root(scope.main);
    public_url(config, scope, &root, findings);
    listen(config, &root.key("listen"), findings);
    keys::check(config, scope, &root.key("keys"), findings);
    limits(config, &root.key("limits"), findings);
    plans(config, scope, &root.key("plans"), findings);
    if let StoreConfig::Postgres(postgres) = &config.store {
        let at = root.key("store").key("postgres");
        secret(&postgres.url, &at.key("url"), scope, findings);
        if postgres.max_connections == 0 {
            findings.error(&at.key("max_connections"), "must be at least 1", "raise it");
        }
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn public_url(config: &Config, scope: &Scope<'_>, root: &Spot<'_>, findings: &mut Findings) {
    let at = root.key("public_url");
    let Some(url) = &config.public_url else {
        if !config.listen.public.ip().is_loopback() && scope.coverage == Coverage::Whole {
            let message = "`public_url` is missing although other machines can connect";
            if config.auth.oauth.enabled {
                let fix = "write the https address that clients reach: sign-in needs it; or set \
                           `auth.oauth.enabled: false`";
                findings.error(&at, message, fix);
            } else {
                findings.warning(&at, message, "write the https address that clients reach");
            }
        }
        return;
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => findings.error(
            &at,
            "`http:` would send license keys in the clear",
            "write `https://…`; `http:` is only for loopback hosts",
        ),
        _ => findings.error(&at, "not an http address", "write `https://host`"),
    }
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_bare {
        findings.error(
            &at,
            "must be scheme, host and port alone",
            "leave out path, query, fragment and user: `https://host`",
        );
    }
}

fn listen(config: &Config, at: &Spot<'_>, findings: &mut Findings) {
    let listen = &config.listen;
    if !listen.admin.ip().is_loopback() {
        findings.error(
            &at.key("admin"),
            "the admin listener must be on a loopback address",
            "write `127.0.0.1:9090`",
        );
    }
    if listen.admin == listen.public && listen.public.port() != 0 {
        findings.error(
            &at.key("admin"),
            "the admin listener has the address of the public one",
            "choose another port",
        );
    }
    for (i, origin) in listen.allowed_origins.iter().enumerate() {
        let is_origin = Url::parse(origin).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.origin().ascii_serialization() == *origin
        });
        if !is_origin {
            findings.error(
                &at.key("allowed_origins").index(i),
                "not an origin",
                "write scheme, host and port in lower case without a path: `https://claude.ai`",
            );
        }
    }
    for (i, host) in listen.allowed_hosts.iter().enumerate() {
        let is_host = Url::parse(&format!("http://{host}/"))
            .is_ok_and(|url| url.path() == "/" && url.username().is_empty())
            && !host.contains(['/', '\\', '@', '?', '#', '*']);
        if !is_host {
            findings.error(
                &at.key("allowed_hosts").index(i),
                "not a host name",
                "write the name alone, with a port where needed: `mcp.example.com`",
            );
        }
    }
    for (name, number) in [
        ("max_connections", listen.max_connections),
        (
            "max_connections_per_address",
            listen.max_connections_per_address,
        ),
    ] {
        if number == 0 {
            findings.error(&at.key(name), "must be at least 1", "raise it");
        }
    }
    for (i, network) in listen.trusted_proxies.iter().enumerate() {
        if network.prefix_len() == 0 {
            findings.error(
                &at.key("trusted_proxies").index(i),
                "every address would be believed",
                "name the network of your load balancer",
            );
        }
    }
}

fn limits(config: &Config, at: &Spot<'_>, findings: &mut Findings) {
    if config.limits.call_timeout.duration().is_zero() {
        findings.error(
            &at.key("call_timeout"),
            "must be more than 0",
            "write `55s`",
        );
    }
    for (name, size) in [
        ("max_request_bytes", config.limits.max_request_bytes),
        ("max_in_flight_bytes", config.limits.max_in_flight_bytes),
    ] {
        if size.bytes() < 1024 {
            findings.error(&at.key(name), "must be at least 1KiB", "raise it");
        }
    }
    if config.limits.max_in_flight_bytes < config.limits.max_request_bytes {
        findings.error(
            &at.key("max_in_flight_bytes"),
            "less than one request of `max_request_bytes`",
            "raise it",
        );
    }
}

fn plans(config: &Config, scope: &Scope<'_>, at: &Spot<'_>, findings: &mut Findings) {
    if scope.coverage == Coverage::Parts {
        return;
    }
    for (name, plan) in &config.plans {
        budget(config, plan, &at.key(name.as_str()), findings);
        let at = at.key(name.as_str()).key("tools");
        for (i, pattern) in plan.tools.iter().enumerate() {
            if !tools(config).any(|(upstream, tool)| pattern.covers(upstream, tool)) {
                findings.warning(
                    &at.index(i),
                    "matches no tool",
                    "patterns are matched on `upstream.tool`: `crm.*`",
                );
            }
        }
    }
}

/// A tool that costs more than a whole day's budget can never be called.
fn budget(config: &Config, plan: &PlanConfig, at: &Spot<'_>, findings: &mut Findings) {
    let Some(budget) = plan.cost_per_day else {
        return;
    };
    for (name, upstream) in &config.upstreams {
        for tool in upstream.rest.iter().flat_map(|rest| &rest.tools) {
            let covers = |pattern: &ToolPattern| pattern.covers(name, &tool.name);
            if tool.cost > budget.get() && plan.tools.iter().any(covers) {
                findings.warning(
                    &at.key("cost_per_day"),
                    format!("one call of `{}` costs more than a day's budget", tool.name),
                    "raise it, or leave the tool out of the plan's `tools`",
                );
            }
        }
    }
}

fn tools(config: &Config) -> impl Iterator<Item = (&UpstreamName, &crate::names::ToolName)> {
    config.upstreams.iter().flat_map(|(name, upstream)| {
        let tools = upstream.rest.iter().flat_map(|rest| &rest.tools);
        tools.map(move |tool| (name, &tool.name))
    })
}
