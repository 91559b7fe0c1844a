//! The order of the policies, in one expression.

use std::{sync::Arc, time::Duration};

use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::{
    Call, CallError,
    day::ReserveDay,
    deadline::Deadline,
    dispatch::Dispatch,
    observe::Observe,
    obtain::Obtain,
    once::{Once, OnceCalls},
    policy::AroundLayer,
    resolve::Resolve,
    upstream_slot::UpstreamSlot,
    windows::Windows,
};
use crate::{
    catalog::Catalog,
    clock::SharedClock,
    connect::Connections,
    ledger::{Ledger, UsageLog},
    license::Plans,
    limit::Limiter,
    upstream::Answer,
};

/// All policies around an upstream call.
pub type CallService = BoxCloneSyncService<Call, Answer, CallError>;

/// What the policies are made of.
pub struct StackParts {
    /// Short windows.
    pub limiter: Arc<Limiter>,
    /// Days.
    pub ledger: Arc<Ledger>,
    /// Credentials.
    pub connections: Arc<Connections>,
    /// Tools.
    pub catalog: Arc<Catalog>,
    /// Durations in records.
    pub clock: SharedClock,
    /// What licenses did.
    pub usage: Arc<UsageLog>,
    /// Calls that must not run twice.
    pub once: Arc<OnceCalls>,
    /// What licenses may do.
    pub plans: Arc<Plans>,
    /// Longest time of a call.
    pub call_timeout: Duration,
}

/// The journey of a call. Authentication lies before it, in `http::router`: no call exists
/// without a principal.
pub fn stack(parts: StackParts) -> CallService {
    let StackParts {
        limiter,
        ledger,
        connections,
        catalog,
        clock,
        usage,
        once,
        plans,
        call_timeout,
    } = parts;
    let policies = ServiceBuilder::new()
        // Outermost, so that every refusal below is noted, and a caller who goes away too.
        .layer(AroundLayer(Observe {
            usage: Arc::clone(&usage),
            clock: Arc::clone(&clock),
        }))
        // One question for session and license. `Resolve` and `Validate` are asked first, in
        // memory: a call that names no tool, or whose arguments do not fit its schema, costs its
        // session only, and nothing below has seen a byte of it.
        .layer(AroundLayer(Windows {
            limiter,
            plans: Arc::clone(&plans),
            call_timeout,
            resolve: Resolve { catalog },
        }))
        // Before what the customer pays for: a call without an account asks for one and is free.
        .layer(AroundLayer(Obtain {
            connections: Arc::clone(&connections),
        }))
        // Before what is counted for longer: an answer that is given again is free of the day.
        .layer(AroundLayer(Once { calls: once }))
        // Before the upstream is called: a call that may have left is always counted.
        .layer(AroundLayer(ReserveDay {
            ledger,
            usage,
            plans,
            clock: Arc::clone(&clock),
        }))
        // Inside the reservation, so that a call that found no slot is refunded.
        .layer(AroundLayer(UpstreamSlot))
        // Around credential and upstream only: waiting for a slot has its own bound.
        .layer(AroundLayer(Deadline));
    BoxCloneSyncService::new(policies.service(Dispatch { connections, clock }))
}
