//! The request headers of 2026-07-28, compared with the body they mirror (SEP-2243).

use std::borrow::Cow;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{fault::ProtocolFault, jsonrpc::Params};

/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Method`
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The one value of a header; a doubled header is a fault, since two readers could pick two.
pub fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, ProtocolFault> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ProtocolFault::HeaderMismatch(
            "a routing header is given twice",
        ));
    }
    first.map(text).transpose()
}

fn text(value: &HeaderValue) -> Result<&str, ProtocolFault> {
    let text = value
        .to_str()
        .map_err(|_| ProtocolFault::HeaderMismatch("a routing header holds invalid characters"))?;
    Ok(text.trim_matches([' ', '\t']))
}

/// Undoes `=?base64?…?=`; text without both markers is literal.
fn decode(value: &str) -> Result<Cow<'_, str>, ProtocolFault> {
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|v| v.strip_suffix("?="))
    else {
        return Ok(Cow::Borrowed(value));
    };
    let wrong = ProtocolFault::HeaderMismatch("`Mcp-Name` is not valid base64 of UTF-8");
    let bytes = BASE64.decode(inner.as_bytes()).map_err(|_| wrong.clone())?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| wrong)
}

/// `Mcp-Method` and `Mcp-Name` against the body. The version is compared by
/// [`crate::mcp::speak`].
pub fn verify(headers: &HeaderMap, method: &str, params: &Params) -> Result<(), ProtocolFault> {
    match single(headers, &METHOD)? {
        Some(named) if named == method => {}
        Some(_) => {
            return Err(ProtocolFault::HeaderMismatch(
                "`Mcp-Method` is not the method",
            ));
        }
        None => return Err(ProtocolFault::HeaderMismatch("`Mcp-Method` is missing")),
    }
    let mirrored = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let named = single(headers, &NAME)?
        .ok_or(ProtocolFault::HeaderMismatch("`Mcp-Name` is missing"))
        .and_then(decode)?;
    match params.get(mirrored).and_then(serde_json::Value::as_str) {
        Some(name) if name == named => Ok(()),
        Some(_) | None => Err(ProtocolFault::HeaderMismatch(
            "`Mcp-Name` is not the body's name",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(name: &str) -> Params {
        Params::Object(json!({ "name": name }).as_object().unwrap().clone())
    }

    fn check(pairs: &[(&'static str, &str)], method: &str, name: &str) -> bool {
        let mut headers = HeaderMap::new();
        for (header, value) in pairs {
            headers.append(*header, value.parse().unwrap());
        }
        verify(&headers, method, &params(name)).is_ok()
    }

    #[test]
    fn m_01_to_m_05_headers_must_mirror_the_body() {
        let call = ("mcp-method", "tools/call");
        assert!(check(
            &[call, ("mcp-name", "get_any")],
            "tools/call",
            "get_any"
        ));
        assert!(check(
            &[call, ("mcp-name", "  get_any ")],
            "tools/call",
            "get_any"
        ));
        assert!(check(
            &[call, ("mcp-name", "=?base64?ZGVsX2l0ZW0=?=")],
            "tools/call",
            "del_item"
        ));
        assert!(check(&[("mcp-method", "tools/list")], "tools/list", ""));

        assert!(!check(
            &[("mcp-method", "tools/list")],
            "tools/call",
            "get_any"
        ));
        assert!(!check(&[("mcp-method", "TOOLS/LIST")], "tools/list", ""));
        assert!(!check(
            &[call, ("mcp-name", "get_any")],
            "tools/call",
            "del_item"
        ));
        assert!(!check(&[call], "tools/call", "get_any"));
        assert!(!check(&[], "tools/list", ""));
        assert!(!check(&[call, call, ("mcp-name", "a")], "tools/call", "a"));
        assert!(!check(
            &[call, ("mcp-name", "=?base64?%%%?=")],
            "tools/call",
            "x"
        ));
        assert!(!check(
            &[call, ("mcp-name", "=?BASE64?ZGVsX2l0ZW0=?=")],
            "tools/call",
            "del_item"
        ));
        assert!(!check(
            &[call, ("mcp-name", "=?base64?7aCA?=")],
            "tools/call",
            "x"
        ));
    }
}
