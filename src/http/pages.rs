//! What a person sees: signing in with a license key, consent, the account. Plain HTML without any
//! script; never shows a key, and every form must come from this browser and this gateway.

mod account;
mod answer;
mod authorize;
mod came;
mod connect;
mod look;
mod refusal;
mod seal;
mod sign_in;
mod tries;
mod view;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderName, Method,
    header::{HOST, ORIGIN},
    request::Parts,
};
use ipnet::IpNet;

use self::{
    answer::Answer,
    look::Look,
    seal::{Cookies, Login, Seals},
    tries::Tries,
};
pub use self::{look::LogoFault, refusal::PageRefusal};
use super::{
    body::{self, Budget},
    media::{Media, media},
    observe::Edge,
    refusal::EdgeRefusal,
    reply,
};
use crate::{
    auth::{Authenticator, Watcher},
    clock::SharedClock,
    config::Config,
    connect::Connections,
    crypto::{FormKey, Pepper},
    entropy::SharedEntropy,
    ledger::Ledger,
    license::License,
    limit::Limiter,
    oauth::{AuthorizationServer, Form, Settings},
    quota::Tier,
    server::Serving,
    store::Store,
    telemetry::record::Ending,
};

/// Largest form.
const LARGEST_FORM: usize = 16 << 10;
/// Where links to connect an account lead.
const CONNECT: &str = "/connect/";
/// Where people read what became of it: `{upstream}/{label}`.
const DONE: &str = "/connect/done/";
/// Where providers send people back, each upstream's to its own place.
const CALLBACK: &str = "/connect/callback/";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the pages are made of.
pub struct PagesParts {
    /// Plans and titles, as they are served now.
    pub config: Arc<ArcSwap<Config>>,
    /// The tools, as they are served now.
    pub serving: Arc<ArcSwap<Serving>>,
    /// Licenses, codes, sessions.
    pub store: Store,
    /// The accounts that people connect.
    pub connections: Arc<Connections>,
    /// What licenses used today.
    pub ledger: Arc<Ledger>,
    /// Clients, and the codes they are given.
    pub server: Arc<AuthorizationServer>,
    /// Names licenses in the log.
    pub authenticator: Arc<Authenticator>,
    /// Hears at once of what is changed here.
    pub watcher: Arc<Watcher>,
    /// Digests keys and codes.
    pub pepper: Pepper,
    /// Authenticates cookies and forms.
    pub form_key: FormKey,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Counts tries by address.
    pub limiter: Arc<Limiter>,
    /// Bounds what all bodies hold.
    pub budget: Arc<Budget>,
}

/// The pages.
pub struct Pages {
    parts: PagesParts,
    settings: Settings,
    trusted: Vec<IpNet>,
    look: Look,
    seals: Seals,
    tries: Tries,
}

impl Pages {
    /// Reads the logo.
    pub fn new(parts: PagesParts, config: &Config) -> Result<Self, LogoFault> {
        let settings = Settings::of(config);
        let cookies = if settings.issuer.starts_with("https://") {
            Cookies::Secure
        } else {
            Cookies::Plain
        };
        Ok(Self {
            seals: Seals::new(parts.form_key.clone(), cookies),
            tries: Tries::new(Arc::clone(&parts.clock)),
            look: Look::of(config)?,
            trusted: config.listen.trusted_proxies.clone(),
            settings,
            parts,
        })
    }

