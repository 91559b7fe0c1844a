//! The upstream tier: rate, concurrency, queue, pause and circuit breaker of one upstream.

/// The gate of one upstream.
pub struct Gate {}
