//! Redirects that fit and that do not, by the ids of the threat table.

use super::*;

fn fits(registered: &str, presented: &str) -> bool {
    matches(&[registered.to_owned()], presented)
}

#[test]
fn o_01_o_02_only_the_exact_text_fits() {
    let known = "https://claude.ai/api/mcp/auth_callback";
    assert!(fits(known, known));
    for other in [
        "https://claude.ai/api/mcp/auth_callback/",
        "https://claude.ai/api/mcp/auth_callback?a=b",
        "https://claude.ai/api/mcp/AUTH_callback",
        "https://claude.ai/api/mcp",
        "https://claude.ai.evil.test/api/mcp/auth_callback",
        "https://claude.ai@evil.test/api/mcp/auth_callback",
        "https://claude.ai:444/api/mcp/auth_callback",
        "http://claude.ai/api/mcp/auth_callback",
    ] {
        assert!(!fits(known, other), "{other}");
    }
}

#[test]
fn o_03_o_04_a_loopback_port_is_free_and_nothing_else() {
    let known = "http://localhost/callback";
    assert!(fits(known, "http://localhost:49152/callback"));
    assert!(fits(known, "http://localhost/callback"));
    assert!(fits("http://127.0.0.1:33418/", "http://127.0.0.1:1/"));
    assert!(fits("http://[::1]/cb?a=1", "http://[::1]:80/cb?a=1"));
    for other in [
        "http://localhost.evil.test/callback",
        "http://127.0.0.1:49152/callback",
        "http://localhost@evil.test/callback",
        "https://localhost/callback",
        "http://127.1/callback",
        "http://localhost:99999/callback",
        "http://localhost:/callback",
        "http://localhost:80x/callback",
        "http://localhost:49152/callback/x",
        "http://localhost:49152/callback?x=1",
        "http://LOCALHOST:49152/callback",
    ] {
        assert!(!fits(known, other), "{other}");
    }
}

#[test]
fn o_05_only_places_where_a_code_is_safe() {
    let schemes = ["cursor".to_owned()];
    let of = |uri: &str| place(uri, &schemes);
    assert_eq!(
        of("https://claude.ai/cb"),
        Some(Place::Web("claude.ai".into()))
    );
    assert_eq!(
        of("http://localhost:8787/callback"),
        Some(Place::Loopback("localhost"))
    );
    assert_eq!(
        of("cursor://anysphere.cursor-mcp/oauth/callback"),
        Some(Place::Program("cursor".into()))
    );
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://a.test/#f",
        "https://user@a.test/",
        "https://a.test\\@b.test/",
        "https://claude.ai%2f@evil/",
        "http://a.test/cb",
        "http://127.0.0.1.evil.test/",
        "https://127.0.0.1/cb",
        "https://localhost/cb",
        "other://x/cb",
        "/cb",
        "",
    ] {
        assert_eq!(of(bad), None, "{bad}");
    }
}
