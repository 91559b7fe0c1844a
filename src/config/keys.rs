//! `keys:` — where the master keys are: in a file or the environment, or in a key service that
//! never gives them away.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::SecretSource;

/// One master key: an id of your choice and where it is. Exactly one of `file`, `env`, `vault`,
/// `aws_kms` and `gcp_kms`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// A name for this key, such as `k2026a`. Records remember it.
    pub id: String,

    /// A file with mode 0600 that `wicketgate key generate` wrote.
    #[serde(default)]
    pub file: Option<PathBuf>,

    /// An environment variable with the same text. For development.
    #[serde(default)]
    pub env: Option<String>,

    /// A key in the transit engine of a Vault, version 1.13 or later.
    #[serde(default)]
    pub vault: Option<VaultKeyConfig>,

    /// A symmetric key in AWS KMS.
    #[serde(default)]
    pub aws_kms: Option<AwsKeyConfig>,

    /// A symmetric key in Google Cloud KMS.
    #[serde(default)]
    pub gcp_kms: Option<GcpKeyConfig>,
}

/// `keys[].vault`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultKeyConfig {
    /// The Vault: `https://vault.example.com:8200`.
    pub address: Url,

    /// Where the transit engine is mounted.
    #[serde(default = "transit")]
    pub mount: String,

    /// The key's name there. Its type must be AEAD, as the engine's default `aes256-gcm96` is.
    pub key: String,

    /// A token that may `update` `encrypt/KEY` and `decrypt/KEY` of the mount, and nothing else.
    pub token: SecretSource,

    /// The namespace, where the Vault has such.
    #[serde(default)]
    pub namespace: Option<String>,

    /// Special-use networks that the Vault may be in, such as your own.
    #[serde(default)]
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,
}

fn transit() -> String {
    "transit".to_owned()
}

/// `keys[].aws_kms`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsKeyConfig {
    /// The key's region: `eu-central-1`.
    pub region: String,

    /// The key's ARN: `arn:aws:kms:eu-central-1:111122223333:key/…`.
    pub key_id: String,

    /// The access key's id, which is no secret: `AKIA…`.
    pub access_key_id: String,

    /// The access key's secret.
    pub secret_access_key: SecretSource,

    /// The session token that belongs to a temporary access key.
    #[serde(default)]
    pub session_token: Option<SecretSource>,

    /// Where the service is. Left out: `https://kms.{region}.amazonaws.com`.
    #[serde(default)]
    pub endpoint: Option<Url>,

    /// Special-use networks that `endpoint` may be in, such as your own.
    #[serde(default)]
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,
}

/// `keys[].gcp_kms`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpKeyConfig {
    /// The key: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    pub key: String,

    /// Who the gateway is there.
    pub credentials: GcpCredentials,

    /// Where the service is. Left out: `https://cloudkms.googleapis.com`.
    #[serde(default)]
    pub endpoint: Option<Url>,

    /// Special-use networks that `endpoint`, and what the key file names, may be in.
    #[serde(default)]
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,
}

/// Who the gateway is at Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GcpCredentials {
    /// A service account, by its JSON key file: `{ key_file: { file: PATH } }`.
    KeyFile(SecretSource),
    /// The machine's own service account: `metadata`.
    Metadata,
}
