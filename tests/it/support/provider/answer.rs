//! Requests taken apart, and answers as each provider words them.

use std::collections::BTreeMap;

use axum::{body::Bytes, extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Flavour;

/// A request.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    /// None when a name stands there twice (RFC 6749 section 3.1).
    pub(super) query: Option<BTreeMap<String, String>>,
    /// The same for the body.
    pub(super) form: Option<BTreeMap<String, String>>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) async fn read(request: Request) -> Self {
        let (head, body) = request.into_parts();
        let body = body.collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let kind = head.headers.get("content-type").map(HeaderValue::as_bytes);
        let form = match kind {
            Some(b"application/x-www-form-urlencoded") => fields(&body),
            _ => Some(BTreeMap::new()),
        };
        Self {
            path: head.uri.path().to_owned(),
            query: fields(head.uri.query().unwrap_or_default().as_bytes()),
            form,
            method: head.method,
            headers: head.headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer token, or the one in the query where Meta reads it too.
    pub(super) fn bearer(&self) -> Option<String> {
        let header = self.header("authorization");
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let in_query = || self.query.as_ref()?.get("access_token").cloned();
        token.map(str::to_owned).or_else(in_query)
    }
}

fn fields(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(all)
}

/// Why there is no token (RFC 6749 section 5.2).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl Refusal {
    pub(super) const fn new(error: &'static str, description: &'static str) -> Self {
        Self {
            status: 400,
            error,
            description,
        }
    }

    /// As this provider words it.
    pub(super) fn answer(&self, flavour: Flavour) -> Response {
        match flavour {
            Flavour::Google | Flavour::Amazon => json(
                self.status,
                &json!({ "error": self.error, "error_description": self.description }),
            ),
            Flavour::Meta => {
                let code = match self.error {
                    "invalid_client" => 1,
                    "invalid_grant" => 190,
                    _ => 100,
                };
                let kind = "OAuthException";
                let error = json!({ "message": self.description, "type": kind, "code": code, "fbtrace_id": "A1" });
                json(400, &json!({ "error": error }))
            }
            Flavour::Github => {
                let error = match self.error {
                    "invalid_client" => "incorrect_client_credentials",
                    "invalid_grant" => "bad_verification_code",
                    other => other,
                };
                json(
                    200,
                    &json!({ "error": error, "error_description": self.description }),
                )
            }
        }
    }
}

pub(super) fn json(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8")
        .header("cache-control", "no-store")
        .body(body.to_string().into())
        .unwrap()
}

/// A page for the person, who is not sent back.
pub(super) fn page(text: &str) -> Response {
    Response::builder()
        .status(400)
        .header("content-type", "text/plain")
        .body(text.to_owned().into())
        .unwrap()
}
