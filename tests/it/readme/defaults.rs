//! The table of limits and defaults in the README, made from the real ones.

use std::fmt::Write as _;

use wicketgate::config::{Config, Environment, load};

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
    let (config, calls) = that_says_nothing();
    let rows = calls_of(&config).into_iter();
    for (what, value, key) in rows.chain(api_of(&config, &calls)).chain(sizes_of(&config)) {
        writeln!(text, "| {what} | {value} | `{key}` |").unwrap();
    }
    text
}

/// A configuration that says nothing about any of it, and how many calls a second its upstream
/// gets, as the program's warning tells.
fn that_says_nothing() -> (Config, String) {
    let place = with_the_readmes_configuration();
    let text = "keys: [{ id: k1, file: data/master.key }]\n\
                upstreams: { api: { rest: { base_url: \"https://api.example.com\", tools: [] } } }\n";
    std::fs::write(place.path("wicketgate.yaml"), text).unwrap();
    let nothing = Environment::from_map::<String, String>([]);
    let loaded = load(&place.path("wicketgate.yaml"), &nothing).unwrap();
    let calls = loaded.warnings.iter().find_map(|problem| {
        let (_, rest) = problem.message.split_once("no `limit`: ")?;
        Some(rest.split_once(" calls a second")?.0.to_owned())
    });
    (loaded.config, calls.unwrap())
}

/// One row for each value of a section.
macro_rules! rows {
    ($section:ident, $($what:literal $field:ident $key:literal;)*) => {
        vec![$(($what, $section.$field.to_string(), concat!($key, stringify!($field)))),*]
    };
}

fn calls_of(config: &Config) -> Vec<Row> {
    let limits = &config.limits;
    let mut all = rows! { limits,
        "Calls of one session: a connection, or a license key as it is" session "limits.";
        "Refused keys of one client address" unauthenticated "limits.";
    };
    let oauth = &config.auth.oauth;
    all.extend(rows! { oauth,
        "How long an access token is good for" access_token "auth.oauth.";
        "How long a connection lives unused" idle "auth.oauth.";
        "How long a connection lives at most" absolute "auth.oauth.";
        "How long the sign-in page remembers a browser" browser "auth.oauth.";
    });
    let registration = &oauth.registration;
    all.extend(rows! { registration,
        "Registrations of all clients together" limit "auth.oauth.registration.";
        "Registered clients kept" most "auth.oauth.registration.";
    });
    let unlimited = || "not limited".to_owned();
    all.insert(
        1,
        (
            "Calls of one license in a minute",
            unlimited(),
            "plans.NAME.per_minute",
        ),
    );
    all.insert(
        2,
        (
            "Calls of one license in a UTC day",
            unlimited(),
            "plans.NAME.per_day",
        ),
    );
    all
}

fn api_of(config: &Config, calls: &str) -> Vec<Row> {
    let api = config.upstreams["api"].rest.as_ref().unwrap();
    assert!(api.limit.is_none() && api.max_queue.is_none() && api.credential.is_none());
    let waiting = 2 * api.max_concurrent.get();
    let mut all = vec![
        (
            "Calls to one API; said at start when left out",
            format!("{calls}/s"),
            "upstreams.NAME.rest.limit",
        ),
        (
            "Calls waiting for one API",
            waiting.to_string(),
            "upstreams.NAME.rest.max_queue",
        ),
        (
            "Private, loopback and reserved addresses of APIs",
            refused(api.allow_special_use.len()),
            "upstreams.NAME.rest.allow_special_use",
        ),
    ];
    all.extend(rows! { api,
        "Calls to one API at once" max_concurrent "upstreams.NAME.rest.";
        "Longest wait for a turn at the API" max_wait "upstreams.NAME.rest.";
        "Longest time to connect to an API" connect_timeout "upstreams.NAME.rest.";
        "Longest wait for an API to begin its answer" timeout "upstreams.NAME.rest.";
        "Further attempts, only of read-only or idempotent calls" retries "upstreams.NAME.rest.";
        "Largest answer of an API" max_response_bytes "upstreams.NAME.rest.";
    });
    all
}

fn sizes_of(config: &Config) -> Vec<Row> {
    let (limits, listen) = (&config.limits, &config.listen);
    let mut all = rows! { limits,
        "Longest time from a call to its answer" call_timeout "limits.";
        "Answering on, unready, before a stop" drain_delay "limits.";
        "Longest wait for running calls at a stop" drain_timeout "limits.";
        "Largest request body" max_request_bytes "limits.";
        "Request bodies held at once" max_in_flight_bytes "limits.";
        "Tools in one page of `tools/list`" page_size "limits.";
        "Open subscriptions of one license" subscriptions_per_license "limits.";
    };
    all.extend(rows! { listen,
        "MCP listener" public "listen.";
        "Health and metrics listener, loopback only" admin "listen.";
        "Connections" max_connections "listen.";
        "Connections from one address" max_connections_per_address "listen.";
    });
    let origins = refused(listen.allowed_origins.len());
    all.push((
        "Browser origins besides the gateway's own",
        origins,
        "listen.allowed_origins",
    ));
    all
}

fn refused(listed: usize) -> String {
    assert_eq!(listed, 0);
    "refused".to_owned()
}
