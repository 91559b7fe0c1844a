//! `base_url`: the part of an address that no argument can change.

use url::Url;

use crate::egress::Scheme;

/// Why a text is no base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("base_url: {0}")]
pub struct BaseUrlFault(pub &'static str);

/// Scheme, host, port and path prefix.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    url: Url,
    /// Without a slash at its end.
    text: String,
    scheme: Scheme,
}

impl BaseUrl {
    /// Takes `http://` or `https://`, a host, perhaps a port and a path; nothing else.
    pub fn parse(text: &str) -> Result<Self, BaseUrlFault> {
        let fault = |rule| Err(BaseUrlFault(rule));
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return fault("visible ASCII only; write other host names in their xn-- form");
        }
        if text.contains(['\\', '{', '}', '$', '?', '#']) {
            return fault("no backslash, placeholder, query or fragment");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault("write `https://host/path`");
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return fault("the scheme is `https` or `http`"),
        };
        if authority.is_empty() {
            return fault("the host is missing");
        }
        if authority.contains('@') {
            return fault("no user or password; use `credential:`");
        }
        let Ok(url) = Url::parse(text) else {
            return fault("not a URL");
        };
        if url.port() == Some(0) {
            return fault("port 0 cannot be called");
        }
        if url.path() != if path.is_empty() { "/" } else { path } || path.contains("//") {
            return fault("the path holds dot segments, empty segments or odd characters");
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text, scheme })
    }

    /// The URL without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The path prefix without a slash at its end.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Does this URL have the same scheme, host and port, and no user?
    pub fn is_origin_of(&self, url: &Url) -> bool {
        url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port() == self.url.port()
            && url.username().is_empty()
            && url.password().is_none()
    }
}
