//! `providers:` — whose OAuth servers customers connect their accounts at. Presets are data of the same
//! shape; holds no client id and no secret.

mod presets;
mod resolve;

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    presets::presets,
    resolve::{Provider, ProviderFault, Revocation, ScopeInfo},
};
use super::Span;
use crate::names::{ProviderName, ScopeName};

/// An OAuth server that customers connect their accounts at.
///
/// Everything that is left out is taken from the preset named by `like`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// The preset it starts from: `google`, `meta`, `amazon`, `microsoft` or `github`. Left out:
    /// `generic`, which knows no addresses and no scopes.
    pub like: Option<ProviderName>,

    /// A name for people. Left out: its name here.
    pub title: Option<String>,

    /// Exactly what stands in `iss` where the provider sends one back (RFC 9207): an answer with
    /// another is refused.
    pub issuer: Option<String>,

    /// Where the customer's browser is sent to consent (RFC 6749 section 3.1).
    pub authorize_url: Option<String>,

    /// Where codes and refresh tokens are redeemed (RFC 6749 section 3.2).
    pub token_url: Option<String>,

    /// Where a grant is ended; see `revoke`.
    pub revoke_url: Option<String>,

    /// Where granted scopes are read when token answers do not name them, as Meta lists them:
    /// `{ data: [{ permission, status }] }`. Left out: what the token answer says, and without a word
    /// what was asked for (RFC 6749 section 5.1).
    pub permissions_url: Option<String>,

    /// How a grant is ended at the provider when an account is disconnected. `generic`: `none`.
    pub revoke: Option<Revoke>,

    /// Proof that whoever redeems a code is who asked for it (RFC 7636). `generic`: `s256`.
    pub pkce: Option<Pkce>,

    /// How the gateway proves at `token_url` which client it is (RFC 6749 section 2.3.1).
    /// `generic`: `basic`.
    pub client_auth: Option<ClientAuthentication>,

    /// What stands between scopes in a request. `generic`: `space`.
    pub scope_separator: Option<ScopeSeparator>,

    /// What stands between scopes in an answer. Left out: the same.
    pub granted_scope_separator: Option<ScopeSeparator>,

    /// Further parameters of `authorize_url`, added to those of the preset:
    /// `{ access_type: offline }`. An empty value removes one of the preset's.
    pub authorize_parameters: BTreeMap<String, String>,

    /// Scopes that are asked for whatever the tools need, such as `offline_access`.
    pub always_scopes: Vec<ScopeName>,

    /// How an access token is renewed without the customer. `generic`: `refresh_token`.
    pub refresh: Option<Refresh>,

    /// Does a refresh bring another refresh token? With `always` the old one ends with its use.
    /// `generic`: `sometimes`.
    pub rotates_refresh_tokens: Option<Rotation>,

    /// How long an access token is good for when its answer does not say. Left out: until the API
    /// refuses it.
    pub access_token_lifetime: Option<Span>,

    /// Errors of `token_url` come with status 200, as GitHub sends them.
    pub errors_with_200: Option<bool>,

    /// The header that carries the access token, alone, instead of `Authorization: Bearer`. Amazon's
    /// Selling Partner API wants `x-amz-access-token`.
    pub attach_header: Option<String>,

    /// Private, loopback or link-local networks this provider may live in. `http:` is only allowed
    /// to these.
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,

    /// The scopes that tools may need, added to those of the preset.
    pub scopes: Vec<ScopeConfig>,
}

/// A scope, as the customer and `check` see it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeConfig {
    /// The scope, as it is sent.
    pub name: ScopeName,

    /// What a person reads before consenting: `See your reports`.
    pub title: String,

    /// Does it let the gateway change anything?
    pub access: Access,

    /// Scopes that whoever holds this one need not hold besides.
    #[serde(default)]
    pub implies: Vec<ScopeName>,
}

/// What a scope lets its holder do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Look.
    Read,
    /// Change, create or delete.
    Write,
}

/// How a grant is ended at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Revoke {
    /// `POST revoke_url` with the token (RFC 7009).
    Rfc7009,
    /// `DELETE revoke_url` as the customer, with the access token.
    MetaPermissions,
    /// `DELETE {revoke_url}/{client_id}/grant` as the client, with the token in a JSON body.
    GithubGrant,
    /// The provider knows no way: the customer ends it there.
    None,
}

/// Proof that whoever redeems a code is who asked for it (RFC 7636).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pkce {
    /// The SHA-256 of a secret goes first, the secret with the code.
    S256,
    /// The provider does not know it.
    None,
}

/// How the client proves itself at the token endpoint (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
}

/// What stands between scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeSeparator {
    /// `a b` (RFC 6749 section 3.3).
    Space,
    /// `a,b`
    Comma,
}

impl ScopeSeparator {
    /// As it is written.
    pub const fn as_char(self) -> char {
        match self {
            Self::Space => ' ',
            Self::Comma => ',',
        }
    }

    /// The scopes of a text in which they stand between it.
    pub fn split(self, text: &str) -> impl Iterator<Item = &str> {
        text.split(self.as_char())
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
    }
}

/// How an access token is renewed without the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// With a refresh token (RFC 6749 section 6).
    RefreshToken,
    /// The access token is exchanged for a longer one while it is good: `GET token_url` with
    /// `grant_type=fb_exchange_token`, as Meta has it.
    Exchange,
    /// Not at all.
    None,
}

/// Does a refresh bring another refresh token?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The first one stays.
    Never,
    /// It may; then the new one counts, and the old one may or may not go on working.
    Sometimes,
    /// Each is good for one use.
    Always,
}

#[cfg(test)]
mod tests;
