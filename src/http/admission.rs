//! How many requests are answered at once. Beyond that a request is refused before its credential
//! and its body are looked at, with a status that says when to come back.
//!
//! Two sorts of requests have places of their own: those to the connector, and all others. Whoever
//! must renew a token or look for the sign-in is not kept out by calls that wait for an API, and
//! nobody without a credential keeps calls out. It stands where the two ways part, so what has the
//! wrong host, origin or head never takes a place.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use dashmap::DashMap;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use ipnet::IpNet;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

use super::{
    client_address::{Peer, bucket, client_address},
    refusal::EdgeRefusal,
    reply,
};
use crate::{
    config::Config,
    limit::BucketKey,
    telemetry::{metrics::Metrics, pressure::Level},
};

/// One in so many places is kept for what is not the connector.
const KEPT: u32 = 8;
/// One address may hold this part of them: it sends bodies as slowly as it likes.
const OF_ONE_ADDRESS: i64 = 2;

/// The places of one process.
pub struct Admission {
    metrics: Arc<Metrics>,
    /// Legacy calls whose clients went away still run.
    detached: TaskTracker,
    most_calls: i64,
    most_others: i64,
    others_from: DashMap<BucketKey, i64>,
    trusted: Vec<IpNet>,
}

impl Admission {
    /// As configured, all free. A gauge counts the places taken: it is asked first and shown too.
    pub fn new(config: &Config, metrics: Arc<Metrics>, detached: TaskTracker) -> Arc<Self> {
        let most = config.limits.max_in_flight.get();
        let kept = most.div_ceil(KEPT);
        Arc::new(Self {
            metrics,
            detached,
            most_calls: i64::from(most - kept).max(1),
            most_others: i64::from(kept),
            others_from: DashMap::new(),
            trusted: config.listen.trusted_proxies.clone(),
        })
    }

    fn call(&self) -> Result<Place, EdgeRefusal> {
        if self.metrics.pressure.level() >= Level::Short {
            return Err(EdgeRefusal::MemoryShort);
        }
        let left = i64::try_from(self.detached.len()).unwrap_or(i64::MAX);
        Place::take(
            &self.metrics.calls_in_flight,
            self.most_calls.saturating_sub(left),
        )
    }

    fn other(self: &Arc<Self>, request: &Request) -> Result<Other, EdgeRefusal> {
        let place = Place::take(&self.metrics.others_in_flight, self.most_others)?;
        let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
            return Ok(Other {
                from: None,
                _place: place,
            });
        };
        let key = bucket(client_address(peer, request.headers(), &self.trusted));
        let most = self.most_others.div_euclid(OF_ONE_ADDRESS).max(1);
        let mut held = self.others_from.entry(key).or_insert(0);
        if *held >= most {
            return Err(EdgeRefusal::TooManyInFlight);
        }
        *held += 1;
        Ok(Other {
            from: Some((Arc::clone(self), key)),
            _place: place,
        })
    }
}

/// A place, until dropped.
struct Place(Gauge);

impl Place {
    fn take(held: &Gauge, most: i64) -> Result<Self, EdgeRefusal> {
        let place = Self(held.clone());
        // Given back by the drop where it was one too many.
        if held.inc() >= most {
            return Err(EdgeRefusal::TooManyInFlight);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A place of an address.
struct Other {
    from: Option<(Arc<Admission>, BucketKey)>,
    _place: Place,
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some((admission, key)) = &self.from {
            if let Some(mut held) = admission.others_from.get_mut(key) {
                *held -= 1;
            }
            admission.others_from.remove_if(key, |_, held| *held <= 0);
        }
    }
}

/// In front of the connector.
#[derive(Clone)]
pub struct AdmitCalls(pub Arc<Admission>);

impl<S> Layer<S> for AdmitCalls {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        Admitting {
            admission: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service with a bound on what it does at once.
#[derive(Clone)]
pub struct Admitting<S> {
    admission: Arc<Admission>,
    inner: S,
}

/// An answer that is being made, and its place.
pub struct Admitted<E> {
    answer: BoxFuture<'static, Result<Response<Body>, E>>,
    _place: Place,
}

impl<E> Future for Admitted<E> {
    type Output = Result<Response<Body>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(context)
    }
}

impl<S, E> Service<Request> for Admitting<S>
where
    S: Service<
            Request,
            Response = Response<Body>,
            Error = E,
            Future = BoxFuture<'static, Result<Response<Body>, E>>,
        >,
{
    type Response = Response<Body>;
    type Error = E;
    type Future = Either<Ready<Result<Response<Body>, E>>, Admitted<E>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.admission.call() {
            Ok(place) => Either::Right(Admitted {
                answer: self.inner.call(request),
                _place: place,
            }),
            Err(refusal) => Either::Left(ready(Ok(reply::at_the_edge(
                request.extensions(),
                &refusal,
            )))),
        }
    }
}

/// In front of everything else.
pub async fn admit_other(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    match admission.other(&request) {
        Ok(place) => {
            let answer = next.run(request).await;
            drop(place);
            answer
        }
        Err(refusal) => reply::at_the_edge(request.extensions(), &refusal),
    }
}
