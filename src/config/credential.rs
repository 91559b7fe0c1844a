//! `credential:` — how an upstream wants its credential, and where the secret is.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{SecretSource, provider::ClientAuthentication};
use crate::names::{ProviderName, ScopeName};

/// How an upstream wants its credential. Exactly one of `header`, `query`, `bearer`, `basic`,
/// `sigv4`, `client_credentials`, `service_account`, `login_with_amazon`, `account`.
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

    /// As a signature over the request (AWS Signature Version 4). The secret is the secret access
    /// key.
    pub sigv4: Option<SigV4Config>,

    /// A token of ours from an OAuth server (RFC 6749 section 4.4). The secret is the client's.
    pub client_credentials: Option<ClientCredentialsConfig>,

    /// A token for a Google service account (RFC 7523). The secret is the account's JSON key file.
    pub service_account: Option<ServiceAccountConfig>,

    /// A token from Login with Amazon for an account of ours. The secret is the refresh token.
    pub login_with_amazon: Option<LoginWithAmazonConfig>,

    /// A token for the account that each license connects for itself.
    pub account: Option<AccountConfig>,

    /// Where the secret is. Left out: the credential store, filled by
    /// `wicketgate credential set UPSTREAM`, also for one license alone.
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

/// `credential.sigv4`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigV4Config {
    /// The region that signatures are for: `eu-west-1`.
    pub region: String,
    /// The service that signatures are for: `execute-api`.
    pub service: String,
    /// The access key's id, which is no secret: `AKIA…`.
    pub access_key_id: String,
    /// The session token that belongs to a temporary access key.
    #[serde(default)]
    pub session_token: Option<SecretSource>,
}

/// `credential.client_credentials`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentialsConfig {
    /// Where tokens come from. `http:` and special-use addresses only to `rest.allow_special_use`.
    pub token_url: Url,
    /// Our name there.
    pub client_id: String,
    /// How the secret is shown.
    #[serde(default)]
    pub client_auth: ClientAuthentication,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<ScopeName>,
    /// `audience`, where the server wants one.
    #[serde(default)]
    pub audience: Option<String>,
    /// The header that takes the token as it is. Left out: `Authorization: Bearer …`.
    #[serde(default)]
    pub header: Option<String>,
}

/// `credential.service_account`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountConfig {
    /// What is asked for.
    pub scopes: Vec<ScopeName>,
    /// The user the account stands in for, where the domain allows it.
    #[serde(default)]
    pub subject: Option<String>,
    /// Where tokens come from; must be what the key file names. Left out: Google's.
    #[serde(default)]
    pub token_url: Option<Url>,
}

/// `credential.login_with_amazon`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginWithAmazonConfig {
    /// Our name there: `amzn1.application-oa2-client.…`.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: SecretSource,
    /// Where tokens come from. Left out: Amazon's.
    #[serde(default)]
    pub token_url: Option<Url>,
    /// The header that takes the token as it is, such as `x-amz-access-token`. Left out:
    /// `Authorization: Bearer …`.
    #[serde(default)]
    pub header: Option<String>,
}

/// `credential.account`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Whose accounts: a preset (`google`, `meta`, `amazon`, `microsoft`, `github`), or one of
    /// `providers:`.
    pub provider: ProviderName,
    /// Our name there.
    pub client_id: String,
    /// Our secret there. Left out: we have none (PKCE alone).
    #[serde(default)]
    pub client_secret: Option<SecretSource>,
    /// The widest that may ever be asked for, whatever tools say.
    pub scopes: Vec<ScopeName>,
    /// The argument by which a call chooses among several accounts of one license, by label. It is
    /// added to every tool of this upstream. Left out: a license connects one account.
    #[serde(default)]
    pub choose_by: Option<String>,
    /// The header that takes the token as it is, such as `x-amz-access-token`. Left out: what the
    /// provider says, usually `Authorization: Bearer …`.
    #[serde(default)]
    pub header: Option<String>,
}
