//! A new configuration, swapped in whole or not at all.

use std::sync::Arc;

use super::{BuildError, Gateway, assemble};
use crate::{
    config::{Config, secrets::ConfiguredSecrets},
    connect::sites::account_sites,
    oauth::settings::plan_sessions,
};

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// How many tools are served now.
    pub tools: usize,
    /// Sections that changed but need a restart.
    pub need_restart: Vec<&'static str>,
}

impl Gateway {
    /// Serves `config` from the next request on. On an error the old one goes on serving.
    pub fn reload(
        &self,
        config: Config,
        configured: &ConfiguredSecrets,
    ) -> Result<Reloaded, BuildError> {
        let shared = assemble::Shared {
            limiter: &self.limiter,
            ledger: &self.ledger,
            usage: &self.usage,
            once: &self.once,
            connections: &self.connections,
            clock: &self.clock,
            entropy: &self.entropy,
        };
        let before = self.serving.load();
        let serving =
            assemble::serving(&config, configured, &shared, Some(&before)).inspect_err(|_| {
                self.metrics.reload_failures.inc();
            })?;
        let sites = account_sites(&config, configured).map_err(BuildError::from);
        let sites = sites.inspect_err(|_| {
            self.metrics.reload_failures.inc();
        })?;
        let tools = serving.catalog.tools().len();
        let need_restart = need_restart(&self.config.load(), &config);
        self.connections.replace(sites);
        self.serving.store(Arc::new(serving));
        self.plans.store(Arc::new(plan_sessions(&config)));
        self.config.store(Arc::new(config));
        self.watcher.reloaded();
        self.metrics.reloads.inc();
        Ok(Reloaded {
            tools,
            need_restart,
        })
    }
}

/// Sections that are read once. Their types hold references to secrets, never secrets, so their
/// `Debug` texts may be compared.
fn need_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differ =
        |a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| format!("{a:?}") != format!("{b:?}");
    let sections = [
        ("public_url", differ(&old.public_url, &new.public_url)),
        ("listen", differ(&old.listen, &new.listen)),
        ("store", differ(&old.store, &new.store)),
        ("shared", differ(&old.shared, &new.shared)),
        ("keys", differ(&old.keys, &new.keys)),
        ("auth", differ(&old.auth, &new.auth)),
        ("branding", differ(&old.branding, &new.branding)),
        (
            "limits.unauthenticated, limits.max_in_flight, limits.max_in_flight_bytes, \
             limits.max_memory, limits.drain_timeout",
            differ(
                &(
                    old.limits.unauthenticated,
                    old.limits.max_in_flight,
                    old.limits.max_in_flight_bytes,
                    old.limits.max_memory,
                    old.limits.drain_timeout,
                ),
                &(
                    new.limits.unauthenticated,
                    new.limits.max_in_flight,
                    new.limits.max_in_flight_bytes,
                    new.limits.max_memory,
                    new.limits.drain_timeout,
                ),
            ),
        ),
    ];
    sections
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
}
