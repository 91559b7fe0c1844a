//! `plans:` — what a license may do.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{grant::Binding, names::ToolPattern};

/// What a license of this plan may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanConfig {
    /// Calls of one license in a minute. Left out: no limit besides the session's.
    #[serde(default)]
    pub per_minute: Option<NonZeroU32>,

    /// Calls of one license in a UTC day. Left out: not counted.
    #[serde(default)]
    pub per_day: Option<NonZeroU32>,

    /// Connections a license may hold at once: clients that signed in on the gateway's page. Left
    /// out: as many as it likes.
    #[serde(default)]
    pub sessions: Option<NonZeroU32>,

    /// What a session is tied to at its first use, so that a copied token is refused elsewhere:
    /// `none`, `client` (the program) or `network`. Hosted clients come from many networks.
    #[serde(default)]
    pub binding: Binding,

    /// The tools: `*`, `analytics.*` or `analytics.run_report`.
    pub tools: Vec<ToolPattern>,
}
