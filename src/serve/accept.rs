//! The accept loop: connections up to a cap, and up to a cap from one address.

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::Router;
use dashmap::DashMap;
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Waits, connection, descriptors};
use crate::{
    clock::SharedClock,
    config::ListenConfig,
    http::{Peer, client_address::bucket},
    limit::BucketKey,
    telemetry::{metrics::Metrics, pressure::Level},
};

/// Pause after an accept that failed, as when file descriptors run out: never a spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections, from whom.
pub struct Limits {
    all: Arc<Semaphore>,
    /// By IPv4 address or IPv6 /64.
    from: DashMap<BucketKey, u32>,
    most_from: u32,
    trusted: Vec<IpNet>,
    short: Short,
}

/// What a lack of memory means to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Short {
    /// New connections wait in the backlog.
    Waits,
    /// Nothing.
    GoesOn,
}

impl Limits {
    /// So many from all clients, as configured from one.
    pub fn public(listen: &ListenConfig, most: u32) -> Self {
        Self {
            all: places(most),
            from: DashMap::new(),
            most_from: listen.max_connections_per_address.max(1),
            trusted: listen.trusted_proxies.clone(),
            short: Short::Waits,
        }
    }

    /// For the listener that must always answer.
    pub fn admin() -> Self {
        Self {
            all: places(descriptors::ADMIN),
            from: DashMap::new(),
            most_from: descriptors::ADMIN,
            trusted: Vec::new(),
            short: Short::GoesOn,
        }
    }
}

fn places(most: u32) -> Arc<Semaphore> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)))
}

/// What every connection of a listener shares.
pub struct Door {
    /// Answers requests; exchanged when the vault opens.
    pub service: ArcSwap<Router>,
    /// Bounds connections.
    pub limits: Limits,
    /// Asks HTTP/1 clients to use a connection no more.
    pub goodbye: CancellationToken,
    /// Ends connections between requests.
    pub stopping: CancellationToken,
    /// Counts connections.
    pub metrics: Arc<Metrics>,
    /// Ages connections.
    pub clock: SharedClock,
    /// How long clients may take.
    pub waits: Waits,
}

/// One listener.
pub struct Acceptor {
    /// Bound.
    pub listener: TcpListener,
    /// What its connections share.
    pub door: Arc<Door>,
    /// Waited for at the end.
    pub connections: TaskTracker,
    /// Ends the loop.
    pub stop: CancellationToken,
}

impl Acceptor {
    /// Accepts until told to stop. At the cap it waits, so further clients wait in the backlog.
    pub async fn run(self) {
        while let Some((permit, accepted)) = self.stop.run_until_cancelled(self.next()).await {
            match accepted {
                // An IPv4 client of a dual-stack listener is that client, not an IPv6 one.
                Ok((stream, address)) => self.admit(stream, address.ip().to_canonical(), permit),
                Err(error) => {
                    tracing::warn!(%error, "accept.failed");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn next(
        &self,
    ) -> (
        Option<OwnedSemaphorePermit>,
        std::io::Result<(TcpStream, std::net::SocketAddr)>,
    ) {
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = Arc::clone(&self.door.limits.all).acquire_owned().await.ok();
        let pressure = &self.door.metrics.pressure;
        while self.door.limits.short == Short::Waits && pressure.level() == Level::Critical {
            tokio::time::sleep(PAUSE).await;
        }
        (permit, self.listener.accept().await)
    }

    fn admit(&self, stream: TcpStream, address: IpAddr, permit: Option<OwnedSemaphorePermit>) {
        let Some(place) = Place::take(&self.door, address, permit) else {
            return;
        };
        // Without it an answer of two writes waits for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "accept.nodelay");
        }
        let door = Arc::clone(&self.door);
        self.connections.spawn(async move {
            let _place = place;
            connection::serve(stream, Peer(address), &door).await;
        });
    }
}

/// A connection's place, until dropped.
struct Place {
    door: Arc<Door>,
    address: IpAddr,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn take(
        door: &Arc<Door>,
        address: IpAddr,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<Self> {
        let limits = &door.limits;
        let mut held = limits.from.entry(bucket(address)).or_insert(0);
        let trusted = limits.trusted.iter().any(|net| net.contains(&address));
        if *held >= limits.most_from && !trusted {
            return None;
        }
        *held += 1;
        door.metrics.connections.inc();
        Some(Self {
            door: Arc::clone(door),
            address,
            _permit: permit,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.metrics.connections.dec();
        let from = &self.door.limits.from;
        if let Some(mut held) = from.get_mut(&bucket(self.address)) {
            *held = held.saturating_sub(1);
        }
        from.remove_if(&bucket(self.address), |_, held| *held == 0);
    }
}
