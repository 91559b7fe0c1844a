//! Listening: bind, accept, hear of changes, reload, drain.

pub mod accept;
pub mod connection;
pub mod pulse;
pub mod reload;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::accept::{Acceptor, Door};
pub use self::reload::ConfigSource;
use crate::{gateway::Gateway, http::body};

/// How often what nobody needs is forgotten.
const SWEEP: Duration = Duration::from_mins(1);
/// How often it is written what sessions did.
const WRITE: Duration = Duration::from_secs(5);

/// Why a gateway does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ServeError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// A gateway that serves, until stopped.
pub struct Running {
    /// Where MCP clients connect.
    pub public: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    gateway: Arc<Gateway>,
    connections: TaskTracker,
    accepting: CancellationToken,
    background: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call ended.
    Whole,
    /// Some were cut off at the drain timeout.
    CutOff,
}

/// How long clients may take. Not configurable: tests look sooner, nobody waits longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// Over heads, over silences, over reading what is written.
    pub connection: pulse::Waits,
    /// Over a request's body.
    pub body: body::Waits,
}

/// Binds both listeners and serves. With a `source` it reloads at SIGHUP and when files change.
pub async fn start(gateway: Gateway, source: Option<ConfigSource>) -> Result<Running, ServeError> {
    start_with(gateway, source, Waits::default()).await
}

/// [`start`] with other waits.
pub async fn start_with(
    gateway: Gateway,
    source: Option<ConfigSource>,
    waits: Waits,
) -> Result<Running, ServeError> {
    let gateway = Arc::new(gateway);
    let config = gateway.config();
    let public = bind(config.listen.public).await?;
    let admin = bind(config.listen.admin).await?;
    let (connections, accepting, background) = (
        TaskTracker::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let (public_address, admin_address) = (address(&public)?, address(&admin)?);

    let door = |service, limits, stopping| Door {
        service,
        limits,
        stopping,
        metrics: Arc::clone(&gateway.metrics),
        clock: gateway.clock(),
        waits,
    };
    let mut tasks = Vec::new();
    let limits = || accept::Limits::of(&config.listen);
    let acceptors = [
        Acceptor {
            listener: public,
            door: Arc::new(door(
                gateway.public.clone(),
                limits(),
                gateway.stopping.clone(),
            )),
            connections: connections.clone(),
            stop: accepting.clone(),
        },
        // Answers through the drain, so that a probe hears "draining" and not nothing; nobody
        // waits for its connections.
        Acceptor {
            listener: admin,
            door: Arc::new(door(gateway.admin.clone(), limits(), background.clone())),
            connections: TaskTracker::new(),
            stop: background.clone(),
        },
    ];
    for acceptor in acceptors {
        tasks.push(tokio::spawn(acceptor.run()));
    }
    tasks.push(tokio::spawn({
        let (gateway, stop) = (Arc::clone(&gateway), background.clone());
        async move { gateway.watch(stop).await }
    }));
    tasks.push(tokio::spawn({
        let (gateway, stop) = (Arc::clone(&gateway), background.clone());
        async move {
            let mut ticks = tokio::time::interval(SWEEP);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                gateway.sweep().await;
            }
        }
    }));
    tasks.push(tokio::spawn({
        let (gateway, stop) = (Arc::clone(&gateway), background.clone());
        async move {
            let mut ticks = tokio::time::interval(WRITE);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                gateway.write_activity().await;
            }
        }
    }));
    // Listened for before anybody is told that we serve: a SIGHUP in between would end the process.
    if let Some(source) = source
        && let Some(hangup) = reload::hangups()
    {
        let (gateway, stop) = (Arc::clone(&gateway), background.clone());
        tasks.push(tokio::spawn(reload::run(gateway, source, hangup, stop)));
    }
    let running = Running {
        public: public_address,
        admin: admin_address,
        gateway,
        connections,
        accepting,
        background,
        tasks,
    };
    tracing::info!(public = %running.public, admin = %running.admin, "serving");
    Ok(running)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError { address, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|source| ServeError {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        source,
    })
}

impl Running {
    /// The gateway itself.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Not ready any more, streams get their end, running calls finish, unspent calls go back.
    pub async fn stop(self) -> Drained {
        let patience = self.gateway.config().limits.drain_timeout.duration();
        tracing::info!("draining");
        // Readiness first, so that a load balancer looks elsewhere; open streams get their result.
        self.gateway.stopping.cancel();
        self.accepting.cancel();
        self.connections.close();
        self.gateway.detached.close();
        let drained = tokio::time::timeout(patience, async {
            self.connections.wait().await;
            self.gateway.detached.wait().await;
        })
        .await;
        self.background.cancel();
        for task in &self.tasks {
            task.abort();
        }
        self.gateway.close().await;
        match drained {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::CutOff,
        }
    }
}
