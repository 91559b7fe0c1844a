//! The tower plumbing of a check on a request's head, once for all of them. A check that says yes
//! adds no future and no allocation.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::future::Either;
use tower::{Layer, Service};

use super::{refusal::EdgeRefusal, reply};

/// Says yes or no to a request before its body is read.
pub trait Check: Clone + Send + Sync + 'static {
    /// Lets the request through, or says why not.
    fn check(&self, request: &Request) -> Result<(), EdgeRefusal>;
}

/// A check as a layer.
#[derive(Clone)]
pub struct CheckLayer<C>(pub C);

/// A service behind a check.
#[derive(Clone)]
pub struct Checked<C, S> {
    check: C,
    inner: S,
}

impl<C: Clone, S> Layer<S> for CheckLayer<C> {
    type Service = Checked<C, S>;

    fn layer(&self, inner: S) -> Checked<C, S> {
        Checked {
            check: self.0.clone(),
            inner,
        }
    }
}

impl<C, S> Service<Request> for Checked<C, S>
where
    C: Check,
    S: Service<Request, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.check.check(&request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(refusal) => Either::Left(ready(Ok(reply::at_the_edge(
                request.extensions(),
                &refusal,
            )))),
        }
    }
}
