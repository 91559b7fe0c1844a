//! Reloads at SIGHUP, when a file changes, and when all replicas are asked to; a bad configuration
//! leaves the old one serving, and its fault is told to whoever asked.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::files::Files;
use crate::{
    config::{self, Config, ConfigError, Environment, Severity, secrets::ConfiguredSecrets},
    gateway::{Gateway, Read},
};

/// How often files are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Longest fault that is told, in bytes.
const LONGEST_FAULT: usize = 500;

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
    let mut asked = gateway.reloads_asked();
    let Some(mut files) = look(&source).await else {
        return;
    };
    gateway.note_read(Read::Taken(files.digest()), None);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let number = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => None,
            news = asked.changed() => {
                if news.is_err() {
                    return;
                }
                Some(*asked.borrow_and_update())
            }
            _ = ticks.tick() => {
                let Some((before, changed)) = changed(files).await else {
                    return;
                };
                files = before;
                if !changed {
                    continue;
                }
                None
            }
        };
        // Looked at before it is read: what changes meanwhile is seen at the next look.
        let Some(now) = look(&source).await else {
            return;
        };
        files = now;
        let read = reload(&gateway, source.clone(), files.digest()).await;
        gateway.note_read(read, number);
    }
}

/// None when the look panicked, which it does not.
async fn look(source: &ConfigSource) -> Option<Files> {
    let path = source.path.clone();
    let look = tokio::task::spawn_blocking(move || Files::look(&path));
    look.await.ok()
}

async fn changed(mut files: Files) -> Option<(Files, bool)> {
    let look = tokio::task::spawn_blocking(move || {
        let changed = files.changed();
        (files, changed)
    });
    look.await.ok()
}

async fn reload(gateway: &Arc<Gateway>, source: ConfigSource, digest: String) -> Read {
    let gateway = Arc::clone(gateway);
    let work = tokio::task::spawn_blocking(move || reload_now(&gateway, &source));
    match work.await {
        Ok(Ok(())) => Read::Taken(digest),
        Ok(Err(fault)) => Read::Refused(fault),
        Err(error) => {
            tracing::error!(%error, "reload.panicked");
            Read::Refused("reading the configuration failed".to_owned())
        }
    }
}

/// Reading and compiling may take a while, so this runs on a blocking thread. Its error is for the
/// operator.
fn reload_now(gateway: &Gateway, source: &ConfigSource) -> Result<(), String> {
    let loaded = config::load(&source.path, &source.environment).and_then(|loaded| {
        let secrets =
            config::configured_secrets(&loaded.config, &source.path, &source.environment)?;
        Ok((loaded, secrets))
    });
    match loaded {
        Err(error) => {
            gateway.metrics.reload_failures.inc();
            for problem in &error.problems {
                tracing::error!(%problem, "reload.refused");
            }
            Err(fault(&error))
        }
        Ok((loaded, secrets)) => {
            for problem in &loaded.warnings {
                tracing::warn!(%problem, "config.warning");
            }
            swap(gateway, loaded.config, &secrets)
        }
    }
}

/// The first error in one line, and how many more there are.
fn fault(error: &ConfigError) -> String {
    let mut errors = error
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    let first = errors.next().or(error.problems.first());
    let mut text = first.map_or_else(String::new, |problem| {
        let whole = problem.to_string();
        whole.lines().next().unwrap_or_default().to_owned()
    });
    shorten(&mut text);
    match errors.count() {
        0 => text,
        more => format!("{text} (and {more} more)"),
    }
}

fn shorten(text: &mut String) {
    text.truncate(text.floor_char_boundary(LONGEST_FAULT));
}

fn swap(gateway: &Gateway, config: Config, secrets: &ConfiguredSecrets) -> Result<(), String> {
    match gateway.reload(config, secrets) {
        Ok(done) => {
            tracing::info!(tools = done.tools, "reload.done");
            for section in done.need_restart {
                tracing::warn!(section, "reload.needs_restart");
            }
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, "reload.refused");
            let mut text = error.to_string();
            shorten(&mut text);
            Err(text)
        }
    }
}
