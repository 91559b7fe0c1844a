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
    /// This machine, by this host name.
    Loopback(&'static str),
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
        "http" => loopback_parts(uri).map(|(host, _)| Place::Loopback(host)),
        scheme => schemes
            .iter()
            .any(|known| known == scheme)
            .then(|| Place::Program(scheme.to_owned())),
    }
}

#[cfg(test)]
mod tests;
