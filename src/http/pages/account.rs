//! `/account`: what is connected with a license, how much of the plan is used, and the way out.

mod accounts;

use http::request::Parts;

use super::{
    PageRefusal, Pages, SignedIn,
    answer::Answer,
    seal::Purpose,
    sign_in::Target,
    view::{self, AccountView, Connection, DAYS, Usage, When},
};
use crate::{
    clock::Day,
    grant::SessionKind,
    ids::SessionId,
    oauth::Form,
    quota::Meter,
    store::{SessionFilter, SessionOrder, SessionRecord, Stamp},
};

/// Most connections that are listed.
const MOST: u32 = 200;
const PURPOSE: Purpose<'static> = Purpose {
    form: "account",
    about: "",
};

fn target() -> Target<'static> {
    Target {
        action: "/account".to_owned(),
        address: "/account".to_owned(),
        purpose: Purpose {
            form: "account-sign-in",
            about: "",
        },
        hidden: Vec::new(),
        who: None,
        upstream: None,
    }
}

impl Pages {
    /// The page.
    pub(super) async fn account(&self, head: &Parts) -> Answer {
        match self.signed_in(head).await {
            Ok(Some(person)) => match self.overview(head, &person).await {
                Ok(answer) => answer,
                Err(refusal) => self.refused_with(&refusal, Some(target().again())),
            },
            Ok(None) => self.sign_in_page(head, &target(), None),
            Err(refusal) => self.refused_with(&refusal, Some(target().again())),
        }
    }

    /// Its forms.
    pub(super) async fn account_form(&self, head: &Parts, form: &Form) -> Answer {
        if form.is_twice(&[
            "step",
            "form",
            "license_key",
            "session",
            "upstream",
            "label",
        ]) {
            return self.refused(&PageRefusal::Malformed);
        }
        if form.get("step") == Some("sign-in") {
            return self.sign_in(head, form, &target()).await;
        }
        let person = match self.signed_in(head).await {
            Ok(person) => person,
            Err(refusal) => return self.refused_with(&refusal, Some(target().again())),
        };
        let now = self.parts.clock.now();
        let person = person.filter(|person| {
            let browser = &person.login.text;
            self.seals.is_ours(form.get("form"), browser, PURPOSE, now)
        });
        match (form.get("step"), person) {
            (Some("sign-out"), Some(_)) => self.sent_to("/account").setting(self.seals.forget()),
            (Some("disconnect"), Some(person)) => {
                match self.disconnect(&person, form.get("session")).await {
                    Ok(()) => self.sent_to("/account?disconnected"),
                    Err(refusal) => self.refused_with(&refusal, Some(target().again())),
                }
            }
            (Some(step @ ("connect" | "end")), Some(person)) => {
                match self.account_changed(&person, step, form).await {
                    Ok(answer) => answer,
                    Err(refusal) => self.refused_with(&refusal, Some(target().again())),
                }
            }
            _ => self.refused_with(&PageRefusal::Stale, Some(target().again())),
        }
    }

    /// Ends a session of the person's own license; whatever else was named is left alone, and the
    /// answer does not tell the two apart.
    async fn disconnect(&self, person: &SignedIn, named: Option<&str>) -> Result<(), PageRefusal> {
        let parts = &self.parts;
        let id: SessionId = named
            .and_then(|text| text.parse().ok())
            .ok_or(PageRefusal::Malformed)?;
        let own = parts.store.session(id).await?;
        if own.is_some_and(|session| session.license == person.license.id) {
            let stamp = Stamp::new("account", &*parts.clock, &*parts.entropy);
            parts.store.end_session(id, "account", &stamp).await?;
            // This process hears at once, the others within their period.
            parts.watcher.look().await;
        }
        Ok(())
    }

    async fn overview(&self, head: &Parts, person: &SignedIn) -> Result<Answer, PageRefusal> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let filter = SessionFilter {
            license: Some(person.license.id),
            live_at: Some(now),
            kind: Some(SessionKind::Grant),
            order: SessionOrder::Newest,
            limit: Some(MOST),
            ..SessionFilter::default()
        };
        let sessions = store.sessions(&filter).await?;
        let connected = store.live_grants(person.license.id, now).await?;
        // Scripts may have thousands, which would hide the apps; they end by themselves.
        let scripts = store.live_exchanges(person.license.id, now).await?;
        let config = self.parts.config.load();
        let plan = config.plans.get(&person.license.plan);
        let allowance = config.allowance_of(&person.license);
        let usage = match allowance.per_day {
            Some(limit) => {
                let today = now.day();
                let first = Day::from_number(today.number() - (DAYS - 1));
                let mut days = store.usage(person.license.id, first, today).await?;
                // The store counts what is in reserve here; nobody has used it yet.
                let in_reserve =
                    |meter: Meter, window| self.parts.ledger.held(person.license.id, meter, window);
                let reserve = in_reserve(Meter::CallsDay, today.into());
                for usage in days.iter_mut().filter(|usage| usage.day == today) {
                    usage.used = usage.used.saturating_sub(reserve);
                }
                Some(Usage::of(&days, today, limit.get()))
            }
            None => None,
        };
        let notice = match head.uri.query() {
            Some("disconnected") => Some("Disconnected. The app can no longer call."),
            Some("ended") => Some("Disconnected. No tool uses that account any more."),
            _ => None,
        };
        Ok(self.shown(&AccountView {
            brand: &self.look.brand,
            hint: &person.hint,
            plan: person.license.plan.as_str(),
            notice,
            accounts: self.accounts_of(person).await?,
            connections: sessions.iter().map(connection).collect(),
            connected: view::grouped(connected),
            scripts: match scripts {
                0 => None,
                1 => Some("1 script token".to_owned()),
                many => Some(format!("{} script tokens", view::grouped(many))),
            },
            most: plan
                .and_then(|plan| plan.sessions)
                .map(std::num::NonZeroU32::get),
            per_minute: allowance.per_minute.map(std::num::NonZeroU32::get),
            usage,
            token: self.seals.token(&person.login.text, PURPOSE, now),
        }))
    }
}

fn connection(session: &SessionRecord) -> Connection {
    Connection {
        id: session.id.to_string(),
        name: view::claimed(&session.client_name, &session.client),
        kind: view::kind(&session.client),
        since: When::of(session.created),
        seen: session.seen.map(When::of),
        calls: view::grouped(session.calls),
    }
}
