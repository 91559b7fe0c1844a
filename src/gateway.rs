//! Every part made once, in order; and made anew, as one swap, at a reload.

pub mod assemble;
mod edge;
mod heartbeat;
mod oauth;
pub mod reload;
mod shared;
mod sweep;

use std::{io::Write, sync::Arc};

use arc_swap::ArcSwap;
use axum::Router;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{assemble::BuildError, heartbeat::Read, reload::Reloaded};
use self::{heartbeat::Heartbeat, sweep::LastPrune};
use crate::{
    auth::{Authenticator, Change, Watcher},
    call::{OnceCalls, OnceParts},
    clock::SharedClock,
    config::{Config, secrets::ConfiguredSecrets},
    connect::{ConnectParts, Connections, sites::account_sites},
    entropy::SharedEntropy,
    http::admin::{AdminParts, admin},
    ids::ReplicaId,
    ledger::{Ledger, UsageLog},
    limit::{Limiter, Replicas},
    oauth::{AuthorizationServer, Settings, settings::plan_sessions},
    secret::SecretString,
    server::{McpServer, ServerParts, Serving},
    store::Store,
    telemetry::{access::AccessLog, metrics::Metrics, record::Sinks},
    vault::Vault,
};

/// What a gateway is made of.
pub struct GatewayParts {
    /// Checked.
    pub config: Config,
    /// The secrets that stand in the configuration.
    pub configured: ConfiguredSecrets,
    /// Open, at this version's tables.
    pub store: Store,
    /// Open.
    pub vault: Vault,
    /// The address of `shared.redis`; none when there is no such section.
    pub redis: Option<SecretString>,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Where access records go.
    pub access_log: Box<dyn Write + Send>,
}

/// A gateway that answers but does not listen yet.
pub struct Gateway {
    /// The configuration it was built from, or last reloaded to.
    config: Arc<ArcSwap<Config>>,
    /// The public listener's service.
    pub public: Router,
    /// The admin listener's service.
    pub admin: Router,
    /// Ends readiness, ahead of everything else.
    pub leaving: CancellationToken,
    /// Ends streams.
    pub stopping: CancellationToken,
    /// Calls whose clients went away.
    pub detached: TaskTracker,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Records.
    pub log: Arc<AccessLog>,
    clock: SharedClock,
    entropy: SharedEntropy,
    store: Store,
    connections: Arc<Connections>,
    ledger: Arc<Ledger>,
    usage: Arc<UsageLog>,
    once: Arc<OnceCalls>,
    limiter: Arc<Limiter>,
    replicas: Replicas,
    watcher: Arc<Watcher>,
    serving: Arc<ArcSwap<Serving>>,
    authenticator: Arc<Authenticator>,
    authorization_server: Arc<AuthorizationServer>,
    plans: oauth::Plans,
    heartbeat: Heartbeat,
    last_prune: LastPrune,
}

impl Gateway {
    /// [`Gateway::build_counting`] with everything at zero.
    pub async fn build(parts: GatewayParts) -> Result<Self, BuildError> {
        Box::pin(Self::build_counting(parts, Metrics::new())).await
    }

