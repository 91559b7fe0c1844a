//! The tower plumbing of a policy, once for all of them.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, CallError, CallResult};

/// Says yes or no to a call, and may fill in what it found out. What must see the answer too is an
/// [`Around`].
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

/// Stands around a call: sees it before and its answer after.
pub trait Around: Clone + Send + Sync + 'static {
    /// Passes the call on to `inner`, or does not.
    fn around<S: CallLayer>(&self, inner: &mut S, call: Call) -> BoxFuture<'static, CallResult>;
}

/// What stands around, as a layer.
#[derive(Clone)]
pub struct AroundLayer<A>(pub A);

/// A service with something around it.
#[derive(Clone)]
pub struct Surrounded<A, S> {
    around: A,
    inner: S,
}

impl<A: Clone, S> Layer<S> for AroundLayer<A> {
    type Service = Surrounded<A, S>;

    fn layer(&self, inner: S) -> Surrounded<A, S> {
        Surrounded {
            around: self.0.clone(),
            inner,
        }
    }
}

impl<A: Around, S: CallLayer> Service<Call> for Surrounded<A, S> {
    type Response = crate::upstream::Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        self.around.around(&mut self.inner, call)
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
