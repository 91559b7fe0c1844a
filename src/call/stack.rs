//! The order of the policies, in one expression.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::{
    Call, CallError, day::ReserveDay, deadline::Deadline, dispatch::Dispatch, observe::Observe,
    obtain::Obtain, policy::AroundLayer, resolve::Resolve, upstream_slot::UpstreamSlot,
    windows::Windows,
};
use crate::{
    catalog::Catalog, clock::SharedClock, connect::Connections, ledger::Ledger, limit::Limiter,
    names::PlanName, quota::Rate, upstream::Answer,
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
    /// Calls of one session.
    pub session: Rate,
    /// Calls of one license in a minute, by plan.
    pub per_minute: Arc<HashMap<PlanName, Rate>>,
    /// Calls of one license at once, by plan.
    pub at_once: Arc<HashMap<PlanName, NonZeroU32>>,
    /// Calls of one license in a day, by plan.
    pub per_day: Arc<HashMap<PlanName, u32>>,
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
        session,
        per_minute,
        at_once,
        per_day,
    } = parts;
    let policies = ServiceBuilder::new()
        // Outermost, so that every refusal below is noted, and a caller who goes away too.
        .layer(AroundLayer(Observe))
        // One question for session and license. `Resolve` and `Validate` are asked first, in
        // memory: a call that names no tool, or whose arguments do not fit its schema, costs its
        // session only, and nothing below has seen a byte of it.
        .layer(AroundLayer(Windows {
            limiter,
            session,
            per_minute,
            at_once,
            resolve: Resolve { catalog },
        }))
        // Before what the customer pays for: a call without an account asks for one and is free.
        .layer(AroundLayer(Obtain {
            connections: Arc::clone(&connections),
        }))
        // Before the upstream is called: a call that may have left is always counted.
        .layer(AroundLayer(ReserveDay {
            ledger,
            limits: per_day,
        }))
        // Inside the reservation, so that a call that found no slot is refunded.
        .layer(AroundLayer(UpstreamSlot))
        // Around credential and upstream only: waiting for a slot has its own bound.
        .layer(AroundLayer(Deadline));
    BoxCloneSyncService::new(policies.service(Dispatch { connections, clock }))
}
