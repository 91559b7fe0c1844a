//! `/connect/callback/{upstream}`: a browser that a provider sent back. Shows nothing of what it
//! brought: neither a code nor a provider's own words. Then to a page that can be reloaded.

use http::request::Parts;

use super::{
    DONE, PageRefusal, Pages,
    answer::Answer,
    connect,
    view::{self, ConnectedView, Link},
};
use crate::{
    connect::Came,
    http::refusal::EdgeRefusal,
    names::{Label, UpstreamName},
    oauth::Form,
    store::CredentialInfo,
};

impl Pages {
    /// The page.
    pub(super) async fn came_back(&self, head: &Parts, upstream: &str) -> Answer {
        match self.connected(head, upstream).await {
            Ok(answer) => answer,
            Err(refusal) => self.refused_with(&refusal, Some(account_page())),
        }
    }

    async fn connected(&self, head: &Parts, upstream: &str) -> Result<Answer, PageRefusal> {
        let upstream: UpstreamName = upstream.parse().map_err(|_| PageRefusal::LinkUnknown)?;
        let query = head.uri.query().unwrap_or_default();
        let form = Form::parse(query.as_bytes()).map_err(|_| PageRefusal::Malformed)?;
        // Two readers could pick two values.
        if form.is_twice(&["state", "code", "error", "iss"]) {
            return Err(PageRefusal::Malformed);
        }
        let person = self
            .signed_in(head)
            .await?
            .ok_or(PageRefusal::NotSignedIn)?;
        let came = Came {
            state: form.get("state").map(str::to_owned),
            code: form.get("code").map(str::to_owned),
            error: form.get("error").map(str::to_owned),
            iss: form.get("iss").map(str::to_owned),
        };
        let (parts, license) = (&self.parts, person.license.id);
        let browser = person.login.text.as_str();
        let finishing = parts.connections.finish(license, &upstream, &came, browser);
        let finished = finishing.await.map_err(connect::refused)?;
        // This process hears at once, and with it every call that waits for the account.
        parts.watcher.look().await;
        // What the provider brought stays in no address bar, and a reload brings it no second time.
        Ok(self.sent_to(&format!("{DONE}{upstream}/{}", finished.label)))
    }

    /// `/connect/done/{upstream}/{label}`: what became of it, as it is stored now.
    pub(super) async fn done(&self, head: &Parts, account: &str) -> Answer {
        match self.is_done(head, account).await {
            Ok(answer) => answer,
            Err(refusal) => self.refused_with(&refusal, Some(account_page())),
        }
    }

    async fn is_done(&self, head: &Parts, account: &str) -> Result<Answer, PageRefusal> {
        let named = account.split_once('/').and_then(|(upstream, label)| {
            let upstream: UpstreamName = upstream.parse().ok()?;
            Some((upstream, label.parse::<Label>().ok()?))
        });
        let (upstream, label) = named.ok_or(PageRefusal::Edge(EdgeRefusal::NotFound))?;
        let person = self.signed_in(head).await?;
        let Some(person) = person else {
            return Ok(self.sent_to("/account"));
        };
        let connections = &self.parts.connections;
        let accounts = connections.accounts(person.license.id).await;
        let accounts = accounts.map_err(|error| PageRefusal::Consent(error.into()))?;
        let is_it = |info: &CredentialInfo| info.upstream == upstream && info.label == label;
        let Some(info) = accounts.into_iter().find(is_it) else {
            // Disconnected since.
            return Ok(self.sent_to("/account"));
        };
        let site = connections.sites().get(&upstream).cloned();
        let provider = site.as_ref().map(|site| &site.provider);
        let chosen = site
            .as_ref()
            .is_some_and(|site| site.account.choose_by.is_some());
        Ok(self.shown(&ConnectedView {
            brand: &self.look.brand,
            title: site
                .as_ref()
                .map_or(upstream.as_str(), |site| site.title.as_str()),
            label: chosen.then_some(&info.label),
            granted: view::scope_titles(&info.scopes, provider),
            short: info.shortfalls > 0,
        }))
    }
}

fn account_page() -> Link {
    Link {
        address: "/account".to_owned(),
        label: "Open the account page",
    }
}
