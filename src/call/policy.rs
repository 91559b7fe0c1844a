//! The tower plumbing of a policy, once for all of them.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult};

/// Says yes or no to a call, and may fill in what it found out. What must see the answer too is a
/// layer of its own.
pub trait Policy: Clone + Send + Sync + 'static {
    /// Lets the call through, or says why not.
    fn admit(&self, call: &mut Call) -> Result<(), CallError>;
}

/// A policy as a layer.
#[derive(Clone)]
pub struct PolicyLayer<P>(pub P);

/// A service behind a policy.
#[derive(Clone)]
pub struct Guarded<P, S> {
    policy: P,
    inner: S,
}

impl<P: Clone, S> Layer<S> for PolicyLayer<P> {
    type Service = Guarded<P, S>;

    fn layer(&self, inner: S) -> Guarded<P, S> {
        Guarded {
            policy: self.0.clone(),
            inner,
        }
    }
}

impl<P, S> Service<Call> for Guarded<P, S>
where
    P: Policy,
    S: CallLayer,
{
    type Response = crate::upstream::Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        // A refusal is ready at once; a yes adds no future of its own.
        match self.policy.admit(&mut call) {
            Ok(()) => self.inner.call(call),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// What every layer of the stack stands on.
pub trait CallLayer:
    Service<
        Call,
        Response = crate::upstream::Answer,
        Error = CallError,
        Future = BoxFuture<'static, CallResult>,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> CallLayer for S where
    S: Service<
            Call,
            Response = crate::upstream::Answer,
            Error = CallError,
            Future = BoxFuture<'static, CallResult>,
        > + Clone
        + Send
        + Sync
        + 'static
{
}
