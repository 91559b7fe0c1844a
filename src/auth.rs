//! Who is calling: the one place where a [`Principal`] is made.
//!
//! A credential that was looked up is remembered for a moment, as long as the gateway hears from
//! its store; a change of any license makes it forget at once. Fails closed: no store, no answer.

pub mod activity;
mod issued;
pub mod issuers;
pub mod principal;
pub mod remember;
mod session;
pub mod tie;
pub mod watch;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub use self::{
    activity::{Activity, Used},
    issuers::Issuers,
    principal::{Principal, SessionKey},
    tie::Circumstances,
    watch::{Change, Watcher},
};
use self::{
    principal::Proof,
    remember::{Lookup, Remembered},
};
use crate::{
    clock::SharedClock,
    crypto::{AccessToken, LicenseKey, LogKey, Pepper, TokenDigest},
    ids::LogRef,
    license::License,
    store::{Looks, Store, StoreError},
    telemetry::metrics::Metrics,
};

/// Why nobody was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Malformed, unknown, revoked, suspended or expired: one answer for all of them.
    #[error("credential refused")]
    Refused,
    /// Nothing that anybody could have guessed: an access token's form, which is unknown or over,
    /// or a token that an identity provider did sign, and that is over. Its client renews it.
    #[error("token is over")]
    Over,
    /// A good token that lacks a scope the configuration asks of its issuer.
    #[error("token lacks a scope")]
    InsufficientScope,
    /// The store or an identity provider does not answer, and what is remembered is too old to be
    /// trusted.
    #[error("credential store unavailable")]
    Unavailable,
}

/// What an authenticator is made of.
pub struct AuthParts {
    /// Where licenses are.
    pub store: Store,
    /// Digests license keys.
    pub pepper: Pepper,
    /// Makes references for the log.
    pub log_key: LogKey,
    /// Ages what is remembered; judges expiry.
    pub clock: SharedClock,
    /// Counts look-ups.
    pub metrics: Arc<Metrics>,
    /// The connector's exact address: tokens for another are refused (RFC 8707).
    pub resource: String,
    /// Are license keys bearer tokens?
    pub license_keys: LicenseKeys,
    /// Whose tokens are accepted besides.
    pub issuers: Issuers,
}

/// Are license keys accepted as bearer tokens?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LicenseKeys {
    /// They are.
    Accepted,
    /// They are only good for getting a token.
    Refused,
}

/// Recognises callers.
pub struct Authenticator {
    parts: AuthParts,
    remembered: Remembered,
    /// Look-ups of license keys that are under way, each since everything was last forgotten.
    looks: Looks<(TokenDigest, u64), Result<Option<Principal>, AuthError>>,
    /// When the store last told its epoch, in milliseconds of the monotonic clock.
    heard: AtomicI64,
    activity: Activity,
}

impl Authenticator {
    /// Remembers nothing yet and has not heard from the store.
    pub fn new(parts: AuthParts) -> Self {
        Self {
            parts,
            remembered: Remembered::new(),
            looks: Looks::default(),
            heard: AtomicI64::new(i64::MIN),
            activity: Activity::default(),
        }
    }

    /// The caller who presented this text as an access token, as a license key, or as a token of an
    /// identity provider.
    pub async fn authenticate(
        &self,
        presented: &str,
        circumstances: &Circumstances<'_>,
    ) -> Result<Principal, AuthError> {
        if AccessToken::is_well_formed(presented) {
            let digest = self.parts.pepper.digest_text(presented);
            let known = self.by_token(&digest, circumstances).await;
            known.map_err(|error| {
                if error == AuthError::Refused {
                    AuthError::Over
                } else {
                    error
                }
            })
        } else if self.parts.license_keys == LicenseKeys::Accepted
            && LicenseKey::is_well_formed(presented)
        {
            let digest = self.parts.pepper.digest_text(presented);
            self.by_key(&digest).await
        } else if self.parts.issuers.may_know(presented) {
            self.by_issuer(presented).await
        } else {
            Err(AuthError::Refused)
        }
    }

    /// The same caller as the store knows it now; refused when it may no longer call. The token that
    /// began a stream may have been rotated away since: its session and license decide.
    pub async fn recheck(&self, principal: &Principal) -> Result<Principal, AuthError> {
        match principal.proof() {
            Proof::Key(digest) => self.by_key(digest).await,
            Proof::Session(standing) => self.by_session(standing).await,
            Proof::Issued(issued) => self.by_issued(issued).await,
            Proof::None => Ok(principal.clone()),
        }
    }

