//! `shared:` — what several gateway processes share beside the store.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SecretSource, Span};

/// What several gateway processes share beside the store. Leave it out for a single process.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SharedConfig {
    /// Where short windows are counted: calls of a session and a license in a minute, and what an
    /// upstream takes. Days and months are counted in the store, with or without it.
    pub redis: Option<RedisConfig>,
}

/// `shared.redis`: Redis 6 or newer, or what speaks like it: one primary behind one address, its
/// replicas only to take its place, or a managed Redis with cluster mode off. Redis Cluster is not
/// supported: redirections are not followed. Keys have hash tags, so a proxy that spreads keys by tag
/// and speaks as one server works.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://user:password@host:6379/0`, or `rediss://` for TLS, as a secret.
    pub url: SecretSource,

    /// A PEM file with the certificates that `rediss://` trusts; relative to the configuration file.
    /// Default: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,

    /// What limits do while Redis does not answer.
    #[serde(default)]
    pub when_away: WhenAway,

    /// How long an answer may take before Redis counts as away.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// What limits do while Redis does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// Each process lets its share pass: the limit divided by the number of processes.
    #[default]
    Local,
    /// Calls are refused with 503 until it is back.
    Refuse,
}

impl RedisConfig {
    /// At this address, everything else as by default.
    pub const fn at(url: SecretSource) -> Self {
        Self {
            url,
            ca_file: None,
            when_away: WhenAway::Local,
            timeout: default_timeout(),
        }
    }
}

const fn default_timeout() -> Span {
    Span::seconds(1)
}
