//! The field for the license key: the same on the way to consent and to the account.

use http::request::Parts;

use super::{
    PageRefusal, Pages,
    answer::Answer,
    seal::{Login, Purpose, Seals},
    view::{Hidden, SignInView, Who},
};
use crate::{
    crypto::LicenseKey,
    http::client_address::{Peer, bucket, client_address},
    limit::{Claim, LimitError},
    oauth::Form,
    quota::{Exhausted, Rate, Tier},
    secret::SecretString,
};

/// Where somebody goes after signing in.
pub(super) struct Target<'a> {
    /// The page.
    pub(super) action: String,
    /// The page's address with what it needs to know.
    pub(super) address: String,
    /// What the form is for, and the form's other fields.
    pub(super) purpose: Purpose<'a>,
    pub(super) hidden: Hidden,
    /// Who asks.
    pub(super) who: Option<Who>,
    /// What an account is to be connected for.
    pub(super) upstream: Option<String>,
}

/// Refused keys of one address in a minute and in an hour.
const BY_ADDRESS: [(u32, u64); 2] = [(10, 60), (100, 3_600)];

impl Pages {
    /// The page, with what went wrong before.
    pub(super) fn sign_in_page(
        &self,
        head: &Parts,
        target: &Target<'_>,
        fault: Option<(PageRefusal, String)>,
    ) -> Answer {
        let known = self.seals.read_visit(&head.headers).map(str::to_owned);
        let visit = known
            .clone()
            .unwrap_or_else(|| Seals::visit(&*self.parts.entropy));
        let now = self.parts.clock.now();
        let mut hidden = target.hidden.clone();
        hidden.push(("form", self.seals.token(&visit, target.purpose, now)));
        let (refusal, error) = fault.unzip();
        let page = self.shown(&SignInView {
            brand: &self.look.brand,
            action: &target.action,
            who: target.who.clone(),
            upstream: target.upstream.clone(),
            error,
            hidden,
        });
        let page = match known {
            Some(_) => page,
            None => page.setting(self.seals.begin(&visit)),
        };
        match refusal {
            Some(refusal) => page.refusing(&refusal),
            None => page,
        }
    }

    /// The form of that page.
    pub(super) async fn sign_in(&self, head: &Parts, form: &Form, target: &Target<'_>) -> Answer {
        if !self.is_visitors(head, form, target.purpose) {
            return self.refused_with(&PageRefusal::Stale, Some(target.again()));
        }
        let which = self.counted(head, target);
        let login = match self.tries.take(which) {
            Ok(()) => self.check_key(head, form.get("license_key")).await,
            Err(wait) => Err(PageRefusal::TooManyTries(seconds(wait))),
        };
        let login = match login {
            Ok(login) => Ok(login),
            Err(refusal) => Err(self.failed(head, refusal).await),
        };
        match login {
            Ok(login) => {
                self.tries.forget(which);
                let cookie = self.seals.remember(&login);
                self.sent_to(&target.address).setting(cookie)
            }
            Err(refusal @ PageRefusal::Edge(_)) => {
                self.refused_with(&refusal, Some(target.again()))
            }
            Err(refusal) => {
                let wait = self.tries.wait(which);
                let text = wording(&refusal, seconds(wait));
                self.sign_in_page(head, target, Some((refusal, text)))
            }
        }
    }

    /// Is it a form that this browser got before it signed in?
    pub(super) fn is_visitors(&self, head: &Parts, form: &Form, purpose: Purpose<'_>) -> bool {
        let now = self.parts.clock.now();
        let visit = self.seals.read_visit(&head.headers);
        visit.is_some_and(|visit| self.seals.is_ours(form.get("form"), visit, purpose, now))
    }

    fn address(&self, head: &Parts) -> Option<[u8; 16]> {
        let Peer(peer) = *head.extensions.get::<Peer>()?;
        Some(bucket(client_address(peer, &head.headers, &self.trusted)))
    }

    /// One request to sign in is one, from wherever it is tried, and one link; the account's page is
    /// one for each address.
    fn counted(&self, head: &Parts, target: &Target<'_>) -> [u8; 16] {
        if target.who.is_some() || target.upstream.is_some() {
            return self.seals.counted("request", target.address.as_bytes());
        }
        let address = self.address(head).unwrap_or_default();
        self.seals.counted("account", &address)
    }

    /// Counts a key that was refused. A whole office may come from one address, so those who have a
    /// good key are never counted and never kept waiting by others.
    async fn failed(&self, head: &Parts, refusal: PageRefusal) -> PageRefusal {
        if !matches!(
            refusal,
            PageRefusal::KeyIncomplete | PageRefusal::KeyRefused
        ) {
            return refusal;
        }
        let Some(address) = self.address(head) else {
            return refusal;
        };
        let key = self.seals.counted("address", &address);
        for (count, per) in BY_ADDRESS {
            let rate = Rate {
                count: std::num::NonZeroU32::new(count).unwrap_or(std::num::NonZeroU32::MIN),
                per: std::time::Duration::from_secs(per),
            };
            let claim = Claim::one(Tier::Address, rate, key);
            let taken = self.parts.limiter.take(claim).decided().await;
            if let Err(LimitError::Exhausted(exhausted)) = taken {
                return PageRefusal::TooManyTries(exhausted.retry_after_seconds());
            }
        }
        refusal
    }

    /// One answer for every key that is whole and lets nobody in.
    async fn check_key(&self, head: &Parts, typed: Option<&str>) -> Result<Login, PageRefusal> {
        // What is copied from a mail or a table brings spaces and line ends with it.
        let typed: String = typed.unwrap_or_default().split_whitespace().collect();
        let typed = SecretString::new(typed);
        let key = LicenseKey::parse(typed.expose()).ok_or(PageRefusal::KeyIncomplete)?;
        let (digest, now) = (self.parts.pepper.digest(&key), self.parts.clock.now());
        let license = self.parts.store.license_by_digest(&digest, now).await?;
        let license = license.filter(|license| license.is_usable(now));
        let license = license.ok_or(PageRefusal::KeyRefused)?;
        self.note(head, &license);
        let span = (now, now.plus(self.settings.browser));
        Ok(self.seals.login(license.id, &digest, span))
    }
}

/// Whole seconds, rounded up.
fn seconds(wait: std::time::Duration) -> u64 {
    if wait.is_zero() {
        return 0;
    }
    Exhausted {
        tier: Tier::Address,
        retry_after: wait,
    }
    .retry_after_seconds()
}

fn wording(refusal: &PageRefusal, wait: u64) -> String {
    let until = |seconds: u64| match seconds {
        1 => "1 second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    };
    if let PageRefusal::TooManyTries(seconds) = refusal {
        return format!("Too many tries. Wait {}, then try again.", until(*seconds));
    }
    let what = if *refusal == PageRefusal::KeyIncomplete {
        "That is not a complete license key. It begins with wgl_ and has 53 characters: copy it \
         whole."
    } else {
        "This license key is not accepted. Check that it is the right one, or ask whoever gave it \
         to you."
    };
    if wait == 0 {
        what.to_owned()
    } else {
        format!("{what} You can try again in {}.", until(wait))
    }
}
