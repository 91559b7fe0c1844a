//! The configuration file as types. Unknown keys are refused everywhere.
//!
//! The doc comment of each field is what `wicketgate config schema` and `docs/config.md` print.

pub mod auth;
pub mod branding;
mod check;
pub mod credential;
pub mod environment;
mod findings;
pub mod keys;
pub mod limits;
pub mod listen;
pub mod load;
pub mod plan;
pub mod problem;
pub mod provider;
pub mod published;
pub mod reference;
pub mod rest;
pub mod secrets;
mod shape;
pub mod shared;
pub mod source;
pub mod special_use;
pub mod store;
pub mod tree;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

pub use self::{
    auth::AuthConfig,
    branding::BrandingConfig,
    credential::CredentialConfig,
    environment::Environment,
    keys::KeyConfig,
    limits::LimitsConfig,
    listen::ListenConfig,
    load::{Loaded, content_hash, load, watched_paths},
    plan::PlanConfig,
    problem::{ConfigError, Problem, Severity},
    provider::{Provider, ProviderConfig, ProviderFault, presets},
    published::config_schema,
    reference::config_reference,
    rest::{RestConfig, ToolConfig},
    secrets::{SecretError, configured_secrets, resolve_secret},
    shared::{RedisConfig, SharedConfig, WhenAway},
    source::{ByteSize, SecretSource, Span},
    store::StoreConfig,
};
use crate::{
    license::{Allowance, License, Plans},
    names::{PlanName, ProviderName, UpstreamName},
};

/// One configuration file, `include`d files merged in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What clients reach, without a path: `https://mcp.example.com`. The connector is
    /// `{public_url}/mcp`. Default: `http://` and the public listen address.
    #[serde(default)]
    pub public_url: Option<Url>,

    /// Where the gateway listens, and for whom.
    #[serde(default)]
    pub listen: ListenConfig,

    /// Where licenses, quotas and sealed credentials are kept. Default: a SQLite file.
    #[serde(default)]
    pub store: StoreConfig,

    /// What several gateway processes share beside the store.
    #[serde(default)]
    pub shared: SharedConfig,

    /// Master keys. The first seals; all open. In a file with mode 0600, in a key service, or, for
    /// development, in the environment.
    pub keys: Vec<KeyConfig>,

    /// Who may call.
    #[serde(default)]
    pub auth: AuthConfig,

    /// How the gateway's own pages look.
    #[serde(default)]
    pub branding: BrandingConfig,

    /// Limits that hold for every license.
    #[serde(default)]
    pub limits: LimitsConfig,

    /// What a license may do, by plan.
    #[serde(default)]
    pub plans: BTreeMap<PlanName, PlanConfig>,

    /// Whose OAuth servers customers connect their accounts at, besides the presets `google`, `meta`,
    /// `amazon`, `microsoft` and `github`, which need no entry here.
    #[serde(default)]
    pub providers: BTreeMap<ProviderName, ProviderConfig>,

    /// Further files that hold only `upstreams:`; relative to this file, `*` allowed in the name.
    #[serde(default)]
    pub include: Vec<String>,

    /// The APIs behind the gateway and the tools made from them.
    #[serde(default)]
    pub upstreams: BTreeMap<UpstreamName, UpstreamConfig>,
}

/// One API behind the gateway. The kind is a key: `rest:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// A name for people.
    #[serde(default)]
    pub title: Option<String>,

    /// An HTTP API described tool by tool.
    #[serde(default)]
    pub rest: Option<RestConfig>,
}

impl Config {
    /// The origin clients reach, never with a trailing slash: `https://mcp.example.com`.
    pub fn public_origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.origin().ascii_serialization(),
            None => format!("http://{}", self.listen.public),
        }
    }

    /// What every plan allows.
    pub fn allowances(&self) -> Plans {
        let session = self.limits.session;
        let plans = self.plans.iter();
        Plans::new(
            session,
            plans.map(|(name, plan)| (name.clone(), plan.allowance(session))),
        )
    }

    /// What one license is allowed: its plan's limits, and its own in their place.
    pub fn allowance_of(&self, license: &License) -> Allowance {
        let session = self.limits.session;
        let plan = self.plans.get(&license.plan);
        plan.map_or_else(
            || Allowance::of_session(session),
            |plan| plan.allowance(session),
        )
        .overridden(&license.overrides)
    }

    /// The URL a customer pastes.
    pub fn connector_url(&self) -> String {
        format!("{}/mcp", self.public_origin())
    }
}
