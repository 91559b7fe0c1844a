//! Where the connector's way and all others part: by the whole path, before any routing table.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::future::Either;
use tower::Service;

use super::router::{Access, access_of};

/// The connector's service, and the one for everything else.
#[derive(Clone)]
pub(super) struct Fork<C> {
    /// Answers what only a principal reaches.
    pub(super) connector: C,
    /// Answers all else.
    pub(super) others: Router,
}

impl<C> Service<Request> for Fork<C>
where
    C: Service<Request, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<C::Future, <Router as Service<Request>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match access_of(request.uri().path()) {
            Some(Access::Principal) => Either::Left(self.connector.call(request)),
            Some(Access::Public(_) | Access::Page | Access::Document) | None => {
                Either::Right(self.others.call(request))
            }
        }
    }
}
