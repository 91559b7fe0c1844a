//! The sealed start: `serve` while the store or a key service does not answer, or a master key is not
//! the one that sealed the database. It writes nothing, and goes on by itself when that has changed.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;

use super::{
    failure::Failure,
    open::{Desk, OpenError, Opened},
    serve::{self, AccessRecords, Signals},
};
use crate::{
    config::Loaded,
    egress,
    entropy::IdEntropy,
    http::{
        observe::Observe,
        sealed::{self, Why},
    },
    kms::KmsError,
    serve::{ConfigSource, Front, FrontParts, Running, Services, Waits, reload},
    store::StoreError,
    telemetry::{access::AccessLog, metrics::Metrics, record::Sinks},
    vault::VaultError,
};

/// Pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What the access log is written to.
const RECORDS: AccessRecords = AccessRecords::StandardOutput;

/// What a start came to.
pub enum Started {
    /// A gateway that serves.
    Running(Box<Running>),
    /// Told to stop before it could.
    Stopped,
}

/// Serves with the desk's configuration, sealed as long as it must.
///
/// # Errors
/// What waiting does not change: a configuration with errors, a key file that others can read.
pub async fn start(desk: &Desk, signals: &mut Signals) -> Result<Started, Failure> {
    egress::install_tls_provider();
    let error = match Box::pin(desk.try_open()).await {
        Ok(opened) => {
            let gateway = Box::pin(serve::build(desk, opened, &RECORDS, Metrics::new())).await?;
            let running = crate::serve::start(gateway, Some(desk.source()));
            return Ok(Started::Running(Box::new(Box::pin(running).await?)));
        }
        Err(error) => error,
    };
    let Some(why) = in_the_way(&error) else {
        return Err(error.into());
    };
    let hangup = reload::hangups();
    let waiting = Waiting::open(desk, desk.load()?, why).await?;
    let opened = tokio::select! {
        opened = waiting.until_open(desk, hangup) => opened,
        _ = signals.one() => {
            waiting.front.end();
            return Ok(Started::Stopped);
        }
    };
    let running = Box::pin(waiting.carry_on(desk, opened)).await?;
    Ok(Started::Running(Box::new(running)))
}

/// What may change by itself, or by an operator who need not start us again; in the operator's
/// words.
fn in_the_way(error: &OpenError) -> Option<String> {
    const STORE: &str = "the store is unavailable";
    Some(match error {
        OpenError::Store(StoreError::Unavailable(_))
        | OpenError::Vault(VaultError::Unavailable(_)) => STORE.to_owned(),
        OpenError::Vault(
            error @ (VaultError::WrongMasterKey { .. } | VaultError::UnknownMasterKey { .. }),
        ) => error.to_string(),
        OpenError::Vault(VaultError::KeyService(
            error @ (KmsError::Unavailable(_) | KmsError::Refused(_)),
        )) => error.to_string(),
        OpenError::Store(_) | OpenError::Vault(_) | OpenError::Failed(_) => return None,
    })
}

/// A front that answers for a gateway that is not there yet.
struct Waiting {
    front: Front,
    why: Why,
    metrics: Arc<Metrics>,
    log: Arc<AccessLog>,
}

impl Waiting {
    async fn open(desk: &Desk, loaded: Loaded, why: String) -> Result<Self, Failure> {
        let metrics = Metrics::new();
        metrics.sealed.set(1);
        let log = AccessLog::to(RECORDS.sink())
            .map_err(|error| Failure::failed(format_args!("access log: {error}")))?;
        tracing::warn!(%why, "sealed");
        let why: Why = Arc::new(ArcSwap::from_pointee(why));
        let observe = Observe {
            sinks: Sinks {
                log: Arc::clone(&log),
                metrics: Arc::clone(&metrics),
                clock: Arc::clone(&desk.clock),
            },
            clock: Arc::clone(&desk.clock),
            entropy: Arc::new(IdEntropy::seeded_by(&*desk.entropy)),
        };
        let front = Front::open(FrontParts {
            listen: &loaded.config.listen,
            in_flight: loaded.config.limits.max_in_flight,
            services: Services {
                public: sealed::public(&loaded.config, observe),
                admin: sealed::admin(Arc::clone(&why), Arc::clone(&metrics)),
            },
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&desk.clock),
            waits: Waits::default(),
        })
        .await?;
        tracing::info!(public = %front.public, admin = %front.admin, "serving.sealed");
        Ok(Self {
            front,
            why,
            metrics,
            log,
        })
    }

    /// Tries again and again, at SIGHUP at once. Configuration, key files and secrets are read anew
    /// each time; whatever is wrong with them now is one more reason to wait.
    async fn until_open(&self, desk: &Desk, mut hangup: Option<Signal>) -> Opened {
        let mut most = FIRST_PAUSE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(jittered(desk, most)) => {}
                () = asked(hangup.as_mut()) => {}
            }
            most = most.saturating_mul(2).min(LONGEST_PAUSE);
            let error = match Box::pin(desk.try_open()).await {
                Ok(opened) => return opened,
                Err(error) => error,
            };
            let why = in_the_way(&error).unwrap_or_else(|| Failure::from(error).message);
            if **self.why.load() != why {
                tracing::warn!(%why, "sealed");
                self.why.store(Arc::new(why));
            }
        }
    }

    async fn carry_on(self, desk: &Desk, opened: Opened) -> Result<Running, Failure> {
        // Nothing else writes to standard output meanwhile.
        let log = self.log;
        // A writer that panicked has written what it could.
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
        let metrics = Arc::clone(&self.metrics);
        let gateway = Box::pin(serve::build(desk, opened, &RECORDS, metrics)).await?;
        self.metrics.sealed.set(0);
        tracing::info!("unsealed");
        let source: ConfigSource = desk.source();
        Ok(self.front.carry_on(gateway, Some(source)))
    }
}

/// Waits for SIGHUP; for ever where it cannot be heard.
async fn asked(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Between half of it and the whole.
fn jittered(desk: &Desk, most: Duration) -> Duration {
    let mut random = [0; 1];
    desk.entropy.fill(&mut random);
    most / 2 + most.saturating_mul(u32::from(random[0])) / 512
}
