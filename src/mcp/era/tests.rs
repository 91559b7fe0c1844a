//! Which era a message is of.

use serde_json::json;

use super::*;

fn decide(version: &[&str], method: &str, params: &Value) -> Result<Revision, (Era, i64)> {
    let mut headers = HeaderMap::new();
    for value in version {
        headers.append("mcp-protocol-version", value.parse().unwrap());
    }
    headers.insert("mcp-method", method.parse().unwrap());
    let params = Params::Object(params.as_object().unwrap().clone());
    speak(&headers, method, &params)
        .map(|spoken| spoken.revision)
        .map_err(|refused| (refused.era, refused.fault.code()))
}

fn meta(version: &str) -> Value {
    json!({ "_meta": { META_VERSION: version, META_CAPABILITIES: {} } })
}

#[test]
fn a_modern_request_names_itself_twice() {
    let now = "2026-07-28";
    assert_eq!(
        decide(&[now], "tools/list", &meta(now)),
        Ok(Revision::V2026_07_28)
    );
    assert_eq!(
        decide(&[], "tools/list", &meta(now)),
        Err((Era::Modern, -32_020))
    );
    assert_eq!(
        decide(&[now, now], "tools/list", &meta(now)),
        Err((Era::Modern, -32_020))
    );
    assert_eq!(
        decide(&[now], "tools/list", &json!({})),
        Err((Era::Modern, -32_602))
    );
    let no_capabilities = json!({ "_meta": { META_VERSION: now } });
    assert_eq!(
        decide(&[now], "tools/list", &no_capabilities),
        Err((Era::Modern, -32_602))
    );
    let number = json!({ "_meta": { META_VERSION: 7, META_CAPABILITIES: {} } });
    assert_eq!(
        decide(&[now], "tools/list", &number),
        Err((Era::Modern, -32_602))
    );
}

#[test]
fn m_06_m_07_versions_that_differ_or_are_unknown() {
    let refused = |code| Err((Era::Modern, code));
    assert_eq!(
        decide(&["2026-07-28"], "tools/list", &meta("2025-11-25")),
        refused(-32_020)
    );
    assert_eq!(
        decide(&["2026-07-28"], "tools/list", &meta("v999")),
        refused(-32_020)
    );
    assert_eq!(
        decide(&["v999"], "tools/list", &meta("v999")),
        refused(-32_022)
    );
    assert_eq!(
        decide(&["1900-01-01"], "tools/list", &json!({})),
        refused(-32_022)
    );
    assert_eq!(
        decide(&["2026-07-28'--"], "tools/list", &json!({})),
        refused(-32_022)
    );
}

#[test]
fn legacy_requests_go_by_their_header() {
    assert_eq!(
        decide(&[], "initialize", &json!({})),
        Ok(Revision::V2025_03_26)
    );
    assert_eq!(
        decide(&["2025-06-18"], "ping", &json!({})),
        Ok(Revision::V2025_06_18)
    );
    assert_eq!(
        decide(&[], "ping", &meta("2025-11-25")),
        Ok(Revision::V2025_11_25)
    );
    let trace = json!({ "_meta": { "traceparent": "x" } });
    assert_eq!(
        decide(&["2025-11-25"], "tools/list", &trace),
        Ok(Revision::V2025_11_25)
    );
}

#[test]
fn the_echo_of_a_version_is_short() {
    assert_eq!(clip(&"é".repeat(100)).len(), 64);
}
