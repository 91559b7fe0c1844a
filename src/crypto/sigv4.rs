//! AWS Signature Version 4: the header fields that prove who sends a request.
//!
//! Pure: it reads no clock and sends nothing. It signs no streams and presigns no URLs.

use std::{borrow::Cow, fmt};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Timestamp;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// All but what RFC 3986 section 2.3 calls unreserved.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whose signature it is, and for what.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The public half of the key: `AKIA…`.
    pub access_key_id: &'a str,
    /// The secret half.
    pub secret_key: &'a [u8],
    /// Of temporary credentials; it is sent along and signed.
    pub session_token: Option<&'a [u8]>,
    /// `eu-central-1`
    pub region: &'a str,
    /// `execute-api`
    pub service: &'a str,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// A request, complete but for its signature. `host` is taken from the URL.
#[derive(Clone, Copy)]
pub struct Signable<'a> {
    /// The method.
    pub method: &'a Method,
    /// Where it goes, as it is on the wire.
    pub url: &'a Url,
    /// All header fields that are sent; those the signature adds are passed over.
    pub headers: &'a HeaderMap,
    /// The whole body; empty for none.
    pub body: &'a [u8],
}

/// What is missing from a request: to be inserted, never appended.
pub struct Signature(HeaderMap);

impl Signature {
    /// The header fields: `authorization` and `x-amz-date`, where the service wants it
    /// `x-amz-content-sha256`, for temporary credentials `x-amz-security-token`.
    pub fn into_headers(self) -> HeaderMap {
        self.0
    }

    /// Puts them on a request in the place of any before.
    pub fn put_on(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            if let Some(name) = name {
                headers.insert(name, value);
            }
        }
    }
}

/// Why a request cannot be signed. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key id, the region, the service or the session token cannot stand in a header.
    #[error("credential cannot be sent")]
    Credential,
    /// The URL names no host.
    #[error("no host")]
    Host,
    /// The time is none that has a date.
    #[error("time out of range")]
    Time,
}

impl Signer<'_> {
    /// Signs a request as of `now`. A signature is good for about five minutes: sign every attempt
    /// for itself.
    pub fn sign(&self, request: &Signable<'_>, now: Timestamp) -> Result<Signature, SignError> {
        let at = stamp(now).ok_or(SignError::Time)?;
        let day = at.get(..8).ok_or(SignError::Time)?;
        let content = HEXLOWER.encode(&Sha256::digest(request.body));

        let mut added = HeaderMap::with_capacity(4);
        added.insert(DATE, plain(&at)?);
        if self.wants_content() {
            added.insert(CONTENT, plain(&content)?);
        }
        if let Some(token) = self.session_token {
            let mut value = HeaderValue::from_bytes(token).map_err(|_| SignError::Credential)?;
            value.set_sensitive(true);
            added.insert(TOKEN, value);
        }

        let fields = canonical_headers(request, &added)?;
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let canonical = self.canonical(request, &fields, &names, &content);

        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let digest = HEXLOWER.encode(&Sha256::digest(&canonical));
        let text = format!("{ALGORITHM}\n{at}\n{scope}\n{digest}");
        let signature = HEXLOWER.encode(&*mac(&*self.key(day), text.as_bytes()));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        let mut authorization = plain(&authorization)?;
        authorization.set_sensitive(true);
        added.insert(header::AUTHORIZATION, authorization);
        Ok(Signature(added))
    }

    /// The S3 family reads paths as they are and wants the digest of the body in a header.
    fn is_s3(&self) -> bool {
        matches!(
            self.service,
            "s3" | "s3express" | "s3-outposts" | "s3-object-lambda"
        )
    }

    fn wants_content(&self) -> bool {
        self.is_s3() || self.service == "aoss"
    }

    /// The request in the one spelling that both sides sign.
    fn canonical(
        &self,
        request: &Signable<'_>,
        fields: &[(HeaderName, Vec<u8>)],
        names: &str,
        content: &str,
    ) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(1024));
        out.extend_from_slice(request.method.as_str().as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.canonical_path(request.url.path()).as_bytes());
        out.push(b'\n');
        out.extend_from_slice(canonical_query(request.url.query()).as_bytes());
        out.push(b'\n');
        for (name, value) in fields {
            out.extend_from_slice(name.as_str().as_bytes());
            out.push(b':');
            out.extend_from_slice(value);
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(names.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(content.as_bytes());
        out
    }

    /// What is on the wire is encoded once; all services but S3 encode it a second time and take
    /// several slashes for one. Dot segments never come here: `Url` resolves them.
    fn canonical_path(&self, path: &str) -> String {
        if self.is_s3() {
            // An encoded slash is part of a name, on the wire as in the signature.
            let segments: Vec<String> = path.split('/').map(strict).collect();
            return segments.join("/");
        }
        let mut out = String::with_capacity(path.len() + 8);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            out.push('/');
            let once = strict(segment);
            out.extend(percent_encode(once.as_bytes(), STRICT));
        }
        if path.ends_with('/') || out.is_empty() {
            out.push('/');
        }
        out
    }

    /// The key of one day, one region and one service.
    fn key(&self, day: &str) -> Zeroizing<[u8; 32]> {
        let mut first = Zeroizing::new(Vec::with_capacity(4 + self.secret_key.len()));
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(self.secret_key);
        let key = mac(&first, day.as_bytes());
        let key = mac(&*key, self.region.as_bytes());
        let key = mac(&*key, self.service.as_bytes());
        mac(&*key, b"aws4_request")
    }
}

