//! Bounds on a request's head, and no credentials in its URL.

use axum::extract::Request;

use super::{check::Check, refusal::EdgeRefusal};

const MAX_FIELDS: usize = 64;
const MAX_FIELD_BYTES: usize = 8 << 10;
const MAX_URI_BYTES: usize = 8 << 10;
/// Names under which people put credentials into URLs.
const SECRET_NAMES: [&str; 6] = [
    "access_token",
    "token",
    "api_key",
    "apikey",
    "key",
    "license_key",
];

/// At most 64 fields of 8 KiB, a URI of 8 KiB, and nothing secret in it.
#[derive(Clone)]
pub struct HeadBounds;

impl Check for HeadBounds {
    fn check(&self, request: &Request) -> Result<(), EdgeRefusal> {
        let (uri, headers) = (request.uri(), request.headers());
        let uri_bytes = uri.path().len() + uri.query().map_or(0, str::len);
        if uri_bytes > MAX_URI_BYTES {
            return Err(EdgeRefusal::UriTooLong);
        }
        let too_large = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() > MAX_FIELD_BYTES
        };
        if headers.len() > MAX_FIELDS || headers.iter().any(too_large) {
            return Err(EdgeRefusal::HeadTooLarge);
        }
        let names_a_secret = |query: &str| {
            let mut names = query
                .split('&')
                .map(|pair| pair.split('=').next().unwrap_or(pair));
            names.any(|name| {
                SECRET_NAMES
                    .iter()
                    .any(|secret| name.eq_ignore_ascii_case(secret))
            })
        };
        if uri.query().is_some_and(names_a_secret) {
            return Err(EdgeRefusal::SecretInUrl);
        }
        Ok(())
    }
}
