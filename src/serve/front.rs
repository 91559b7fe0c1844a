//! Both listeners, and what answers behind them, which can be exchanged while they listen.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ServeError, Waits,
    accept::{Acceptor, Door, Limits},
    descriptors,
};
use crate::{
    clock::SharedClock, config::ListenConfig, gateway::Gateway, telemetry::metrics::Metrics,
};

/// How long tasks that were ended may take to let go.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What answers on each listener.
pub struct Services {
    /// For MCP clients.
    pub public: Router,
    /// For probes and scrapers.
    pub admin: Router,
}

impl Services {
    /// A whole gateway's.
    pub(super) fn of(gateway: &Gateway) -> Self {
        Self {
            public: gateway.public.clone(),
            admin: gateway.admin.clone(),
        }
    }
}

/// What a front is made of.
pub struct FrontParts<'a> {
    /// Where to listen, and how many are let in.
    pub listen: &'a ListenConfig,
    /// Most requests at once, each of which may hold a connection to an upstream.
    pub in_flight: NonZeroU32,
    /// What answers first.
    pub services: Services,
    /// Counts connections.
    pub metrics: Arc<Metrics>,
    /// Ages connections.
    pub clock: SharedClock,
    /// How long clients may take.
    pub waits: Waits,
}

/// Two open doors.
pub struct Front {
    /// Where MCP clients connect.
    pub public: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    public_door: Arc<Door>,
    admin_door: Arc<Door>,
    pub(super) connections: TaskTracker,
    accepting: CancellationToken,
    goodbye: CancellationToken,
    stopping: CancellationToken,
    pub(super) background: CancellationToken,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Front {
    /// Binds both listeners and answers.
    pub async fn open(parts: FrontParts<'_>) -> Result<Self, ServeError> {
        let public = bind(parts.listen.public).await?;
        let admin = bind(parts.listen.admin).await?;
        let (public_address, admin_address) = (address(&public)?, address(&admin)?);
        let [accepting, goodbye, stopping, background] =
            std::array::from_fn(|_| CancellationToken::new());
        let door = |service: Router, limits: Limits, stopping: &CancellationToken| {
            Arc::new(Door {
                service: ArcSwap::from_pointee(service),
                limits,
                goodbye: goodbye.clone(),
                stopping: stopping.clone(),
                metrics: Arc::clone(&parts.metrics),
                clock: Arc::clone(&parts.clock),
                waits: parts.waits,
            })
        };
        let most = descriptors::connections(parts.listen.max_connections, parts.in_flight);
        let limits = Limits::public(parts.listen, most);
        let public_door = door(parts.services.public, limits, &stopping);
        // Whatever clients do, probes and scrapers have connections of their own.
        let admin_door = door(parts.services.admin, Limits::admin(), &background);
        let connections = TaskTracker::new();
        let acceptors = [
            Acceptor {
                listener: public,
                door: Arc::clone(&public_door),
                connections: connections.clone(),
                stop: accepting.clone(),
            },
            // Answers through the drain, so that a probe hears "draining" and not nothing; nobody
            // waits for its connections.
            Acceptor {
                listener: admin,
                door: Arc::clone(&admin_door),
                connections: TaskTracker::new(),
                stop: background.clone(),
            },
        ];
        let tasks = acceptors.map(|acceptor| tokio::spawn(acceptor.run()));
        Ok(Self {
            public: public_address,
            admin: admin_address,
            public_door,
            admin_door,
            connections,
            accepting,
            goodbye,
            stopping,
            background,
            tasks: tasks.into(),
        })
    }

    /// From the next request on these answer.
    pub(super) fn exchange(&self, services: Services) {
        self.public_door.service.store(Arc::new(services.public));
        self.admin_door.service.store(Arc::new(services.admin));
    }

    /// From now on answers of HTTP/1 ask for another connection, so that nobody keeps one of ours.
    pub(super) fn say_goodbye(&self) {
        self.goodbye.cancel();
    }

    /// No new connections; those that are open end between requests.
    pub(super) fn stop_accepting(&self) {
        self.stopping.cancel();
        self.accepting.cancel();
        self.connections.close();
    }

    /// Waits, but not long, until what was ended has let go of everything.
    pub(super) async fn ended(&mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        let ended = futures_util::future::join_all(tasks);
        drop(tokio::time::timeout(LETTING_GO, ended).await);
    }

    /// Ends everything at once. For a front that answers nothing worth waiting for.
    pub fn end(&self) {
        self.stop_accepting();
        self.background.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
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
