//! `/connect/{handle}`: from a call's link to the provider's consent. The link proves nothing: only
//! who signs in with the license that made the call gets any further (MCP elicitation, phishing).

use std::{collections::BTreeSet, sync::Arc};

use http::request::Parts;

use super::{
    CONNECT, PageRefusal, Pages, SignedIn,
    answer::Answer,
    seal::Purpose,
    sign_in::Target,
    view::{ConnectView, Labelled, OtherLicenseView, Want},
};
use crate::{
    connect::{AccountSite, Link, Wish, link::Opened},
    names::{Label, ScopeName},
    oauth::Form,
    store::CredentialInfo,
};

const LABEL_RULE: &str =
    "Use 1 to 32 small letters, digits, - and _, and begin with a letter or digit.";
const LABEL_TAKEN: &str = "An account of this name is connected already. Choose another name, or connect that one again on \
     the account page.";

/// A link with what it leads to.
struct Asked {
    link: Link,
    site: Arc<AccountSite>,
    /// `/connect/{handle}`
    address: String,
}

/// What is put before the person, and afterwards to the provider.
struct Offer {
    /// What was granted already, if anything was.
    held: Option<CredentialInfo>,
    /// Every label that is taken.
    taken: Vec<Label>,
    scopes: Vec<ScopeName>,
}

impl Asked {
    fn target(&self) -> Target<'_> {
        Target {
            action: self.address.clone(),
            address: self.address.clone(),
            purpose: Purpose {
                form: "connect-sign-in",
                about: &self.address,
            },
            hidden: Vec::new(),
            who: None,
            upstream: Some(self.site.title.clone()),
        }
    }

    /// The label, where it is known before anybody typed one.
    fn label(&self) -> Option<Label> {
        match &self.site.account.choose_by {
            None => Some(Label::default_label()),
            Some(_) => self.link.label.clone(),
        }
    }

    /// A form's token is for what was shown: if that changed meanwhile, it is shown anew.
    fn about(&self, scopes: &[ScopeName]) -> String {
        let scopes: Vec<_> = scopes.iter().map(ScopeName::as_str).collect();
        format!("{} {}", self.address, scopes.join(" "))
    }
}

impl Pages {
    /// The page.
    pub(super) async fn connect(&self, head: &Parts, handle: &str) -> Answer {
        let asked = match self.opened(handle) {
            Ok(asked) => asked,
            Err(refusal) => return self.refused(&refusal),
        };
        match self.signed_in(head).await {
            Ok(None) => self.sign_in_page(head, &asked.target(), None),
            Ok(Some(person)) if person.license.id != asked.link.license => {
                self.of_other(&asked, &person)
            }
            Ok(Some(person)) => self.offered(&asked, &person, None).await,
            Err(refusal) => self.refused_with(&refusal, Some(asked.target().again())),
        }
    }

    /// Its forms.
    pub(super) async fn connect_form(&self, head: &Parts, handle: &str, form: &Form) -> Answer {
        if form.is_twice(&["step", "form", "license_key", "label"]) {
            return self.refused(&PageRefusal::Malformed);
        }
        let asked = match self.opened(handle) {
            Ok(asked) => asked,
            Err(refusal) => return self.refused(&refusal),
        };
        if form.get("step") == Some("sign-in") {
            return self.sign_in(head, form, &asked.target()).await;
        }
        match self.decided_on(head, form, &asked).await {
            Ok(answer) => answer,
            Err(refusal) => self.refused_with(&refusal, Some(asked.target().again())),
        }
    }

    fn opened(&self, handle: &str) -> Result<Asked, PageRefusal> {
        let link = match self.parts.connections.open_link(handle) {
            Opened::Good(link) => link,
            Opened::Over => return Err(PageRefusal::LinkOver),
            Opened::Unknown => return Err(PageRefusal::LinkUnknown),
        };
        let sites = self.parts.connections.sites();
        let site = sites.get(&link.upstream).cloned();
        Ok(Asked {
            site: site.ok_or(PageRefusal::LinkUnknown)?,
            address: format!("{CONNECT}{handle}"),
            link,
        })
    }

    /// Signed in with another license than the link's: refused, with the way to the right one.
    fn of_other(&self, asked: &Asked, person: &SignedIn) -> Answer {
        let now = self.parts.clock.now();
        let token = self
            .seals
            .token(&person.login.text, other(&asked.address), now);
        self.shown(&OtherLicenseView {
            brand: &self.look.brand,
            action: &asked.address,
            hint: &person.hint,
            hidden: vec![("form", token)],
        })
        .refusing(&PageRefusal::LinkOfOther)
    }

