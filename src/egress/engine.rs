//! The engine under [`super::EgressClient`]: `hyper`'s pooled client over a guarded connector.
//!
//! It has no redirects, proxies, cookies or decoders to be switched off: what is not here cannot be
//! turned on by a default. It sends a request again only when a pooled connection was closed before
//! a byte of it was written.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client, Error as ClientError,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tower::Service;

use super::{
    EgressError, EgressProfile, EgressSetupError, Scheme,
    guard::{AddressRefused, Guard, LookupError},
};

/// Idle connections to a host are closed after this long, sooner than common servers do.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// How often an HTTP/2 connection in use is asked whether it is there, and how long it may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// A pool of connections.
pub(super) type Engine = Client<Patient, Full<Bytes>>;

/// An engine for one profile.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that makes HTTP clients"
)]
pub(super) fn engine(
    profile: &EgressProfile,
    guard: Arc<Guard>,
) -> Result<Engine, EgressSetupError> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver(guard));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new();
    let connector = match profile.scheme {
        Scheme::Https => {
            let tls = profile.extra_roots.client_config()?;
            builder
                .with_tls_config(tls)
                .https_only()
                .enable_all_versions()
                .wrap_connector(tcp)
        }
        // Never speaks TLS, so it need not read the system's certificates: it trusts none.
        Scheme::Http => {
            let tls = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder
                .with_tls_config(tls)
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp)
        }
    };
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        // A connection whose other end is silently gone would time out call after call.
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(profile.idle_per_host)
        .build(Patient {
            connector,
            limit: profile.connect_timeout,
        }))
}

/// Keeps the class of an engine's error and drops the rest, which may hold names.
pub(super) fn class_of(error: &ClientError) -> EgressError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if inner.is::<AddressRefused>() {
            return EgressError::AddressRefused;
        }
        if inner.is::<TooLate>() {
            return EgressError::ConnectTimeout;
        }
        cause = inner.source();
    }
    if error.is_connect() {
        EgressError::Connect
    } else {
        EgressError::Broken
    }
}

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
struct TooLate;

type Connector = HttpsConnector<HttpConnector<Resolver>>;
type ConnectorError = Box<dyn Error + Send + Sync>;

/// A connector with one limit for name, address and TLS together.
#[derive(Clone)]
pub(super) struct Patient {
    connector: Connector,
    limit: Duration,
}

impl Service<Uri> for Patient {
    type Response = <Connector as Service<Uri>>::Response;
    type Error = ConnectorError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectorError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectorError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = tokio::time::timeout(self.limit, self.connector.call(uri));
        Box::pin(async move { connected.await.unwrap_or_else(|_| Err(TooLate.into())) })
    }
}

/// The guard as the connector asks it: for names only, literals were judged before.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Guard>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ConnectorError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectorError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectorError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            match guard.resolve(name.as_str()).await {
                Ok(found) => {
                    let dial = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
                    Ok(dial.collect::<Vec<_>>().into_iter())
                }
                // Boxed as it is: `class_of` looks for it among the causes.
                Err(LookupError::Refused(refused)) => Err(refused.into()),
                Err(failed @ LookupError::Failed) => Err(failed.into()),
            }
        })
    }
}
