//! Where limits are counted: in this process, or in the Redis of the configuration.

use std::sync::Arc;

use super::BuildError;
use crate::{
    clock::SharedClock,
    config::{SharedConfig, WhenAway},
    entropy::Entropy,
    limit::{
        Limiter, LocalLimiter, RedisLimiter, Replicas,
        redis::{Line, LineParts, RedisLimiterParts},
    },
    secret::SecretString,
    telemetry::{health::State, metrics::Metrics},
    vault::Vault,
};

/// What a limiter is made from.
pub(super) struct LimiterParts<'a> {
    pub(super) config: &'a SharedConfig,
    pub(super) redis: Option<&'a SecretString>,
    pub(super) vault: &'a Vault,
    pub(super) clock: &'a SharedClock,
    pub(super) entropy: &'a dyn Entropy,
    pub(super) replicas: &'a Replicas,
    pub(super) metrics: &'a Arc<Metrics>,
}

/// Connects if it can: a Redis that is away does not keep the gateway from starting.
pub(super) async fn limiter(parts: LimiterParts<'_>) -> Result<Limiter, BuildError> {
    let clock = Arc::clone(parts.clock);
    let (Some(config), Some(url)) = (&parts.config.redis, parts.redis) else {
        return Ok(Limiter::Local(LocalLimiter::new(clock)));
    };
    let line = Line::new(LineParts {
        url,
        ca_file: config.ca_file.as_deref(),
        timeout: config.timeout.duration(),
        without: match config.when_away {
            WhenAway::Local => State::Degraded,
            WhenAway::Refuse => State::Lost,
        },
        clock: Arc::clone(&clock),
        metrics: Arc::clone(parts.metrics),
    })?;
    let line = Arc::new(line);
    if line.connect().await.is_err() {
        tracing::warn!("redis.away_at_start");
    }
    let made_of = RedisLimiterParts {
        line,
        key: parts.vault.limit_key().clone(),
        clock,
        when_away: config.when_away,
        replicas: parts.replicas.clone(),
        metrics: Arc::clone(parts.metrics),
    };
    let limiter = RedisLimiter::new(made_of, parts.entropy);
    Ok(Limiter::Redis(Arc::new(limiter)))
}
