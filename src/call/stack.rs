//! The order of the policies, in one expression.

use std::{collections::HashMap, sync::Arc};

use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::{
    Call, CallError,
    day::ReserveDay,
    deadline::Deadline,
    dispatch::Dispatch,
    license_minute::LicenseMinute,
    observe::Observe,
    obtain::Obtain,
    policy::{AroundLayer, PolicyLayer},
    resolve::Resolve,
    session_limit::SessionLimit,
    upstream_slot::UpstreamSlot,
    validate::Validate,
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
        per_day,
    } = parts;
    let policies = ServiceBuilder::new()
        // Outermost, so that every refusal below is noted, and a caller who goes away too.
        .layer(AroundLayer(Observe))
        // The cheapest refusal first: a runaway session costs us nothing more than this.
        .layer(PolicyLayer(SessionLimit {
            limiter: Arc::clone(&limiter),
            rate: session,
        }))
        // Before validation: a schema the license may not see is not probed through its errors.
        .layer(PolicyLayer(Resolve { catalog }))
        // Before what the customer pays for: a malformed call costs the license nothing, and
        // nothing below has seen a byte of it.
        .layer(PolicyLayer(Validate))
        // Before what the customer pays for: a call without an account asks for one and is free.
        .layer(AroundLayer(Obtain {
            connections: Arc::clone(&connections),
        }))
        // In memory, so before the day, which may ask the store.
        .layer(PolicyLayer(LicenseMinute {
            limiter,
            rates: per_minute,
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
