//! The table of limits and defaults in the README, made from the real ones.

use wicketgate::config::{Environment, load};

use super::{documents::read, with_the_readmes_configuration};

const BEGIN: &str =
    "<!-- defaults: written by `WICKETGATE_REGENERATE=1 cargo test --test it readme` -->\n";
const END: &str = "<!-- end of defaults -->\n";

/// What is limited, the value, the key that changes it.
type Row = (&'static str, String, &'static str);

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for the developer, not for the program"
)]
fn the_table_of_defaults_is_up_to_date() {
    let text = read("README.md");
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var("WICKETGATE_REGENERATE").is_ok() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        std::fs::write(path, &wanted).unwrap();
    }
    assert!(
        read("README.md") == wanted,
        "out of date: WICKETGATE_REGENERATE=1 cargo test --test it readme"
    );
}

fn table() -> String {
    let mut text = "| what | default | key |\n| --- | --- | --- |\n".to_owned();
    for (what, value, key) in rows() {
        text.push_str(&format!("| {what} | {value} | `{key}` |\n"));
    }
    text
}

/// From a configuration that says nothing about any of it.
fn rows() -> Vec<Row> {
    let place = with_the_readmes_configuration();
    let text = "keys: [{ id: k1, file: data/master.key }]\n\
                upstreams: { api: { rest: { base_url: \"https://api.example.com\", tools: [] } } }\n";
    std::fs::write(place.path("wicketgate.yaml"), text).unwrap();
    let nothing = Environment::from_map::<String, String>([]);
    let loaded = load(&place.path("wicketgate.yaml"), &nothing).unwrap();
    // Said by the program itself: `no limit: 50 calls a second will be sent`.
    let warned = loaded.warnings.iter().find_map(|problem| {
        let (_, rest) = problem.message.split_once("no `limit`: ")?;
        Some(rest.split_once(" calls a second")?.0.to_owned())
    });
    let config = loaded.config;
    let (limits, listen) = (&config.limits, &config.listen);
    let api = config.upstreams["api"].rest.as_ref().unwrap();
    let unlimited = || "not limited".to_owned();
    assert!(api.limit.is_none() && api.max_queue.is_none() && api.credential.is_none());
    vec![
        (
            "Calls of one session, which is one license key",
            limits.session.to_string(),
            "limits.session",
        ),
        (
            "Calls of one license in a minute",
            unlimited(),
            "plans.NAME.per_minute",
        ),
        (
            "Calls of one license in a UTC day",
            unlimited(),
            "plans.NAME.per_day",
        ),
        (
            "Refused keys of one client address",
            limits.unauthenticated.to_string(),
            "limits.unauthenticated",
        ),
        (
            "Calls to one API; said at start when left out",
            format!("{}/s", warned.unwrap()),
            "upstreams.NAME.rest.limit",
        ),
        (
            "Calls to one API at once",
            api.max_concurrent.to_string(),
            "upstreams.NAME.rest.max_concurrent",
        ),
        (
            "Calls waiting for one API",
            (2 * api.max_concurrent.get()).to_string(),
            "upstreams.NAME.rest.max_queue",
        ),
        (
            "Longest wait for a turn at the API",
            api.max_wait.to_string(),
            "upstreams.NAME.rest.max_wait",
        ),
        (
            "Longest time to connect to an API",
            api.connect_timeout.to_string(),
            "upstreams.NAME.rest.connect_timeout",
        ),
        (
            "Longest wait for an API to begin its answer",
            api.timeout.to_string(),
            "upstreams.NAME.rest.timeout",
        ),
        (
            "Further attempts, only of read-only or idempotent calls",
            api.retries.to_string(),
            "upstreams.NAME.rest.retries",
        ),
        (
            "Largest answer of an API",
            api.max_response_bytes.to_string(),
            "upstreams.NAME.rest.max_response_bytes",
        ),
        (
            "Longest time from a call to its answer",
            limits.call_timeout.to_string(),
            "limits.call_timeout",
        ),
        (
            "Largest request body",
            limits.max_request_bytes.to_string(),
            "limits.max_request_bytes",
        ),
        (
            "Request bodies held at once",
            limits.max_in_flight_bytes.to_string(),
            "limits.max_in_flight_bytes",
        ),
        (
            "Tools in one page of `tools/list`",
            limits.page_size.to_string(),
            "limits.page_size",
        ),
        (
            "Open subscriptions of one license",
            limits.subscriptions_per_license.to_string(),
            "limits.subscriptions_per_license",
        ),
        (
            "Longest wait for running calls at a stop",
            limits.drain_timeout.to_string(),
            "limits.drain_timeout",
        ),
        ("MCP listener", listen.public.to_string(), "listen.public"),
        (
            "Health and metrics listener, loopback only",
            listen.admin.to_string(),
            "listen.admin",
        ),
        (
            "Connections",
            listen.max_connections.to_string(),
            "listen.max_connections",
        ),
        (
            "Connections from one address",
            listen.max_connections_per_address.to_string(),
            "listen.max_connections_per_address",
        ),
        (
            "Private, loopback and reserved addresses of APIs",
            refused(api.allow_special_use.len()),
            "upstreams.NAME.rest.allow_special_use",
        ),
        (
            "Browser origins besides the gateway's own",
            refused(listen.allowed_origins.len()),
            "listen.allowed_origins",
        ),
    ]
}

fn refused(listed: usize) -> String {
    assert_eq!(listed, 0);
    "refused".to_owned()
}
