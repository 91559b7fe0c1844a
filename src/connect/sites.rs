//! The upstreams whose accounts are connected, with what is needed to talk to their providers.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{Config, secrets::ConfiguredSecrets},
    names::UpstreamName,
    secret::SecretString,
    upstream::Account,
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
        let secret = secrets
            .get(name)
            .and_then(|secrets| secrets.client.as_ref());
        let site = AccountSite {
            name: name.clone(),
            title: upstream.title.clone().unwrap_or_else(|| name.to_string()),
            account: Account::of(account),
            client_id: account.client_id.clone(),
            // Another holder of the same secret, which each wipes for itself.
            client_secret: secret.map(|secret| SecretString::new(secret.expose().clone())),
        };
        sites.insert(name.clone(), Arc::new(site));
    }
    Ok(sites)
}
