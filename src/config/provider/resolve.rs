//! From what the operator wrote and the preset it is like to a provider that lacks nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::{
    Access, ClientAuthentication, Pkce, ProviderConfig, Refresh, Revoke, Rotation, ScopeConfig,
    ScopeSeparator,
    presets::{GENERIC, presets},
};
use crate::{
    config::{Config, UpstreamConfig},
    names::{ProviderName, ScopeName},
};

/// A provider with everything that connecting, refreshing and revoking need.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name it goes by in the configuration.
    pub name: ProviderName,
    /// A name for people.
    pub title: String,
    /// What `iss` must be, byte for byte, when an answer of `authorize_url` has one (RFC 9207).
    pub issuer: Option<String>,
    /// Where the browser goes.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are redeemed.
    pub token_url: Url,
    /// Where granted scopes are read when token answers do not name them.
    pub permissions_url: Option<Url>,
    /// How a grant is ended.
    pub revocation: Revocation,
    /// Proof with the code.
    pub pkce: Pkce,
    /// How the gateway proves which client it is.
    pub client_auth: ClientAuthentication,
    /// Between scopes in requests.
    pub scope_separator: ScopeSeparator,
    /// Between scopes in answers.
    pub granted_scope_separator: ScopeSeparator,
    /// Further parameters of `authorize_url`.
    pub authorize_parameters: BTreeMap<String, String>,
    /// Scopes of every request.
    pub always_scopes: BTreeSet<ScopeName>,
    /// How an access token is renewed.
    pub refresh: Refresh,
    /// Does a refresh bring another refresh token?
    pub rotation: Rotation,
    /// How long an access token is good for when its answer does not say; none: until it is refused.
    pub access_token_lifetime: Option<Duration>,
    /// Errors of `token_url` may come with status 200.
    pub errors_with_200: bool,
    /// The header that carries the access token alone; none: `Authorization: Bearer`.
    pub attach_header: Option<HeaderName>,
    /// Special-use networks it may live in.
    pub allow_special_use: Vec<IpNet>,
    /// The scopes it is known to have.
    pub scopes: BTreeMap<ScopeName, ScopeInfo>,
}

/// How a grant is ended at the provider, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// Not at all.
    None,
    /// `POST` with the token (RFC 7009).
    Rfc7009(Url),
    /// `DELETE` with the access token as the customer's.
    MetaPermissions(Url),
    /// `DELETE {url}/{client_id}/grant` with the client's own proof and the token in JSON.
    GithubGrant(Url),
}

/// What a scope is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeInfo {
    /// What a person reads before consenting.
    pub title: String,
    /// Does it let its holder change anything?
    pub access: Access,
    /// What its holder need not hold besides.
    pub implies: BTreeSet<ScopeName>,
}

/// Why there is no such provider. `check` finds all of these but the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// Neither the configuration nor a preset has this name.
    #[error("there is no provider `{0}`")]
    Unknown(ProviderName),
    /// It is like something that is not a preset.
    #[error("the provider `{0}` is like `{1}`, and no preset has that name")]
    UnknownPreset(ProviderName, ProviderName),
    /// Nothing says what stands here.
    #[error("the provider `{0}` lacks `{1}`")]
    Missing(ProviderName, &'static str),
    /// What stands here is not what it should be.
    #[error("the provider `{0}` has a `{1}` that cannot be read")]
    Unreadable(ProviderName, &'static str),
}

impl Config {
    /// The provider of this name: the operator's own, or else the preset.
    pub fn provider(&self, name: &ProviderName) -> Result<Provider, ProviderFault> {
        match self.providers.get(name) {
            Some(own) => Provider::new(name, own),
            None if name.as_str() == GENERIC => Err(ProviderFault::Unknown(name.clone())),
            None => presets()
                .get(name)
                .ok_or_else(|| ProviderFault::Unknown(name.clone()))
                .and_then(|preset| Provider::new(name, preset)),
        }
    }

    /// The header in which the provider of an upstream's connected accounts has its tokens sent,
    /// unless `Authorization` does.
    pub fn provider_header(&self, upstream: &UpstreamConfig) -> Option<HeaderName> {
        let credential = upstream.rest.as_ref()?.credential.as_ref()?;
        let account = credential.account.as_ref()?;
        self.provider(&account.provider).ok()?.attach_header
    }
}

impl Provider {
    /// What stands in the catalogue of scopes.
    pub fn scope(&self, name: &str) -> Option<&ScopeInfo> {
        self.scopes.get(name)
    }

    /// Does a grant of these scopes do for what needs that one: it itself, or one that implies it?
    pub fn covers(&self, granted: &BTreeSet<String>, needed: &str) -> bool {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut left: Vec<&str> = granted.iter().map(String::as_str).collect();
        while let Some(name) = left.pop() {
            if name == needed {
                return true;
            }
            if known.insert(name) {
                let implied = self.scope(name).into_iter().flat_map(|info| &info.implies);
                left.extend(implied.map(ScopeName::as_str));
            }
        }
        false
    }

    /// The scopes of a request as one text.
    pub fn join_scopes<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for scope in scopes {
            if !text.is_empty() {
                text.push(self.scope_separator.as_char());
            }
            text.push_str(scope);
        }
        text
    }

    /// The scopes of an answer.
    pub fn split_scopes(&self, text: &str) -> BTreeSet<String> {
        let scopes = self.granted_scope_separator.split(text);
        scopes.map(str::to_owned).collect()
    }

    fn new(name: &ProviderName, own: &ProviderConfig) -> Result<Self, ProviderFault> {
        let whole = own.whole(name)?;
        let missing = |field| ProviderFault::Missing(name.clone(), field);
        let unreadable = |field| ProviderFault::Unreadable(name.clone(), field);
        let url = |text: Option<String>, field| {
            let url = text.map(|text| Url::parse(&text)).transpose();
            url.map_err(|_| unreadable(field))
        };
        let revoke_url = url(whole.revoke_url, "revoke_url")?;
        let revoke_url = || revoke_url.clone().ok_or_else(|| missing("revoke_url"));
        let revocation = match whole.revoke.ok_or_else(|| missing("revoke"))? {
            Revoke::None => Revocation::None,
            Revoke::Rfc7009 => Revocation::Rfc7009(revoke_url()?),
            Revoke::MetaPermissions => Revocation::MetaPermissions(revoke_url()?),
            Revoke::GithubGrant => Revocation::GithubGrant(revoke_url()?),
        };
        let scope_separator = whole
            .scope_separator
            .ok_or_else(|| missing("scope_separator"))?;
        Ok(Self {
            title: whole.title.unwrap_or_else(|| name.to_string()),
            issuer: whole.issuer,
            authorize_url: url(whole.authorize_url, "authorize_url")?
                .ok_or_else(|| missing("authorize_url"))?,
            token_url: url(whole.token_url, "token_url")?.ok_or_else(|| missing("token_url"))?,
            permissions_url: url(whole.permissions_url, "permissions_url")?,
            revocation,
            pkce: whole.pkce.ok_or_else(|| missing("pkce"))?,
            client_auth: whole.client_auth.ok_or_else(|| missing("client_auth"))?,
            scope_separator,
            granted_scope_separator: whole.granted_scope_separator.unwrap_or(scope_separator),
            authorize_parameters: whole.authorize_parameters,
            always_scopes: whole.always_scopes.into_iter().collect(),
            refresh: whole.refresh.ok_or_else(|| missing("refresh"))?,
            rotation: whole
                .rotates_refresh_tokens
                .ok_or_else(|| missing("rotates_refresh_tokens"))?,
            access_token_lifetime: whole.access_token_lifetime.map(super::Span::duration),
            errors_with_200: whole.errors_with_200.unwrap_or(false),
            attach_header: whole
                .attach_header
                .map(|header| HeaderName::from_bytes(header.as_bytes()))
                .transpose()
                .map_err(|_| unreadable("attach_header"))?,
            allow_special_use: whole.allow_special_use,
            scopes: whole.scopes.into_iter().map(ScopeConfig::entry).collect(),
            name: name.clone(),
        })
    }
}