    async fn answer(&self, head: &Parts, body: Body) -> Answer {
        match (head.uri.path(), head.method.clone()) {
            ("/style.css", Method::GET | Method::HEAD) => answer::asset(&self.look.style, head),
            ("/logo", Method::GET | Method::HEAD) => match &self.look.logo {
                Some(logo) => answer::asset(logo, head),
                None => self.refused(&PageRefusal::Edge(EdgeRefusal::NotFound)),
            },
            ("/authorize", Method::GET | Method::HEAD) => self.authorize(head).await,
            ("/account", Method::GET | Method::HEAD) => self.account(head).await,
            // Not HEAD: what comes back counts once.
            (path, Method::GET) if path.starts_with(CALLBACK) => {
                self.came_back(head, &path[CALLBACK.len()..]).await
            }
            (path, _) if path.starts_with(CALLBACK) => {
                self.refused(&PageRefusal::Edge(EdgeRefusal::MethodNotAllowed))
            }
            (path, Method::GET | Method::HEAD) if path.starts_with(DONE) => {
                self.done(head, &path[DONE.len()..]).await
            }
            (path, _) if path.starts_with(DONE) => {
                self.refused(&PageRefusal::Edge(EdgeRefusal::MethodNotAllowed))
            }
            (path, method) if path.starts_with(CONNECT) => {
                let handle = &path[CONNECT.len()..];
                match method {
                    Method::GET | Method::HEAD => self.connect(head, handle).await,
                    Method::POST => match self.form(head, body).await {
                        Ok(form) => self.connect_form(head, handle, &form).await,
                        Err(refusal) => self.refused(&refusal),
                    },
                    _ => self.refused(&PageRefusal::Edge(EdgeRefusal::MethodNotAllowed)),
                }
            }
            ("/authorize", Method::POST) => match self.form(head, body).await {
                Ok(form) => self.authorize_form(head, &form).await,
                Err(refusal) => self.refused(&refusal),
            },
            ("/account", Method::POST) => match self.form(head, body).await {
                Ok(form) => self.account_form(head, &form).await,
                Err(refusal) => self.refused(&refusal),
            },
            _ => self.refused(&PageRefusal::Edge(EdgeRefusal::MethodNotAllowed)),
        }
    }

    /// A form that a page of ours sent.
    async fn form(&self, head: &Parts, body: Body) -> Result<Form, PageRefusal> {
        if !self.is_ours(&head.headers) {
            return Err(PageRefusal::Foreign);
        }
        if media(&head.headers) != Some(Media::Form) {
            return Err(PageRefusal::Edge(EdgeRefusal::UnsupportedMediaType));
        }
        let waits = head.extensions.get::<body::Waits>().copied();
        let budget = &self.parts.budget;
        let (bytes, _held) = body::read(body, LARGEST_FORM, budget, waits.unwrap_or_default())
            .await
            .map_err(PageRefusal::Edge)?;
        if let Some(edge) = head.extensions.get::<Edge>() {
            edge.record.fields().request_bytes = bytes.len() as u64;
        }
        Form::parse(&bytes).map_err(|_| PageRefusal::Malformed)
    }

    /// Does no header speak of another site? Browsers say `null` for forms of pages that keep
    /// their address to themselves, as ours do; the form's own token tells those apart.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let site_is_ours = headers
            .get_all(FETCH_SITE)
            .iter()
            .all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        // The host was checked before: it is one of ours.
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let origin_is_ours = headers.get_all(ORIGIN).iter().all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            origin == "null"
                || origin == self.settings.issuer
                || (authority.is_some() && authority == host)
        });
        site_is_ours && origin_is_ours
    }

    /// Who signed in, as the store knows them now: the license may still call and the key is good.
    async fn signed_in(&self, head: &Parts) -> Result<Option<SignedIn>, PageRefusal> {
        let now = self.parts.clock.now();
        let Some(login) = self.seals.read_login(&head.headers, now) else {
            return Ok(None);
        };
        let license = self.parts.store.license(login.license).await?;
        let Some(license) = license.filter(|license| license.is_usable(now)) else {
            return Ok(None);
        };
        let keys = self.parts.store.license_keys(license.id).await?;
        let key = keys.into_iter().find(|key| {
            key.expires.is_none_or(|at| now < at) && self.seals.reference(&key.digest) == login.key
        });
        Ok(key.map(|key| {
            self.note(head, &license);
            SignedIn {
                login,
                license,
                hint: key.hint,
            }
        }))
    }

    fn note(&self, head: &Parts, license: &License) {
        if let Some(edge) = head.extensions.get::<Edge>() {
            let mut fields = edge.record.fields();
            fields.license = Some(self.parts.authenticator.reference(license.id.as_bytes()));
            fields.plan = Some(license.plan.clone());
        }
    }
}

/// A browser that signed in.
struct SignedIn {
    login: Login,
    license: License,
    /// What its owner recognises the key by.
    hint: String,
}

/// Every page, any method.
pub async fn page(State(pages): State<Arc<Pages>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Some(edge) = head.extensions.get::<Edge>() else {
        // No layer above let this through: fail closed.
        return reply::edge_response(&EdgeRefusal::Internal);
    };
    let answer = pages.answer(&head, body).await;
    edge.record.ended(answer.ending, answer.word);
    if answer.ending == Ending::Limited {
        edge.record.fields().tier = Some(Tier::Address.as_str());
    }
    answer.response
}
