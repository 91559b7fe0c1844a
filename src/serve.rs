//! Listening: bind, accept, hear of changes, reload, drain.

pub mod accept;
pub mod connection;
mod descriptors;
mod files;
pub mod front;
mod memory;
pub mod pulse;
pub mod reload;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use self::{
    front::{Front, FrontParts, Services},
    reload::ConfigSource,
};
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
    front: Front,
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
    let front = Front::open(FrontParts {
        listen: &gateway.config().listen,
        in_flight: gateway.config().limits.max_in_flight,
        services: Services::of(&gateway),
        metrics: Arc::clone(&gateway.metrics),
        clock: gateway.clock(),
        waits,
    })
    .await?;
    Ok(front.carry_on(gateway, source))
}

impl Front {
    /// From now on this gateway answers, also on connections that are open already.
    pub fn carry_on(mut self, gateway: Gateway, source: Option<ConfigSource>) -> Running {
        self.exchange(Services::of(&gateway));
        let gateway = Arc::new(gateway);
        self.begin(&gateway, source);
        tracing::info!(public = %self.public, admin = %self.admin, "serving");
        Running {
            public: self.public,
            admin: self.admin,
            gateway,
            front: self,
        }
    }

    /// What is done beside answering.
    fn begin(&mut self, gateway: &Arc<Gateway>, source: Option<ConfigSource>) {
        let background = self.background.clone();
        let tasks = &mut self.tasks;
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move { gateway.watch(stop).await }
        }));
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move { gateway.keep_redis(stop).await }
        }));
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move {
                let mut ticks = tokio::time::interval(SWEEP);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    gateway.sweep().await;
                }
            }
        }));
        tasks.push(tokio::spawn(memory::watch(
            gateway.config().limits.max_memory,
            Arc::clone(&gateway.metrics),
            background.clone(),
        )));
        // By itself: providers may be slow.
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move {
                let mut ticks = tokio::time::interval(SWEEP);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    gateway.tell_providers().await;
                }
            }
        }));
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move {
                let mut ticks = tokio::time::interval(WRITE);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    gateway.write_activity().await;
                }
            }
        }));
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move {
                let writing = Box::pin(gateway.write_large_usage());
                stop.run_until_cancelled(writing).await;
            }
        }));
        tasks.push(tokio::spawn({
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            async move { gateway.live(stop).await }
        }));
        // Listened for before anybody is told that we serve: a SIGHUP in between would end the process.
        if let Some(source) = source
            && let Some(hangup) = reload::hangups()
        {
            let (gateway, stop) = (Arc::clone(gateway), background.clone());
            tasks.push(tokio::spawn(reload::run(gateway, source, hangup, stop)));
        }
    }
}

impl Running {
    /// The gateway itself.
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Not ready any more, but answering for `limits.drain_delay`, so that load balancers turn away
    /// before anything is closed under them; then [`Running::stop`].
    pub async fn leave(self) -> Drained {
        let pause = self.gateway.config().limits.drain_delay.duration();
        tracing::info!(?pause, "leaving");
        self.gateway.leaving.cancel();
        self.front.say_goodbye();
        tokio::time::sleep(pause).await;
        self.stop().await
    }

    /// Not ready any more, streams get their end, running calls finish, unspent calls go back.
    pub async fn stop(mut self) -> Drained {
        let patience = self.gateway.config().limits.drain_timeout.duration();
        tracing::info!("draining");
        // Open streams get their result.
        self.gateway.leaving.cancel();
        self.gateway.stopping.cancel();
        self.front.stop_accepting();
        self.gateway.detached.close();
        let drained = tokio::time::timeout(patience, async {
            self.front.connections.wait().await;
            self.gateway.detached.wait().await;
        })
        .await;
        // Nothing goes on beside the closing: what a task had taken to write is put back first.
        self.front.end();
        self.front.ended().await;
        self.gateway.close().await;
        match drained {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::CutOff,
        }
    }
}
