//! A credential and how it is put on a request.
//!
//! It goes to the upstream's own origin or nowhere; that is checked here once more, independently
//! of how the request was built.

use std::sync::Arc;

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use memchr::memmem;
use percent_encoding::percent_encode;
use zeroize::Zeroizing;

use super::{
    Preview, UpstreamError,
    request::{BaseUrl, FilledRequest, RESERVED, is_reserved},
};
use crate::{
    config::CredentialConfig,
    secret::{SecretBytes, SecretString},
};

/// What stands for a secret in a preview.
const MASK: &str = "***";

/// A shorter secret is not looked for in answers: it would be found by chance.
const SHORTEST_SOUGHT: usize = 8;

/// How an upstream wants its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialUse {
    /// As the value of a header.
    Header(HeaderName),
    /// As the value of a query parameter.
    Query(String),
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`, the secret being the password.
    Basic {
        /// The user name.
        username: String,
    },
}

/// A credential in the clear, for as long as it is in memory.
#[derive(Debug)]
pub struct OpenedCredential {
    /// The secret itself.
    pub secret: SecretBytes,
    /// Rises with every change; 0 for one read from the configuration.
    pub generation: u64,
}

impl OpenedCredential {
    /// One that stands in the configuration.
    pub fn configured(secret: &SecretString) -> Arc<Self> {
        Arc::new(Self {
            secret: SecretBytes::new(secret.expose().as_bytes().to_vec()),
            generation: 0,
        })
    }
}

/// Why a `credential:` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("credential: {0}")]
pub struct CredentialFault(pub &'static str);

impl CredentialUse {
    /// Reads `credential:`; exactly one of its forms.
    pub fn from_config(config: &CredentialConfig) -> Result<Self, CredentialFault> {
        let mut forms = Vec::new();
        if let Some(name) = &config.header {
            forms.push(in_header(name));
        }
        if let Some(name) = &config.query {
            forms.push(if name.is_empty() || name.chars().any(char::is_control) {
                Err(CredentialFault("`query` is not the name of a parameter"))
            } else {
                Ok(Self::Query(name.clone()))
            });
        }
        if config.bearer.is_some() {
            forms.push(Ok(Self::Bearer));
        }
        if let Some(basic) = &config.basic {
            let odd = |c: char| c == ':' || c.is_control();
            forms.push(if basic.username.contains(odd) {
                Err(CredentialFault(
                    "a user name holds no colon and no control characters",
                ))
            } else {
                Ok(Self::Basic {
                    username: basic.username.clone(),
                })
            });
        }
        if let Some(account) = &config.account {
            forms.push(as_token(account.header.as_deref()));
        }
        match forms.pop() {
            Some(form) if forms.is_empty() => form,
            _ => Err(CredentialFault("write exactly one kind of credential")),
        }
    }

    /// The header it takes, when it takes one.
    pub fn header(&self) -> Option<HeaderName> {
        match self {
            Self::Header(name) => Some(name.clone()),
            Self::Bearer | Self::Basic { .. } => Some(AUTHORIZATION),
            Self::Query(_) => None,
        }
    }

    /// Puts the secret on a request to `base`'s origin; on no other.
    pub fn put_on(
        &self,
        request: &mut FilledRequest,
        base: &BaseUrl,
        credential: &OpenedCredential,
    ) -> Result<(), UpstreamError> {
        if !base.is_origin_of(&request.url) {
            return Err(UpstreamError::AddressRefused);
        }
        let secret = credential.secret.expose().as_slice();
        let visible = secret.iter().all(u8::is_ascii_graphic);
        let unusable = UpstreamError::CredentialUnusable;
        if secret.is_empty() {
            return Err(unusable);
        }
        match self {
            Self::Header(name) => {
                let inner = |b: &u8| b.is_ascii_graphic() || *b == b' ';
                let blank = secret.first() == Some(&b' ') || secret.last() == Some(&b' ');
                if blank || !secret.iter().all(inner) {
                    return Err(unusable);
                }
                request.headers.insert(name.clone(), sensitive(secret)?);
            }
            Self::Query(name) => {
                if !visible {
                    return Err(unusable);
                }
                let secret = Zeroizing::new(encoded(secret));
                add_to_query(request, name, &secret);
            }
            Self::Bearer => {
                if !visible {
                    return Err(unusable);
                }
                let mut value = Zeroizing::new(Vec::with_capacity(7 + secret.len()));
                value.extend_from_slice(b"Bearer ");
                value.extend_from_slice(secret);
                request.headers.insert(AUTHORIZATION, sensitive(&value)?);
            }
            Self::Basic { username } => {
                if secret.iter().any(u8::is_ascii_control) {
                    return Err(unusable);
                }
                let value = Zeroizing::new(format!("Basic {}", *basic(username, secret)));
                request
                    .headers
                    .insert(AUTHORIZATION, sensitive(value.as_bytes())?);
            }
        }
        Ok(())
    }

    /// Does an answer repeat the secret, as it is or in a form that it was sent in?
    pub fn is_repeated_in(&self, answer: &[u8], credential: &OpenedCredential) -> bool {
        let secret = credential.secret.expose().as_slice();
        if secret.len() < SHORTEST_SOUGHT {
            return false;
        }
        let found = |needle: &[u8]| memmem::find(answer, needle).is_some();
        if found(secret) {
            return true;
        }
        let other_form = match self {
            Self::Query(_) => {
                let upper = Zeroizing::new(encoded(secret));
                found(upper.as_bytes()) || found(lower_hex(&upper).as_bytes())
            }
            Self::Basic { username } => found(basic(username, secret).as_bytes()),
            Self::Header(_) | Self::Bearer => false,
        };
        // Some writers spell what HTML reads with code points, as Go's does.
        if secret.iter().any(|b| b"<>&'+".contains(b)) {
            for hex in [HexCase::Lower, HexCase::Upper] {
                if found(&code_points(secret, hex)) {
                    return true;
                }
            }
        }
        // JSON may write these three with a backslash (RFC 8259 section 7).
        let escaped = |b: u8| b"\"\\/".contains(&b);
        other_form
            || (secret.iter().copied().any(escaped) && {
                let mut spelled = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
                let mut but_slash = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
                for &b in secret {
                    if escaped(b) {
                        spelled.push(b'\\');
                    }
                    if escaped(b) && b != b'/' {
                        but_slash.push(b'\\');
                    }
                    spelled.push(b);
                    but_slash.push(b);
                }
                found(&spelled) || found(&but_slash)
            })
    }

    /// Shows in a preview where the secret would be.
    pub fn mark(&self, preview: &mut Preview) {
        let value = match self {
            Self::Query(name) => {
                let join = if preview.url.contains('?') { '&' } else { '?' };
                preview.url.push(join);
                preview.url.push_str(&encoded(name.as_bytes()));
                preview.url.push('=');
                preview.url.push_str(MASK);
                return;
            }
            Self::Header(_) => MASK.to_owned(),
            Self::Bearer => format!("Bearer {MASK}"),
            Self::Basic { .. } => format!("Basic {MASK}"),
        };
        let name = self.header().map(|name| name.as_str().to_owned());
        preview.headers.push((name.unwrap_or_default(), value));
    }
}

fn in_header(name: &str) -> Result<CredentialUse, CredentialFault> {
    match name.parse::<HeaderName>() {
        Ok(name) if !is_reserved(&name) => Ok(CredentialUse::Header(name)),
        _ => Err(CredentialFault(
            "`header` is not a header that can hold a credential",
        )),
    }
}

/// A short-lived token: in the header that is named, else as a bearer.
fn as_token(header: Option<&str>) -> Result<CredentialUse, CredentialFault> {
    header.map_or(Ok(CredentialUse::Bearer), in_header)
}

fn add_to_query(request: &mut FilledRequest, name: &str, secret: &str) {
    let mut query = Zeroizing::new(request.url.query().unwrap_or_default().to_owned());
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(&encoded(name.as_bytes()));
    query.push('=');
    query.push_str(secret);
    request.url.set_query(Some(&query));
}

fn sensitive(value: &[u8]) -> Result<HeaderValue, UpstreamError> {
    let mut value =
        HeaderValue::from_bytes(value).map_err(|_| UpstreamError::CredentialUnusable)?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(username: &str, secret: &[u8]) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(Vec::with_capacity(username.len() + 1 + secret.len()));
    pair.extend_from_slice(username.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(secret);
    Zeroizing::new(BASE64.encode(&pair))
}

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HexCase {
    Lower,
    Upper,
}

/// The secret as JSON text in which `<`, `>`, `&`, `'` and `+` are `\u00XX`.
fn code_points(secret: &[u8], case: HexCase) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(6 * secret.len()));
    for &b in secret {
        match b {
            b'<' | b'>' | b'&' | b'\'' | b'+' => {
                let spelled = match case {
                    HexCase::Lower => format!("\\u{b:04x}"),
                    HexCase::Upper => format!("\\u{b:04X}"),
                };
                out.extend_from_slice(spelled.as_bytes());
            }
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            _ => out.push(b),
        }
    }
    out
}

/// Percent-encoded text with its hexadecimal digits in lower case.
fn lower_hex(encoded: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(encoded.len()));
    let mut digits = 0;
    for c in encoded.chars() {
        let lower = digits > 0;
        digits = if c == '%' {
            2
        } else {
            u8::saturating_sub(digits, 1)
        };
        out.push(if lower { c.to_ascii_lowercase() } else { c });
    }
    out
}

#[cfg(test)]
mod tests;