impl ScopeConfig {
    fn entry(self) -> (ScopeName, ScopeInfo) {
        let info = ScopeInfo {
            title: self.title,
            access: self.access,
            implies: self.implies.into_iter().collect(),
        };
        (self.name, info)
    }
}

impl ProviderConfig {
    /// The preset it starts from; none when there is none of that name.
    pub(in crate::config) fn preset(&self) -> Option<&'static Self> {
        let name = self.like.as_ref().map_or(GENERIC, ProviderName::as_str);
        presets().get(name)
    }

    /// Laid over the preset that it is like. An unknown name is no fault of a preset's own file.
    pub(in crate::config) fn whole(&self, name: &ProviderName) -> Result<Self, ProviderFault> {
        let Some(base) = self.preset() else {
            let like = self.like.clone().unwrap_or_else(|| name.clone());
            return Err(ProviderFault::UnknownPreset(name.clone(), like));
        };
        Ok(self.over(base))
    }

    fn over(&self, base: &Self) -> Self {
        fn text(own: Option<&String>, base: Option<&String>) -> Option<String> {
            own.or(base).cloned()
        }
        fn list<T: Clone>(own: &[T], base: &[T]) -> Vec<T> {
            if own.is_empty() { base } else { own }.to_vec()
        }
        let mut authorize_parameters = base.authorize_parameters.clone();
        authorize_parameters.extend(self.authorize_parameters.clone());
        authorize_parameters.retain(|_, value| !value.is_empty());
        let is_own = |name| self.scopes.iter().any(|own| own.name == name);
        let inherited = base
            .scopes
            .iter()
            .filter(|scope| !is_own(scope.name.clone()));
        Self {
            like: None,
            title: text(self.title.as_ref(), base.title.as_ref()),
            issuer: text(self.issuer.as_ref(), base.issuer.as_ref()),
            authorize_url: text(self.authorize_url.as_ref(), base.authorize_url.as_ref()),
            token_url: text(self.token_url.as_ref(), base.token_url.as_ref()),
            revoke_url: text(self.revoke_url.as_ref(), base.revoke_url.as_ref()),
            permissions_url: text(self.permissions_url.as_ref(), base.permissions_url.as_ref()),
            revoke: self.revoke.or(base.revoke),
            pkce: self.pkce.or(base.pkce),
            client_auth: self.client_auth.or(base.client_auth),
            scope_separator: self.scope_separator.or(base.scope_separator),
            granted_scope_separator: self
                .granted_scope_separator
                .or(base.granted_scope_separator),
            authorize_parameters,
            always_scopes: list(&self.always_scopes, &base.always_scopes),
            refresh: self.refresh.or(base.refresh),
            rotates_refresh_tokens: self.rotates_refresh_tokens.or(base.rotates_refresh_tokens),
            access_token_lifetime: self.access_token_lifetime.or(base.access_token_lifetime),
            errors_with_200: self.errors_with_200.or(base.errors_with_200),
            attach_header: text(self.attach_header.as_ref(), base.attach_header.as_ref()),
            allow_special_use: list(&self.allow_special_use, &base.allow_special_use),
            scopes: inherited.chain(&self.scopes).cloned().collect(),
        }
    }
}
