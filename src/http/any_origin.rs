//! CORS for what any web page may call, always without credentials: discovery and the machine
//! endpoints of the authorization server. Never for anything that a cookie or an address opens.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    },
};
use tower::{Layer, Service};

use super::observe::Edge;
use crate::telemetry::record::Ending;

const EVERYBODY: HeaderValue = HeaderValue::from_static("*");
const HEADERS: HeaderValue =
    HeaderValue::from_static("accept, authorization, content-type, mcp-protocol-version");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("retry-after, www-authenticate, x-request-id");
const AN_HOUR: HeaderValue = HeaderValue::from_static("3600");

/// Lets pages of any origin read the answers. The methods are those of the endpoint, `OPTIONS`
/// included.
#[derive(Debug, Clone, Copy)]
pub struct AnyOrigin(pub &'static str);

/// A service that any page may call.
#[derive(Debug, Clone)]
pub struct Open<S> {
    methods: &'static str,
    inner: S,
}

impl<S> Layer<S> for AnyOrigin {
    type Service = Open<S>;

    fn layer(&self, inner: S) -> Open<S> {
        Open {
            methods: self.0,
            inner,
        }
    }
}

impl<S> Service<Request> for Open<S>
where
    S: Service<Request, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() == Method::OPTIONS {
            if let Some(edge) = request.extensions().get::<Edge>() {
                edge.record.ended(Ending::Ok, None);
            }
            let answer = preflight(self.methods);
            return Box::pin(async move { Ok(answer) });
        }
        let answer = self.inner.call(request);
        let methods = HeaderValue::from_static(self.methods);
        Box::pin(async move {
            let mut response = answer.await?;
            let refused_method = response.status() == StatusCode::METHOD_NOT_ALLOWED;
            let headers = response.headers_mut();
            if refused_method {
                headers.insert(ALLOW, methods);
            }
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, EVERYBODY);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            Ok(response)
        })
    }
}

fn preflight(methods: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static(methods);
    let fields: [(HeaderName, HeaderValue); 5] = [
        (ALLOW, methods.clone()),
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_ORIGIN, EVERYBODY),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, AN_HOUR),
    ];
    headers.extend(fields);
    response
}