    /// Our own consent, with what is wrong with the label that was typed.
    async fn offered(
        &self,
        asked: &Asked,
        person: &SignedIn,
        fault: Option<(&str, &'static str)>,
    ) -> Answer {
        let offer = match self.offer(asked, person).await {
            Ok(offer) => offer,
            Err(refusal) => return self.refused_with(&refusal, Some(asked.target().again())),
        };
        let now = self.parts.clock.now();
        let about = asked.about(&offer.scopes);
        let token = self.seals.token(&person.login.text, agreed(&about), now);
        let provider = &asked.site.provider;
        let tools = self.tools_at(asked, person);
        let granted = offer.held.as_ref().map(|info| &*info.scopes);
        let mut scopes = offer.scopes.clone();
        let always = provider.always_scopes.iter();
        scopes.extend(
            always
                .filter(|scope| !offer.scopes.contains(scope))
                .cloned(),
        );
        let label = match (asked.label(), &asked.site.account.choose_by) {
            (Some(_), None) => Labelled::Alone,
            (Some(label), Some(_)) => Labelled::Fixed(label),
            (None, _) => Labelled::Free {
                typed: fault.map_or(String::new(), |(typed, _)| typed.to_owned()),
                error: fault.map(|(_, error)| error),
            },
        };
        self.shown(&ConnectView {
            brand: &self.look.brand,
            title: &asked.site.title,
            provider: &provider.title,
            action: &asked.address,
            again: offer.held.is_some(),
            wants: Want::all(
                &scopes,
                granted.unwrap_or_default(),
                &tools.iter().map(|tool| &**tool),
                provider,
            ),
            label,
            hint: &person.hint,
            hidden: vec![("form", token)],
        })
    }

    /// The tools of this license that call with such an account.
    fn tools_at(&self, asked: &Asked, person: &SignedIn) -> Vec<Arc<crate::catalog::CatalogTool>> {
        let visible = self.parts.serving.load().catalog.visible(&person.license);
        let Some(visible) = visible else {
            return Vec::new();
        };
        let tools = visible.tools().iter();
        tools
            .filter(|tool| tool.bound.site.name == asked.link.upstream)
            .map(Arc::clone)
            .collect()
    }

    /// First what all tools of the license need, so that a person is asked once; later what was
    /// granted, and what the tool needs that led here. Never more than the operator's ceiling.
    async fn offer(&self, asked: &Asked, person: &SignedIn) -> Result<Offer, PageRefusal> {
        let license = person.license.id;
        let accounts = self.parts.connections.accounts(license).await;
        let mut accounts = accounts.map_err(|error| PageRefusal::Consent(error.into()))?;
        accounts.retain(|info| info.upstream == asked.link.upstream);
        let taken = accounts.iter().map(|info| info.label.clone()).collect();
        let label = asked.label();
        let held = accounts
            .into_iter()
            .find(|info| Some(&info.label) == label.as_ref());
        let most = &asked.site.account.most;
        let mut scopes: BTreeSet<ScopeName> = asked.link.scopes.iter().cloned().collect();
        if let Some(held) = &held {
            let kept = held.scopes.iter().filter(|scope| most.contains(scope));
            scopes.extend(kept.cloned());
        }
        if held.is_none() || scopes.is_empty() {
            let tools = self.tools_at(asked, person);
            let needed = tools.iter().flat_map(|tool| tool.bound.scopes.iter());
            scopes.extend(needed.cloned());
        }
        Ok(Offer {
            held,
            taken,
            scopes: scopes.into_iter().collect(),
        })
    }

    async fn decided_on(
        &self,
        head: &Parts,
        form: &Form,
        asked: &Asked,
    ) -> Result<Answer, PageRefusal> {
        let now = self.parts.clock.now();
        let person = self.signed_in(head).await?.ok_or(PageRefusal::Stale)?;
        let browser = person.login.text.as_str();
        let token = form.get("form");
        if person.license.id != asked.link.license {
            let is_ours = self
                .seals
                .is_ours(token, browser, other(&asked.address), now);
            return match form.get("step") {
                Some("other") if is_ours => Ok(self.signed_out(asked)),
                _ => Ok(self.of_other(asked, &person)),
            };
        }
        let offer = self.offer(asked, &person).await?;
        let about = asked.about(&offer.scopes);
        if !self.seals.is_ours(token, browser, agreed(&about), now) {
            return Err(PageRefusal::Stale);
        }
        match form.get("step") {
            Some("other") => Ok(self.signed_out(asked)),
            Some("cancel") => Ok(self.sent_to("/account")),
            Some("connect") => {
                let typed = form.get("label").unwrap_or_default();
                let label = match (asked.label(), typed.parse::<Label>()) {
                    (None, Ok(label)) if offer.taken.contains(&label) => {
                        let fault = Some((typed, LABEL_TAKEN));
                        return Ok(self.offered(asked, &person, fault).await);
                    }
                    (Some(label), _) | (None, Ok(label)) => label,
                    (None, Err(_)) => {
                        let fault = Some((typed, LABEL_RULE));
                        return Ok(self.offered(asked, &person, fault).await);
                    }
                };
                let wish = Wish {
                    upstream: asked.link.upstream.clone(),
                    label,
                    scopes: offer.scopes,
                };
                let connections = &self.parts.connections;
                let sent = connections.begin(person.license.id, &wish, browser).await;
                let address = sent.map_err(refused)?;
                Ok(self.sent_to(address.as_str()))
            }
            _ => Err(PageRefusal::Malformed),
        }
    }

    fn signed_out(&self, asked: &Asked) -> Answer {
        self.sent_to(&asked.address).setting(self.seals.forget())
    }
}

const fn other(address: &str) -> Purpose<'_> {
    Purpose {
        form: "connect-other",
        about: address,
    }
}

const fn agreed(about: &str) -> Purpose<'_> {
    Purpose {
        form: "connect",
        about,
    }
}

/// Notes it for the operator; the person reads what is of use to them.
pub(super) fn refused(error: crate::connect::ConsentError) -> PageRefusal {
    tracing::info!(%error, "connection.refused");
    PageRefusal::Consent(error)
}
