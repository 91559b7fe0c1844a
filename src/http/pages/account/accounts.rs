//! The part of `/account` on accounts elsewhere: which are connected, connecting, disconnecting.

use std::collections::BTreeSet;

use crate::{
    connect::Link,
    http::pages::{
        PageRefusal, Pages, SignedIn,
        answer::Answer,
        connect,
        view::{AccountUpstream, ConnectedAccount, More, Names},
    },
    names::{Label, UpstreamName},
    oauth::Form,
    store::MOST_LABELS,
};

impl Pages {
    /// The upstreams whose accounts the person's tools call with, and those that have one anyway.
    pub(super) async fn accounts_of(
        &self,
        person: &SignedIn,
    ) -> Result<Vec<AccountUpstream>, PageRefusal> {
        let parts = &self.parts;
        let held = parts.connections.accounts(person.license.id).await;
        let held = held.map_err(|error| PageRefusal::Consent(error.into()))?;
        let visible = parts.serving.load().catalog.visible(&person.license);
        let reached: BTreeSet<UpstreamName> = visible
            .iter()
            .flat_map(|visible| visible.tools())
            .map(|tool| tool.bound.site.name.clone())
            .collect();
        let sites = parts.connections.sites();
        let mut names: BTreeSet<&UpstreamName> = sites
            .keys()
            .filter(|name| reached.contains(*name))
            .collect();
        names.extend(held.iter().map(|info| &info.upstream));
        let place = |name: &UpstreamName| {
            let site = sites.get(name);
            let provider = site.map(|site| &site.provider);
            let accounts: Vec<_> = held
                .iter()
                .filter(|info| info.upstream == *name)
                .map(|info| ConnectedAccount::of(info, provider))
                .collect();
            let several = site.is_some_and(|site| site.account.choose_by.is_some());
            let room = accounts.is_empty() || (several && accounts.len() < MOST_LABELS);
            AccountUpstream {
                name: name.clone(),
                title: site.map_or_else(|| name.to_string(), |site| site.title.clone()),
                provider: provider.map_or_else(
                    || "the provider".to_owned(),
                    |provider| provider.title.clone(),
                ),
                names: if several || accounts.len() > 1 {
                    Names::Chosen
                } else {
                    Names::Needless
                },
                accounts,
                more: if room && reached.contains(name) && site.is_some() {
                    More::Yes
                } else {
                    More::No
                },
            }
        };
        Ok(names.into_iter().map(place).collect())
    }

    /// Its buttons.
    pub(super) async fn account_changed(
        &self,
        person: &SignedIn,
        step: &str,
        form: &Form,
    ) -> Result<Answer, PageRefusal> {
        let parts = &self.parts;
        let malformed = |_| PageRefusal::Malformed;
        let upstream = form.get("upstream").ok_or(PageRefusal::Malformed)?;
        let upstream: UpstreamName = upstream.parse().map_err(malformed)?;
        let label = form.get("label").map(str::parse::<Label>);
        let label = label.transpose().map_err(malformed)?;
        if step == "connect" {
            // A link like any other: our consent page says what is asked for.
            let link = Link {
                license: person.license.id,
                upstream,
                label,
                scopes: Vec::new(),
            };
            return Ok(self.sent_to(&parts.connections.address(&link)));
        }
        let label = label.ok_or(PageRefusal::Malformed)?;
        let license = person.license.id;
        let ended = parts
            .connections
            .disconnect(license, &upstream, &label, "account")
            .await;
        // One that is gone already is what was wanted.
        ended.map_err(|error| connect::refused(error.into()))?;
        parts.watcher.look().await;
        Ok(self.sent_to("/account?ended"))
    }
}
