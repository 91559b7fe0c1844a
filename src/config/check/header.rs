//! Which header names a configuration may set.

use http::HeaderName;

/// Headers that belong to the connection or to the framing of the message (RFC 9110 section 7.6.1).
const CONNECTION: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Why a header of a credential is refused.
pub(super) fn credential_fault(name: &str) -> Option<&'static str> {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Some("not a header name");
    };
    CONNECTION
        .contains(&name.as_str())
        .then_some("this header belongs to the connection")
}

/// Why a header of a tool is refused.
pub(super) fn tool_fault(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("cookie") {
        return Some("this header carries credentials; use `credential`");
    }
    credential_fault(name)
}
