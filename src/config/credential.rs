//! `credential:` — how an upstream wants its credential, and where the secret is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretSource;

/// How an upstream wants its credential. Exactly one of `header`, `query`, `bearer`, `basic`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialConfig {
    /// In this header, as it is: `X-Api-Key`.
    pub header: Option<String>,

    /// In this query parameter.
    pub query: Option<String>,

    /// As `Authorization: Bearer …` (RFC 6750).
    pub bearer: Option<BearerConfig>,

    /// As the password of `Authorization: Basic …` (RFC 7617).
    pub basic: Option<BasicConfig>,

    /// Where the secret is. Left out: the credential store, filled by
    /// `wicketgate credential set UPSTREAM`.
    pub value: Option<SecretSource>,
}

/// `credential.bearer`, written `bearer: {}`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BearerConfig {}

/// `credential.basic`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// The user name. The secret is the password.
    pub username: String,
}
