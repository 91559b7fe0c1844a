//! Pages to HTTP: one place for the headers of everything that a browser is given.

use askama::Template;
use axum::{body::Body, response::Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
        REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    request::Parts,
};

use super::{
    PageRefusal, Pages,
    look::Asset,
    view::{ErrorView, Link},
};
use crate::{http::refusal::EdgeRefusal, telemetry::record::Ending};

/// No script, nothing from elsewhere, no frame around it. No `form-action`: browsers apply it to
/// the redirect that answers a form, and that goes to the client.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What a page answers, and what the log says of it.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) ending: Ending,
    pub(super) word: Option<&'static str>,
}

impl Answer {
    const fn ok(response: Response<Body>) -> Self {
        Self {
            response,
            ending: Ending::Ok,
            word: None,
        }
    }

    /// The same, told as a refusal.
    pub(super) fn refusing(mut self, refusal: &PageRefusal) -> Self {
        *self.response.status_mut() = refusal.status();
        if let Some(seconds) = refusal.wait() {
            let seconds = HeaderValue::from(seconds);
            self.response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        self.ending = refusal.ending();
        self.word = Some(refusal.word());
        self
    }

    /// The same, with a cookie.
    pub(super) fn setting(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.response.headers_mut().append(SET_COOKIE, cookie);
        }
        self
    }
}

impl Pages {
    /// A page.
    pub(super) fn shown(&self, template: &impl Template) -> Answer {
        let Ok(text) = template.render() else {
            // Writing to memory does not fail.
            return Answer::ok(self.guarded(Response::new(Body::empty())))
                .refusing(&PageRefusal::Edge(EdgeRefusal::Internal));
        };
        let mut response = self.guarded(Response::new(Body::from(text)));
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        Answer::ok(response)
    }

    /// A page that says no.
    pub(super) fn refused(&self, refusal: &PageRefusal) -> Answer {
        self.refused_with(refusal, None)
    }

    /// The same, with a way on.
    pub(super) fn refused_with(&self, refusal: &PageRefusal, link: Option<Link>) -> Answer {
        let mut answer = self
            .shown(&ErrorView {
                brand: &self.look.brand,
                title: refusal.title(),
                text: refusal.text(),
                link,
            })
            .refusing(refusal);
        if *refusal == PageRefusal::Edge(EdgeRefusal::MethodNotAllowed) {
            let methods = HeaderValue::from_static("GET, HEAD, POST");
            answer.response.headers_mut().insert(ALLOW, methods);
        }
        answer
    }

    /// See other: always a GET of the new address, whatever was asked (RFC 9110 section 15.4.4).
    pub(super) fn sent_to(&self, address: &str) -> Answer {
        let Ok(address) = HeaderValue::from_str(address) else {
            return self.refused(&PageRefusal::Edge(EdgeRefusal::Internal));
        };
        let mut response = self.guarded(Response::new(Body::empty()));
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, address);
        Answer::ok(response)
    }

    fn guarded(&self, mut response: Response<Body>) -> Response<Body> {
        let fields: [(HeaderName, HeaderValue); 5] = [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        response.headers_mut().extend(fields);
        if self.settings.issuer.starts_with("https://") {
            let year = HeaderValue::from_static("max-age=31536000");
            response
                .headers_mut()
                .insert(STRICT_TRANSPORT_SECURITY, year);
        }
        response
    }
}

/// Stylesheet and logo: the same for everybody, kept by browsers under an address that changes with
/// the bytes.
pub(super) fn asset(asset: &Asset, head: &Parts) -> Answer {
    let known = head.headers.get_all(IF_NONE_MATCH).iter().any(|field| {
        let tags = field.to_str().unwrap_or_default().split(',');
        tags.map(str::trim).any(|tag| tag == asset.tag)
    });
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(asset.bytes.clone()))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An SVG that is opened by itself is a document: it may do nothing.
    let nothing =
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    headers.insert(CONTENT_SECURITY_POLICY, nothing);
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=86400"),
    );
    if let Ok(tag) = HeaderValue::from_str(&asset.tag) {
        headers.insert(ETAG, tag);
    }
    Answer::ok(response)
}