/// `20150830T123600Z`
fn stamp(now: Timestamp) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(now.as_millis().div_euclid(1000)).ok()?;
    (0..=9999).contains(&at.year()).then(|| {
        format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    })
}

/// Decoded, whatever was encoded on the wire, and encoded strictly.
fn strict(text: &str) -> String {
    let decoded: Cow<'_, [u8]> = percent_decode(text.as_bytes()).into();
    percent_encode(&decoded, STRICT).to_string()
}

/// Names and values encoded strictly, in the order of what came out.
fn canonical_query(query: Option<&str>) -> Zeroizing<String> {
    let mut pairs: Vec<(String, String)> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (strict(name), strict(value))
        })
        .collect();
    pairs.sort_unstable();
    let mut out = Zeroizing::new(String::new());
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&name);
        out.push('=');
        out.push_str(&value);
    }
    out
}

/// All that is signed, by name: values trimmed, their spaces folded, several joined by commas.
fn canonical_headers(
    request: &Signable<'_>,
    added: &HeaderMap,
) -> Result<Vec<(HeaderName, Vec<u8>)>, SignError> {
    let host = request.url.host_str().ok_or(SignError::Host)?;
    let host = request
        .url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut fields = vec![(header::HOST, host.into_bytes())];
    let own = request
        .headers
        .keys()
        .filter(|name| is_signed(name))
        .map(|name| (name, request.headers));
    for (name, from) in own.chain(added.keys().map(|name| (name, added))) {
        let mut joined = Vec::new();
        for (at, value) in from.get_all(name).iter().enumerate() {
            if at > 0 {
                joined.push(b',');
            }
            fold(value.as_bytes(), &mut joined);
        }
        fields.push((name.clone(), joined));
    }
    fields.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    Ok(fields)
}

/// Whatever a hop may change or add is not signed, nor what the signature itself brings.
fn is_signed(name: &HeaderName) -> bool {
    let ours = [&header::AUTHORIZATION, &DATE, &CONTENT, &TOKEN];
    let loose = [
        // A content delivery network in front of the service writes its own.
        header::ACCEPT_ENCODING,
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::TE,
        header::TRANSFER_ENCODING,
        header::USER_AGENT,
    ];
    !ours.contains(&name) && !loose.contains(name) && name.as_str() != "x-amzn-trace-id"
}

fn fold(value: &[u8], out: &mut Vec<u8>) {
    let mut words = value
        .split(|b| *b == b' ' || *b == b'\t')
        .filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out.extend_from_slice(first);
    }
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

fn plain(text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::Credential)
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes a key of any length (RFC 2104 section 2)"
)]
fn mac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
