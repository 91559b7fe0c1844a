//! Every part made once, in order; and made anew, as one swap, at a reload.

pub mod assemble;
mod oauth;
pub mod reload;
mod sweep;

use std::{collections::HashMap, io::Write, sync::Arc};

use arc_swap::ArcSwap;
use axum::Router;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::sweep::LastPrune;
pub use self::{assemble::BuildError, reload::Reloaded};
use crate::{
    auth::{Authenticator, Watcher},
    clock::{Clock, SharedClock},
    config::Config,
    entropy::{IdEntropy, SharedEntropy},
    http::{
        self, EdgeParts,
        admin::{AdminParts, admin},
        authenticate::AuthenticateParts,
        authority::Authorities,
        body::Budget,
        challenge::Challenge,
        endpoint::Endpoint,
        observe::Observe,
        origin::Origins,
        pages::{Pages, PagesParts},
        register::Registrar,
        wellknown::Documents,
    },
    ids::{LicenseId, ReplicaId},
    ledger::Ledger,
    license::{License, LicenseStatus},
    limit::{Limiter, LocalLimiter},
    names::UpstreamName,
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
    pub configured: HashMap<UpstreamName, SecretString>,
    /// Open, at this version's tables.
    pub store: Store,
    /// Open.
    pub vault: Vault,
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
    /// Ends streams and readiness.
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
    vault: Arc<Vault>,
    ledger: Arc<Ledger>,
    limiter: Arc<Limiter>,
    watcher: Arc<Watcher>,
    serving: Arc<ArcSwap<Serving>>,
    authenticator: Arc<Authenticator>,
    authorization_server: Arc<AuthorizationServer>,
    plans: oauth::Plans,
    last_prune: LastPrune,
}

impl Gateway {
    /// The only way to a gateway, for `serve`, `demo` and every test.
    pub async fn build(parts: GatewayParts) -> Result<Self, BuildError> {
        let GatewayParts {
            config,
            configured,
            store,
            vault,
            clock,
            entropy,
            access_log,
        } = parts;
        let log = AccessLog::to(access_log).map_err(BuildError::AccessLog)?;
        let metrics = Metrics::new();
        let replica = ReplicaId::generate(clock.now(), entropy.as_ref());
        let (vault, stopping) = (Arc::new(vault), CancellationToken::new());
        let limiter = Arc::new(Limiter::Local(LocalLimiter::new(Arc::clone(&clock))));
        let ledger = Ledger::new(
            store.clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            replica,
        );
        let ledger = Arc::new(ledger);
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
        let forgetful = Arc::clone(&vault);
        let forget: Box<dyn Fn() + Send + Sync> = Box::new(move || forgetful.forget());
        let watcher = Arc::new(Watcher::new(
            store.clone(),
            Arc::clone(&authenticator),
            vec![forget],
        ));
        watcher.look().await;

        let shared = assemble::Shared {
            limiter: &limiter,
            ledger: &ledger,
            vault: &vault,
            clock: &clock,
            entropy: &entropy,
        };
        let serving = Arc::new(ArcSwap::from_pointee(assemble::serving(
            &config,
            &configured,
            &shared,
            None,
        )?));
        let detached = TaskTracker::new();
        let server = Arc::new(McpServer::new(ServerParts {
            serving: Arc::clone(&serving),
            authenticator: Arc::clone(&authenticator),
            watcher: Arc::clone(&watcher),
            limiter: Arc::clone(&limiter),
            cursor_key: vault.cursor_key().clone(),
            stopping: stopping.clone(),
            detached: detached.clone(),
            metrics: Arc::clone(&metrics),
        }));
        let sinks = Sinks {
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        };
        let budget = Budget::new(config.limits.max_in_flight_bytes.as_len());
        let authenticate = Arc::new(authenticate(
            &config,
            Arc::clone(&authenticator),
            &limiter,
            &*clock,
        ));
        let narrow = authenticate.challenge.narrow().clone();
        let endpoints = oauth::endpoints(
            &config,
            &authorization_server,
            &authenticate,
            &watcher,
            &budget,
        );
        let config = Arc::new(ArcSwap::from_pointee(config));
        let read = config.load_full();
        let registrar = read.auth.oauth.enabled.then(|| {
            Arc::new(Registrar {
                clients: Arc::clone(&authorization_server.clients),
                budget: Arc::clone(&budget),
            })
        });
        let pages = PagesParts {
            config: Arc::clone(&config),
            serving: Arc::clone(&serving),
            store: store.clone(),
            server: Arc::clone(&authorization_server),
            authenticator: Arc::clone(&authenticator),
            watcher: Arc::clone(&watcher),
            pepper: vault.pepper().clone(),
            form_key: vault.form_key().clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            limiter: Arc::clone(&limiter),
            budget: Arc::clone(&budget),
        };
        let public = http::public(EdgeParts {
            observe: Observe {
                sinks,
                clock: Arc::clone(&clock),
                entropy: Arc::new(IdEntropy::seeded_by(&*entropy)),
            },
            authorities: Authorities::of(&read),
            origins: Origins::of(&read),
            authenticate,
            endpoint: Arc::new(Endpoint {
                server,
                budget,
                more_scope: narrow,
            }),
            oauth: Arc::new(endpoints),
            registrar,
            documents: Arc::new(Documents::of(&read)),
            pages: read
                .auth
                .oauth
                .enabled
                .then(|| Pages::new(pages, &read).map(Arc::new))
                .transpose()?,
        });
        let admin = admin(AdminParts {
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            log: Arc::clone(&log),
            stopping: stopping.clone(),
        });
        Ok(Self {
            config,
            public,
            admin,
            stopping,
            detached,
            metrics,
            log,
            clock,
            entropy,
            store,
            vault,
            ledger,
            limiter,
            watcher,
            serving,
            authenticator,
            authorization_server,
            plans,
            last_prune: LastPrune::never(),
        })
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

    /// Hears of changes until told to stop.
    pub async fn watch(&self, stop: CancellationToken) {
        self.watcher.run(stop).await;
    }

    /// The authorization server.
    pub const fn authorization_server(&self) -> &Arc<AuthorizationServer> {
        &self.authorization_server
    }

    /// Gives unspent calls back, writes what is queued, closes the store. The last thing done.
    pub async fn close(&self) {
        self.write_activity().await;
        let given = self.ledger.close().await;
        tracing::info!(calls = given.calls, failed = given.failed, "ledger.closed");
        self.log.close();
        self.store.close().await;
    }
}

fn authenticate(
    config: &Config,
    authenticator: Arc<Authenticator>,
    limiter: &Arc<Limiter>,
    clock: &dyn Clock,
) -> AuthenticateParts {
    AuthenticateParts {
        anyone: anyone(config, clock).map(|license| authenticator.anyone(license)),
        authenticator,
        limiter: Arc::clone(limiter),
        failures: config.limits.unauthenticated,
        trusted: config.listen.trusted_proxies.clone(),
        challenge: Challenge::of(config),
    }
}

/// The caller without a key, where the configuration spells out that there is one.
fn anyone(config: &Config, clock: &dyn Clock) -> Option<License> {
    config.auth.open.as_ref().map(|open| License {
        id: LicenseId::from_bytes([0; 16]),
        name: "anyone on this machine".to_owned(),
        plan: open.plan.clone(),
        tools: None,
        status: LicenseStatus::Active,
        created: clock.now(),
        expires: None,
    })
}
