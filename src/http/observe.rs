//! Outermost: every request has a record, an id, and an answer even when we panic.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, Method};
use http_body::Body as _;
use tower::{Layer, Service};

use super::{refusal::EdgeRefusal, reply, router};
use crate::{
    clock::SharedClock,
    entropy::SharedEntropy,
    ids::RequestId,
    telemetry::record::{Ending, Record, Sinks},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What layers and handlers below find in each request.
#[derive(Clone)]
pub struct Edge {
    /// Where what happens is noted.
    pub record: Record,
    /// The request's id.
    pub request_id: RequestId,
}

/// Starts and finishes records.
#[derive(Clone)]
pub struct Observe {
    /// Where records go.
    pub sinks: Sinks,
    /// For ids.
    pub clock: SharedClock,
    /// For ids.
    pub entropy: SharedEntropy,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            observe: Arc::new(self.clone()),
            inner,
        }
    }
}

/// A service whose requests are recorded.
#[derive(Clone)]
pub struct Observed<S> {
    observe: Arc<Observe>,
    inner: S,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let observe = &self.observe;
        let request_id = RequestId::generate(observe.clock.now(), observe.entropy.as_ref());
        let route = router::route_of(request.uri().path());
        let method = method_word(request.method());
        let record = Record::start(observe.sinks.clone(), request_id, method, route);
        let edge = Edge { record, request_id };
        request.extensions_mut().insert(edge.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            let mut response = if let Ok(answer) = answer {
                answer?
            } else {
                edge.record
                    .ended(Ending::Failed, Some(EdgeRefusal::Internal.word()));
                reply::edge_response(&EdgeRefusal::Internal)
            };
            let mut fields = edge.record.fields();
            fields.status = response.status().as_u16();
            fields.response_bytes = response.body().size_hint().exact().unwrap_or(0);
            drop(fields);
            if let Ok(id) = HeaderValue::from_str(&edge.request_id.to_string()) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}

const fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        _ => "other",
    }
}
