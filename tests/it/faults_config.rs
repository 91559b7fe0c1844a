//! Group F, thirty broken configurations: each is refused with its file, line and place, none
//! repeats what may be a secret, and the one that was being served goes on.

use serde_json::json;

use crate::support::{client::Client, gateway::TestGateway};

/// Stands where an operator may have pasted a secret.
const CANARY: &str = "CANARY-7c1d9e52b0";

/// What is replaced by what, and the place that is named.
const BROKEN: [(&str, &str, &str); 30] = [
    ("limits:", "limits: [", ""),
    ("plans:", "plans: &a *a", ""),
    ("limits:", "\tlimits:", ""),
    ("limits:", "limits: {}\nlimits:", ""),
    ("limits:", "limitz:", "limitz"),
    (
        "session: 10000/min",
        "session: 10000/week",
        "limits.session",
    ),
    ("session: 10000/min", "session: CANARY", "limits.session"),
    (
        "session: 10000/min",
        "max_in_flight: 0",
        "limits.max_in_flight",
    ),
    (
        "session: 10000/min",
        "max_memory: CANARY",
        "limits.max_memory",
    ),
    (
        "session: 10000/min",
        "call_timeout: CANARY",
        "limits.call_timeout",
    ),
    (
        "session: 10000/min",
        "max_request_bytes: -1",
        "limits.max_request_bytes",
    ),
    ("session: 10000/min", "sesion: CANARY", "limits.sesion"),
    (
        "plans:",
        "plans:\n  bad: { per_day: CANARY }",
        "plans.bad.per_day",
    ),
    (
        "plans:",
        "plans:\n  bad: { per_minute: 0 }",
        "plans.bad.per_minute",
    ),
    (
        "plans:",
        "plans:\n  bad: { tolls: [CANARY] }",
        "plans.bad.tolls",
    ),
    ("admin: 127.0.0.1:0", "admin: 0.0.0.0:0", "listen.admin"),
    ("admin: 127.0.0.1:0", "admin: CANARY", "listen.admin"),
    (
        "admin: 127.0.0.1:0",
        "trusted_proxies: [CANARY]",
        "listen.trusted_proxies",
    ),
    (
        "keys: [{ id: test, env: KEY }]",
        "keys: [{ id: test, env: NONE_SUCH }]",
        "keys",
    ),
    ("keys: [{ id: test, env: KEY }]", "keys: []", "keys"),
    (
        "header: X-Api-Key",
        "header: X-Api-Key, value: CANARY",
        "upstreams.up.rest.credential",
    ),
    (
        "header: X-Api-Key",
        "header: \"X Api: CANARY\"",
        "upstreams.up.rest.credential",
    ),
    (
        "base_url: http://",
        "base_url: ftp://CANARY@",
        "upstreams.up.rest.base_url",
    ),
    (
        "base_url: http://",
        "base_url: https://u:CANARY@",
        "upstreams.up.rest.base_url",
    ),
    (
        "allow_special_use: [127.0.0.0/8]",
        "allow_special_use: [CANARY]",
        "upstreams.up.rest",
    ),
    ("name: get_any", "name: del_item", "upstreams.up.rest.tools"),
    (
        "name: get_any",
        "name: \"get any CANARY\"",
        "upstreams.up.rest.tools",
    ),
    (
        "path: /v1/search",
        "path: \"/v1/{none}\"",
        "upstreams.up.rest.tools",
    ),
    (
        "type: string, maxLength: 64",
        "type: strong, maxLength: 64",
        "upstreams.up.rest.tools",
    ),
    (
        "{ type: string, maxLength: 16 }",
        "{ type: string, pattern: \"(CANARY\" }",
        "upstreams.up.rest.tools",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn f_11_thirty_broken_configurations_change_nothing() {
    let mut gateway = TestGateway::start().await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let list = async || {
        let answer = client.rpc("tools/list", json!({})).await;
        answer.json()["result"]["tools"].clone()
    };
    let (before, good) = (
        list().await,
        std::fs::read_to_string(&gateway.config_path).unwrap(),
    );
    let mut faults = Vec::new();
    for (n, (from, to, place)) in BROKEN.iter().enumerate() {
        let to = to.replace("CANARY", CANARY);
        assert!(good.contains(from), "{from}");
        std::fs::write(&gateway.config_path, good.replacen(from, &to, 1)).unwrap();
        let Err(said) = gateway.reload() else {
            faults.push(format!("{n}: {to:?} was taken"));
            continue;
        };
        let mut fault = |what: &str| faults.push(format!("{n}: {to:?}: {what}: {said}"));
        let file = gateway.config_path.display().to_string();
        let line = said.split_once(&format!("{file}:")).and_then(|(_, rest)| {
            let number = rest.split(':').next()?;
            number.parse::<u32>().ok()
        });
        if line.is_none() {
            fault("no file and line");
        }
        if !said.contains(place) {
            fault("another place");
        }
        if said.contains(CANARY) {
            fault("repeats a secret");
        }
        assert_eq!(list().await, before, "{to:?}");
        let answer = client.call("search", json!({ "q": "a" })).await;
        assert_eq!(answer.status, 200, "{to:?}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{} broken configurations refused", BROKEN.len());
    std::fs::write(&gateway.config_path, &good).unwrap();
    gateway.reload().unwrap();
    gateway.stop().await;
}
