//! `auth:` — who may call.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::names::PlanName;

/// The sentence that must be written out to serve without keys.
pub const OPEN_SENTENCE: &str = "anyone who can reach this loopback address may call every tool";

/// Who may call. Left out: only holders of a license key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Serve callers without a license key. Only on a loopback address, only for trying things.
    pub open: Option<OpenConfig>,
}

/// Serving callers without a license key, on a loopback address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenConfig {
    /// Write exactly: `anyone who can reach this loopback address may call every tool`.
    pub i_understand_that: String,

    /// The plan whose limits hold for all of them together.
    pub plan: PlanName,
}
