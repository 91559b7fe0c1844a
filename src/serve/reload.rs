//! Reloads at SIGHUP and when a file changes; a bad configuration leaves the old one serving.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{
        self, Config, ConfigError, Environment, load::content_hash, secrets::ConfiguredSecrets,
    },
    gateway::Gateway,
};

/// How often files are looked at. Their content counts, so a swapped symlink is noticed too.
const PERIOD: Duration = Duration::from_secs(2);

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    /// The file.
    pub path: PathBuf,
    /// For overrides and secrets.
    pub environment: Environment,
}

/// Listens for SIGHUP. From now on it does not end the process.
pub fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "reload.no_signal"))
        .ok()
}

/// Reloads until told to stop.
pub(super) async fn run(
    gateway: Arc<Gateway>,
    source: ConfigSource,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    let mut seen = hash(&source).await;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => {
                seen = hash(&source).await;
                reload(&gateway, source.clone()).await;
            }
            _ = ticks.tick() => {
                let now = hash(&source).await;
                if now != seen {
                    seen = now;
                    reload(&gateway, source.clone()).await;
                }
            }
        }
    }
}

async fn hash(source: &ConfigSource) -> Option<[u8; 32]> {
    let path = source.path.clone();
    tokio::task::spawn_blocking(move || content_hash(&path))
        .await
        .ok()
}

async fn reload(gateway: &Arc<Gateway>, source: ConfigSource) {
    let gateway = Arc::clone(gateway);
    let work = tokio::task::spawn_blocking(move || reload_now(&gateway, &source));
    if let Err(error) = work.await {
        tracing::error!(%error, "reload.panicked");
    }
}

/// Reading and compiling may take a while, so this runs on a blocking thread.
fn reload_now(gateway: &Gateway, source: &ConfigSource) {
    let loaded = config::load(&source.path, &source.environment).and_then(|loaded| {
        let secrets =
            config::configured_secrets(&loaded.config, &source.path, &source.environment)?;
        Ok((loaded, secrets))
    });
    match loaded {
        Err(ConfigError { problems }) => {
            gateway.metrics.reload_failures.inc();
            for problem in &problems {
                tracing::error!(%problem, "reload.refused");
            }
        }
        Ok((loaded, secrets)) => {
            for problem in &loaded.warnings {
                tracing::warn!(%problem, "config.warning");
            }
            swap(gateway, loaded.config, &secrets);
        }
    }
}

fn swap(gateway: &Gateway, config: Config, secrets: &ConfiguredSecrets) {
    match gateway.reload(config, secrets) {
        Ok(done) => {
            tracing::info!(tools = done.tools, "reload.done");
            for section in done.need_restart {
                tracing::warn!(section, "reload.needs_restart");
            }
        }
        Err(error) => tracing::error!(%error, "reload.refused"),
    }
}
