//! `/authorize`: a client's request, put before a person who holds a license key.

use http::request::Parts;
use url::form_urlencoded;

use super::{
    PageRefusal, Pages, SignedIn,
    answer::Answer,
    seal::Purpose,
    sign_in::Target,
    view::{self, ConsentView, Hidden, Link, Reach, Who},
};
use crate::{
    oauth::{
        Approval, Form, OAuthError, Room,
        authorize::{self, Asked, Declined, PARAMETERS},
        grants::NO_ROOM,
    },
    telemetry::record::Ending,
};

/// A request as its pages carry it from one to the next.
struct Carried {
    asked: Asked,
    pairs: Hidden,
    query: String,
}

impl Carried {
    fn address(&self) -> String {
        format!("/authorize?{}", self.query)
    }

    fn purpose(&self, form: &'static str) -> Purpose<'_> {
        Purpose {
            form,
            about: &self.query,
        }
    }

    fn target(&self) -> Target<'_> {
        Target {
            action: "/authorize".to_owned(),
            address: self.address(),
            purpose: self.purpose("sign-in"),
            hidden: self.pairs.clone(),
            who: Some(Who::of(&self.asked.client, &self.asked.place)),
            upstream: None,
        }
    }
}

impl Target<'_> {
    /// The way back to the beginning.
    pub(super) fn again(&self) -> Link {
        Link {
            address: self.address.clone(),
            label: "Start again",
        }
    }
}

impl Pages {
    /// The address that a client opens in a browser.
    pub(super) async fn authorize(&self, head: &Parts) -> Answer {
        let query = head.uri.query().unwrap_or_default();
        if query.contains("wgl_") {
            return self.refused(&PageRefusal::KeyInAddress);
        }
        let Ok(form) = Form::parse(query.as_bytes()) else {
            return self.refused(&PageRefusal::Authorization(authorize::Fault::Twice));
        };
        let carried = match self.carried(&form).await {
            Ok(carried) => carried,
            Err(answer) => return *answer,
        };
        match self.signed_in(head).await {
            Ok(Some(person)) => self.consent(&carried, &person).await,
            Ok(None) => self.sign_in_page(head, &carried.target(), None),
            Err(refusal) => self.refused_with(&refusal, Some(carried.target().again())),
        }
    }

    /// The forms of its pages.
    pub(super) async fn authorize_form(&self, head: &Parts, form: &Form) -> Answer {
        if form.is_twice(&["step", "form", "license_key"]) {
            return self.refused(&PageRefusal::Malformed);
        }
        let carried = match self.carried(form).await {
            Ok(carried) => carried,
            Err(answer) => return *answer,
        };
        match form.get("step") {
            Some("sign-in") => self.sign_in(head, form, &carried.target()).await,
            Some(step @ ("allow" | "cancel" | "other")) => {
                self.decided(head, form, &carried, step).await
            }
            _ => self.refused(&PageRefusal::Malformed),
        }
    }

    async fn carried(&self, form: &Form) -> Result<Carried, Box<Answer>> {
        match authorize::read(form, &self.parts.server.clients, &self.settings).await {
            Ok(asked) => {
                let given = PARAMETERS
                    .iter()
                    .filter_map(|name| Some((*name, form.get(name)?.to_owned())));
                let pairs: Hidden = given.collect();
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(&pairs);
                Ok(Carried {
                    asked,
                    query: query.finish(),
                    pairs,
                })
            }
            Err(declined) => Err(Box::new(match *declined {
                Declined::Here(fault) => self.refused(&PageRefusal::Authorization(fault)),
                Declined::Back(back, error) => {
                    let address = back.refused(&self.settings.issuer, error);
                    let mut answer = self.sent_to(&address);
                    answer.ending = Ending::Refused;
                    answer.word = Some(error.code());
                    answer
                }
            })),
        }
    }

    async fn consent(&self, carried: &Carried, person: &SignedIn) -> Answer {
        match self.parts.server.grants.may_connect(&person.license).await {
            Ok(Room::Free) => {}
            Ok(Room::Full { .. }) => return self.exhausted(),
            Err(_) => return self.unavailable(carried),
        }
        let purpose = carried.purpose("consent");
        let now = self.parts.clock.now();
        let mut hidden = carried.pairs.clone();
        hidden.push(("form", self.seals.token(&person.login.text, purpose, now)));
        let (serving, config) = (self.parts.serving.load(), self.parts.config.load());
        let scope = carried.asked.scope;
        let visible = serving.catalog.visible(&person.license);
        self.shown(&ConsentView {
            brand: &self.look.brand,
            who: Who::of(&carried.asked.client, &carried.asked.place),
            reach: visible.map_or(Vec::new(), |visible| Reach::of(&visible, scope, &config)),
            scope,
            idle: view::span(self.settings.idle),
            absolute: view::span(self.settings.absolute),
            hint: &person.hint,
            hidden,
        })
    }

    /// Allow, cancel, or another key.
    async fn decided(&self, head: &Parts, form: &Form, carried: &Carried, step: &str) -> Answer {
        let again = || Some(carried.target().again());
        let person = match self.signed_in(head).await {
            Ok(person) => person,
            Err(refusal) => return self.refused_with(&refusal, again()),
        };
        let now = self.parts.clock.now();
        let purpose = carried.purpose("consent");
        let person = person.filter(|person| {
            let browser = &person.login.text;
            self.seals.is_ours(form.get("form"), browser, purpose, now)
        });
        match (step, person) {
            ("cancel", None) if !self.is_visitors(head, form, carried.purpose("sign-in")) => {
                self.refused_with(&PageRefusal::Stale, again())
            }
            ("cancel", _) => {
                let error = OAuthError::AccessDenied("the person declined");
                self.sent_to(&carried.asked.back.refused(&self.settings.issuer, error))
            }
            ("other", Some(_)) => self
                .sent_to(&carried.address())
                .setting(self.seals.forget()),
            ("allow", Some(person)) => self.allowed(carried, &person).await,
            _ => self.refused_with(&PageRefusal::Stale, again()),
        }
    }

    async fn allowed(&self, carried: &Carried, person: &SignedIn) -> Answer {
        let asked = &carried.asked;
        let approval = Approval {
            license: &person.license,
            client: &asked.client,
            redirect_uri: asked.back.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            resource: self.settings.resource.clone(),
            scope: asked.scope,
        };
        match self.parts.server.grants.issue_code(approval).await {
            Ok(code) => self.sent_to(&asked.back.approved(&self.settings.issuer, &code)),
            Err(error) if error == NO_ROOM => self.exhausted(),
            Err(_) => self.unavailable(carried),
        }
    }

    fn unavailable(&self, carried: &Carried) -> Answer {
        let refusal = PageRefusal::Edge(super::EdgeRefusal::StoreUnavailable);
        self.refused_with(&refusal, Some(carried.target().again()))
    }

    fn exhausted(&self) -> Answer {
        let account = Link {
            address: "/account".to_owned(),
            label: "Open the account page",
        };
        self.refused_with(&PageRefusal::Exhausted, Some(account))
    }
}
