//! The upstreams whose accounts are connected, with what is needed to talk to their providers.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;

use crate::{
    config::{Config, provider::Provider, secrets::ConfiguredSecrets},
    egress::{EgressClient, EgressProfile, Scheme},
    names::UpstreamName,
    secret::SecretString,
    upstream::Account,
    vault::Issuer,
};

/// An upstream whose accounts are connected.
pub struct AccountSite {
    /// Its name.
    pub name: UpstreamName,
    /// What people call it.
    pub title: String,
    /// What may be asked for.
    pub account: Account,
    /// Our name at the provider.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Option<SecretString>,
    /// Whose accounts, with all addresses.
    pub provider: Provider,
    /// Who grants what comes from there.
    pub issuer: Issuer,
    /// The way to the provider, and to nobody in the operator's networks who is not listed.
    pub egress: EgressClient,
    /// Where the provider sends browsers back: one place for each upstream, so that no answer of
    /// one provider passes for another's.
    pub redirect_uri: Url,
}

/// All of them, by name.
pub type AccountSites = BTreeMap<UpstreamName, Arc<AccountSite>>;

/// Why an upstream's accounts cannot be connected. Names only what the configuration holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstream `{upstream}`: {fault}")]
pub struct SiteFault {
    /// The upstream.
    pub upstream: UpstreamName,
    /// What is wrong.
    pub fault: String,
}

/// Reads them from the configuration. Sends nothing.
pub fn account_sites(
    config: &Config,
    secrets: &ConfiguredSecrets,
) -> Result<AccountSites, SiteFault> {
    let mut sites = AccountSites::new();
    for (name, upstream) in &config.upstreams {
        let credential = upstream
            .rest
            .as_ref()
            .and_then(|rest| rest.credential.as_ref());
        let Some(account) = credential.and_then(|credential| credential.account.as_ref()) else {
            continue;
        };
        let fault = |fault: String| SiteFault {
            upstream: name.clone(),
            fault,
        };
        let secret = secrets
            .get(name)
            .and_then(|secrets| secrets.client.as_ref());
        let provider = config
            .provider(&account.provider)
            .map_err(|error| fault(error.to_string()))?;
        let redirect_uri = format!("{}/connect/callback/{name}", config.public_origin());
        let redirect_uri = Url::parse(&redirect_uri)
            .map_err(|_| fault("`public_url` is not an address".to_owned()))?;
        let site = AccountSite {
            name: name.clone(),
            title: upstream.title.clone().unwrap_or_else(|| name.to_string()),
            account: Account::of(account),
            client_id: account.client_id.clone(),
            // Another holder of the same secret, which each wipes for itself.
            client_secret: secret.map(|secret| SecretString::new(secret.expose().clone())),
            issuer: Issuer::of(provider.token_url.as_str(), &account.client_id),
            egress: way_to(&provider).map_err(|error| fault(error.to_string()))?,
            provider,
            redirect_uri,
        };
        sites.insert(name.clone(), Arc::new(site));
    }
    Ok(sites)
}

fn way_to(provider: &Provider) -> Result<EgressClient, crate::egress::EgressSetupError> {
    let scheme = match provider.token_url.scheme() {
        "http" => Scheme::Http,
        _ => Scheme::Https,
    };
    EgressClient::for_upstream(&EgressProfile {
        allow_special_use: provider.allow_special_use.clone(),
        idle_per_host: 4,
        ..EgressProfile::new(scheme)
    })
}