    /// The only way to a gateway, for `serve`, `demo` and every test. What was counted before it was
    /// there is counted on.
    #[expect(
        clippy::too_many_lines,
        reason = "one list: every part is made once, in the order in which they need each other"
    )]
    pub async fn build_counting(
        parts: GatewayParts,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BuildError> {
        let GatewayParts {
            config,
            configured,
            store,
            vault,
            redis,
            clock,
            entropy,
            access_log,
        } = parts;
        let log = AccessLog::to(access_log).map_err(BuildError::AccessLog)?;
        let replica = ReplicaId::generate(clock.now(), entropy.as_ref());
        let vault = Arc::new(vault);
        let [leaving, stopping] = std::array::from_fn(|_| CancellationToken::new());
        let replicas = Replicas::default();
        let limiter = shared::limiter(shared::LimiterParts {
            config: &config.shared,
            redis: redis.as_ref(),
            vault: &vault,
            clock: &clock,
            entropy: &*entropy,
            replicas: &replicas,
            metrics: &metrics,
        });
        let limiter = Arc::new(limiter.await?);
        let ledger = Ledger::new(
            store.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            replica,
        );
        let (ledger, usage) = (Arc::new(ledger), Arc::new(UsageLog::default()));
        let basics = oauth::Shared {
            store: &store,
            vault: &vault,
            limiter: &limiter,
            clock: &clock,
            entropy: &entropy,
        };
        let authenticator = Arc::new(oauth::recogniser(&config, &basics, &metrics)?);
        let plans: oauth::Plans = Arc::new(ArcSwap::from_pointee(plan_sessions(&config)));
        let settings = Settings::of(&config);
        let authorization_server =
            Arc::new(oauth::authorization_server(settings, &basics, &plans)?);
        let connections = Arc::new(Connections::new(ConnectParts {
            store: store.clone(),
            vault: Arc::clone(&vault),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            replica,
            metrics: Arc::clone(&metrics),
            origin: config.public_origin(),
            sites: account_sites(&config, &configured)?,
        }));
        let forgetful = Arc::clone(&vault);
        let forget: Box<dyn Fn() + Send + Sync> = Box::new(move || forgetful.forget());
        let forgetful = Arc::clone(&connections);
        let forget_bought: Box<dyn Fn() + Send + Sync> = Box::new(move || forgetful.forget());
        let watcher = Arc::new(Watcher::new(
            store.clone(),
            Arc::clone(&authenticator),
            vec![forget, forget_bought],
        ));
        watcher.look().await;
        let asked = *watcher.reloads_asked().borrow();
        let heartbeat = Heartbeat::new(
            replica,
            store.clone(),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            asked,
            replicas.clone(),
        );

        let detached = TaskTracker::new();
        let once = Arc::new(OnceCalls::new(OnceParts {
            store: store.clone(),
            vault: Arc::clone(&vault),
            clock: Arc::clone(&clock),
            replica,
            detached: detached.clone(),
        }));
        let shared = assemble::Shared {
            limiter: &limiter,
            ledger: &ledger,
            usage: &usage,
            once: &once,
            connections: &connections,
            clock: &clock,
            entropy: &entropy,
        };
        let serving = Arc::new(ArcSwap::from_pointee(assemble::serving(
            &config,
            &configured,
            &shared,
            None,
        )?));
        let server = Arc::new(McpServer::new(ServerParts {
            serving: Arc::clone(&serving),
            authenticator: Arc::clone(&authenticator),
            watcher: Arc::clone(&watcher),
            limiter: Arc::clone(&limiter),
            connections: Arc::clone(&connections),
            cursor_key: vault.cursor_key().clone(),
            stopping: stopping.clone(),
            detached: detached.clone(),
            metrics: Arc::clone(&metrics),
        }));
        let config = Arc::new(ArcSwap::from_pointee(config));
        let public = edge::public(edge::Parts {
            config: &config,
            serving: &serving,
            store: &store,
            vault: &vault,
            authenticator: &authenticator,
            authorization_server: &authorization_server,
            watcher: &watcher,
            connections: &connections,
            limiter: &limiter,
            ledger: &ledger,
            clock: &clock,
            entropy: &entropy,
            server,
            detached: &detached,
            sinks: Sinks {
                log: Arc::clone(&log),
                metrics: Arc::clone(&metrics),
                clock: Arc::clone(&clock),
            },
        })?;
        let admin = admin(AdminParts {
            store: store.clone(),
            vault: Arc::clone(&vault),
            metrics: Arc::clone(&metrics),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            stopping: leaving.clone(),
        });
        let gateway = Self {
            config,
            public,
            admin,
            leaving,
            stopping,
            detached,
            metrics,
            log,
            clock,
            entropy,
            store,
            connections,
            ledger,
            usage,
            once,
            limiter,
            replicas,
            watcher,
            serving,
            authenticator,
            authorization_server,
            plans,
            heartbeat,
            last_prune: LastPrune::never(),
        };
        // Limits that each replica keeps alone are divided by how many there are.
        gateway.beat().await;
        Ok(gateway)
    }

    /// The configuration being served.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// The clock that everything in it reads.
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// Something was changed in the store by this process: nothing remembered counts any more.
    pub async fn changed(&self) {
        self.watcher.look().await;
    }

    /// Wakes when something changed that this process remembered.
    pub fn changes(&self) -> watch::Receiver<Change> {
        self.watcher.subscribe()
    }

    /// The number of the last request to all replicas to read their configuration again.
    pub fn reloads_asked(&self) -> watch::Receiver<u64> {
        self.watcher.reloads_asked()
    }

    /// Hears of changes until told to stop.
    pub async fn watch(&self, stop: CancellationToken) {
        self.watcher.run(stop).await;
    }

    /// Keeps the connection to Redis up until told to stop; without Redis there is nothing to do.
    pub async fn keep_redis(&self, stop: CancellationToken) {
        if let Limiter::Redis(shared) = &*self.limiter {
            Arc::clone(shared.line()).keep(stop).await;
        }
    }

    /// How many replicas live, this one among them; the last number known while the store is away.
    pub const fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The accounts that licenses connect.
    pub const fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The authorization server.
    pub const fn authorization_server(&self) -> &Arc<AuthorizationServer> {
        &self.authorization_server
    }

    /// Gives unspent calls back, writes what is queued, closes the store. The last thing done.
    pub async fn close(&self) {
        self.write_activity().await;
        self.connections.close().await;
        let given = self.ledger.close().await;
        // Calls that were cut off have been noted meanwhile.
        self.write_activity().await;
        tracing::info!(units = given.units, failed = given.failed, "ledger.closed");
        self.log.close();
        self.sign_off().await;
        self.store.close().await;
    }
}
