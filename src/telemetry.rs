//! What the gateway says about itself: events, the access log, metrics. Never a payload.

pub mod access;
pub mod events;
pub mod health;
pub mod metrics;
pub mod pressure;
pub mod record;