    /// Notes what a caller did, for the list of sessions. In memory.
    pub fn used(&self, principal: &Principal, used: Used) {
        if let Some(session) = principal.session_id() {
            self.activity.note(session, used, self.parts.clock.now());
        }
    }

    /// Writes what callers did.
    pub async fn write_activity(&self) {
        self.activity.write(&self.parts.store).await;
    }

    async fn by_key(&self, digest: &TokenDigest) -> Result<Principal, AuthError> {
        match self.recall(digest) {
            Lookup::Known(Some(principal)) => self.usable(principal),
            Lookup::Known(None) => Err(AuthError::Refused),
            Lookup::Ask => self.ask(digest).await,
        }
    }

    fn recall(&self, digest: &TokenDigest) -> Lookup {
        let trust = self.store_is_heard();
        self.remembered
            .get(digest, self.parts.clock.monotonic(), trust)
    }

    /// Is what is remembered still worth something?
    fn store_is_heard(&self) -> remember::Trust {
        let heard = self.heard.load(Ordering::Acquire);
        if self.monotonic_millis().saturating_sub(heard) <= remember::SILENCE_MS {
            remember::Trust::Fresh
        } else {
            remember::Trust::None
        }
    }

    fn monotonic_millis(&self) -> i64 {
        i64::try_from(self.parts.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
    }

    async fn ask(&self, digest: &TokenDigest) -> Result<Principal, AuthError> {
        let generation = self.remembered.generation();
        let look = || Box::pin(self.look(digest, generation));
        let found = self.looks.share((*digest, generation), look).await?;
        found
            .ok_or(AuthError::Refused)
            .and_then(|principal| self.usable(principal))
    }

    async fn look(
        &self,
        digest: &TokenDigest,
        generation: u64,
    ) -> Result<Option<Principal>, AuthError> {
        self.parts.metrics.authentication_lookups.inc();
        let now = self.parts.clock.now();
        let found = self.parts.store.license_by_digest(digest, now).await;
        let license = found.map_err(|error| unavailable(&error))?;
        let principal = license.map(|license| self.principal(license, digest));
        let at = self.parts.clock.monotonic();
        self.remembered
            .put(digest, principal.clone(), at, generation);
        Ok(principal)
    }

    fn usable(&self, principal: Principal) -> Result<Principal, AuthError> {
        let now = self.parts.clock.now();
        let in_time = match principal.proof() {
            Proof::Session(standing) => now < standing.expires,
            Proof::Issued(issued) => now < issued.ends,
            Proof::Key(_) | Proof::None => true,
        };
        if !in_time {
            Err(AuthError::Over)
        } else if principal.license().is_usable(now) {
            Ok(principal)
        } else {
            Err(AuthError::Refused)
        }
    }

    fn principal(&self, license: License, digest: &TokenDigest) -> Principal {
        let mut session = [0; 16];
        session.copy_from_slice(&digest.as_bytes()[..16]);
        let license_ref = self.reference(license.id.as_bytes());
        let session_ref = self.reference(&session);
        let session = SessionKey::from_bytes(session);
        Principal::new(
            Arc::new(license),
            Proof::Key(*digest),
            session,
            license_ref,
            session_ref,
        )
    }

    /// The caller without a key, where the configuration opens the gateway on loopback.
    pub fn anyone(&self, license: License) -> Principal {
        let session = *license.id.as_bytes();
        let license_ref = self.reference(license.id.as_bytes());
        let session_ref = self.reference(&session);
        let session = SessionKey::from_bytes(session);
        Principal::new(
            Arc::new(license),
            Proof::None,
            session,
            license_ref,
            session_ref,
        )
    }

    /// How a license or session is named in logs.
    pub fn reference(&self, bytes: &[u8]) -> LogRef {
        LogRef::from_digest(&self.parts.log_key.digest(bytes))
    }

    /// The store was heard from: its epoch is known as it was at `asked`, in milliseconds of the
    /// monotonic clock.
    fn hear(&self, asked: i64) {
        self.heard.fetch_max(asked, Ordering::AcqRel);
    }

    /// Something changed: ask the store again.
    pub fn forget(&self) {
        self.remembered.clear();
    }
}

fn unavailable(error: &StoreError) -> AuthError {
    tracing::warn!(%error, "authentication.store_unavailable");
    AuthError::Unavailable
}
