//! `plans:` — what a license may do.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{grant::Binding, license::Allowance, names::ToolPattern, quota::Rate};

/// What a license of this plan may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanConfig {
    /// Calls of one license in a minute. Left out: no limit besides the session's.
    #[serde(default)]
    pub per_minute: Option<NonZeroU32>,

    /// Calls of one license in a UTC day. Left out: no limit.
    #[serde(default)]
    pub per_day: Option<NonZeroU32>,

    /// Calls of one license in a UTC calendar month. Left out: no limit.
    #[serde(default)]
    pub per_month: Option<NonZeroU32>,

    /// Cost units of one license in a UTC day; a call takes its tool's `cost`. Left out: no limit.
    #[serde(default)]
    pub cost_per_day: Option<NonZeroU32>,

    /// Calls of one license at once. Left out: no limit.
    #[serde(default)]
    pub concurrent: Option<NonZeroU32>,

    /// Connections a license may hold at once: clients that signed in on the gateway's page. Left
    /// out: as many as it likes.
    #[serde(default)]
    pub sessions: Option<NonZeroU32>,

    /// What a session is tied to at its first use, so that a copied token is refused elsewhere:
    /// `none`, `client` (the program) or `network`. Hosted clients come from many networks.
    #[serde(default)]
    pub binding: Binding,

    /// The tools, by upstream and tool: `*`, `analytics.*` or `analytics.run_report`.
    pub tools: Vec<ToolPattern>,
}

impl PlanConfig {
    /// The limits of its licenses; `session` is the rate of every session.
    pub const fn allowance(&self, session: Rate) -> Allowance {
        Allowance {
            session,
            per_minute: self.per_minute,
            per_day: self.per_day,
            per_month: self.per_month,
            cost_per_day: self.cost_per_day,
            concurrent: self.concurrent,
        }
    }
}
