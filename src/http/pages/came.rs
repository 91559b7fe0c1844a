//! `/connect/callback/{upstream}`: a browser that a provider sent back. Shows nothing of what it
//! brought: neither a code nor a provider's own words.

use http::request::Parts;

use super::{
    PageRefusal, Pages,
    answer::Answer,
    connect,
    view::{self, ConnectedView, Link},
};
use crate::{connect::Came, names::UpstreamName, oauth::Form};

impl Pages {
    /// The page.
    pub(super) async fn came_back(&self, head: &Parts, upstream: &str) -> Answer {
        let account = || {
            Some(Link {
                address: "/account".to_owned(),
                label: "Open the account page",
            })
        };
        match self.connected(head, upstream).await {
            Ok(answer) => answer,
            Err(refusal) => self.refused_with(&refusal, account()),
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
        let site = parts.connections.sites().get(&upstream).cloned();
        let provider = site.as_ref().map(|site| &site.provider);
        let chosen = site
            .as_ref()
            .is_some_and(|site| site.account.choose_by.is_some());
        Ok(self.shown(&ConnectedView {
            brand: &self.look.brand,
            title: &finished.title,
            label: chosen.then_some(&finished.label),
            granted: view::scope_titles(&finished.granted, provider),
            short: finished.short,
        }))
    }
}
