//! Where a code may be sent: exact comparison, with the one exception for loopback ports.

use url::{Host, Url};

use crate::schema::text::is_deceptive;

/// Longest redirect URI that is kept.
const LONGEST: usize = 2_048;

/// What sort of place a redirect URI is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A web site: its host.
    Web(String),
    /// This machine.
    Loopback,
    /// A program that owns the scheme.
    Program(String),
}

/// May a code be sent to `presented`, where `registered` were registered?
///
/// Simple string comparison (RFC 3986 section 6.2.1), but a registered `http` URI of a loopback host
/// fits any port (RFC 8252 section 7.3); host, path and query must be the same text.
pub fn matches(registered: &[String], presented: &str) -> bool {
    registered
        .iter()
        .any(|known| known == presented || is_same_but_for_port(known, presented))
}

fn is_same_but_for_port(known: &str, presented: &str) -> bool {
    match (loopback_parts(known), loopback_parts(presented)) {
        (Some(known), Some(presented)) => known == presented,
        _ => false,
    }
}

/// Host and what follows the port of a loopback URI, as they are written.
fn loopback_parts(uri: &str) -> Option<(&'static str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    let host = hosts.into_iter().find(|host| rest.starts_with(host))?;
    let rest = &rest[host.len()..];
    let rest = match rest.strip_prefix(':') {
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            port[..digits].parse::<u16>().ok()?;
            &port[digits..]
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with('/') || rest.starts_with('?')).then_some((host, rest))
}

/// Is this a place a code may be sent to at all? `schemes` are those of programs. None: never.
pub fn place(uri: &str, schemes: &[String]) -> Option<Place> {
    let plain = uri.len() <= LONGEST
        && uri.is_ascii()
        && !uri.contains(['\\', '#', '"', '<', '>', '^', '`', '{', '|', '}'])
        && !uri.chars().any(|c| c.is_whitespace() || is_deceptive(c));
    let url = plain.then(|| Url::parse(uri).ok()).flatten()?;
    let anonymous = url.username().is_empty() && url.password().is_none();
    // What the parser repaired is not what the client registered.
    let authority = uri.split_once("://").map(|(_, rest)| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        &rest[..end]
    })?;
    if !anonymous || authority.contains('@') || authority.contains('%') {
        return None;
    }
    match url.scheme() {
        "https" => match url.host()? {
            Host::Domain(name) if name != "localhost" => Some(Place::Web(name.to_owned())),
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
        },
        "http" => loopback_parts(uri).map(|_| Place::Loopback),
        scheme => schemes
            .iter()
            .any(|known| known == scheme)
            .then(|| Place::Program(scheme.to_owned())),
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(of("http://localhost:8787/callback"), Some(Place::Loopback));
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
}
