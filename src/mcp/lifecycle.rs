//! `server/discover` and `initialize`: who we are and what we can.

use serde_json::{Value, json};

use super::{jsonrpc::Params, version::Revision};

/// How we name ourselves.
pub const SERVER_NAME: &str = "wicketgate";
/// Our version.
pub const SERVER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a modern client may keep `server/discover` and `tools/list`.
pub const TTL_MS: u32 = 60_000;

/// `_meta` of every modern result: the server's name, unverified by nature.
pub const META_JSON: &str = concat!(
    r#"{"io.modelcontextprotocol/serverInfo":{"name":"wicketgate","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}"#
);

const INSTRUCTIONS: &str = "Tools of this gateway call upstream APIs with credentials that only \
                            the gateway holds. A refused call says what was wrong and what to do.";

/// The result of `server/discover` (2026-07-28, server/discover).
pub fn discover() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": Revision::ALL,
        "capabilities": { "tools": { "listChanged": true } },
        "instructions": INSTRUCTIONS,
        "ttlMs": TTL_MS,
        "cacheScope": "private",
        "_meta": { "io.modelcontextprotocol/serverInfo":
            { "name": SERVER_NAME, "version": SERVER_VERSION } },
    })
}

/// The revision that `initialize` settles on: the one asked for when it is a legacy one that is
/// served, else the newest legacy one. 2026-07-28 is never negotiated this way.
pub fn negotiate(params: &Params) -> Revision {
    params
        .get("protocolVersion")
        .and_then(Value::as_str)
        .and_then(Revision::parse)
        .filter(|revision| *revision < Revision::V2026_07_28)
        .unwrap_or(Revision::NEWEST_LEGACY)
}

/// The result of `initialize` (2025 revisions, lifecycle). No session id goes with it.
pub fn initialize(revision: Revision) -> Value {
    let mut server = json!({ "name": SERVER_NAME, "version": SERVER_VERSION });
    if revision >= Revision::V2025_06_18 {
        server["title"] = json!("Wicketgate");
    }
    json!({
        "protocolVersion": revision,
        "capabilities": { "tools": { "listChanged": false } },
        "serverInfo": server,
        "instructions": INSTRUCTIONS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: &str) -> Revision {
        negotiate(&Params::Object(
            json!({ "protocolVersion": version })
                .as_object()
                .unwrap()
                .clone(),
        ))
    }

    #[test]
    fn initialize_negotiates_down_and_never_refuses() {
        assert_eq!(asked("2025-03-26"), Revision::V2025_03_26);
        assert_eq!(asked("2025-06-18"), Revision::V2025_06_18);
        assert_eq!(asked("2026-07-28"), Revision::V2025_11_25);
        assert_eq!(asked("2099-01-01"), Revision::V2025_11_25);
        assert_eq!(negotiate(&Params::Malformed), Revision::V2025_11_25);
    }

    #[test]
    fn the_ready_made_meta_is_the_same_as_the_built_one() {
        let ready: Value = serde_json::from_str(META_JSON).unwrap();
        assert_eq!(ready, discover()["_meta"]);
    }
}
