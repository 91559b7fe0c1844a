//! Access tokens, and the sessions they stand for.
//!
//! The first use of a token is one write, which also ties its session; all later ones are decided
//! from memory for as long as anything is remembered.

use std::sync::Arc;

use super::{
    AuthError, Authenticator, Circumstances, Principal, SessionKey,
    principal::{Proof, Standing},
    remember::Lookup,
    tie::Tie,
    unavailable,
};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    grant::{Binding, SessionKind},
    ids::SessionId,
    license::License,
    store::{FoundToken, SessionRecord, StoreError, TokenKind},
};

impl Authenticator {
    pub(super) async fn by_token(
        &self,
        digest: &TokenDigest,
        circumstances: &Circumstances<'_>,
    ) -> Result<Principal, AuthError> {
        match self.recall(digest) {
            Lookup::Known(Some(principal)) => self.fitting(principal, circumstances),
            Lookup::Known(None) => Err(AuthError::Refused),
            Lookup::Ask => {
                let generation = self.remembered.generation();
                let found = self.ask_for_token(digest, circumstances).await;
                let principal = found.map_err(|error| unavailable(&error))?;
                let at = self.parts.clock.monotonic();
                self.remembered
                    .put(digest, principal.clone(), at, generation);
                principal
                    .ok_or(AuthError::Refused)
                    .and_then(|principal| self.fitting(principal, circumstances))
            }
        }
    }

    /// The session of a principal as it is now. Many streams of one session ask once.
    pub(super) async fn by_session(&self, standing: &Standing) -> Result<Principal, AuthError> {
        let name = self.parts.pepper.digest_text(&standing.session.to_string());
        match self.recall(&name) {
            Lookup::Known(Some(principal)) => self.usable(principal),
            Lookup::Known(None) => Err(AuthError::Refused),
            Lookup::Ask => {
                let generation = self.remembered.generation();
                let found = self.ask_for_session(standing.session).await;
                let principal = found.map_err(|error| unavailable(&error))?;
                let at = self.parts.clock.monotonic();
                self.remembered
                    .put(&name, principal.clone(), at, generation);
                principal
                    .ok_or(AuthError::Refused)
                    .and_then(|principal| self.usable(principal))
            }
        }
    }

    /// None for what no circumstances can make good.
    async fn ask_for_token(
        &self,
        digest: &TokenDigest,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Principal>, StoreError> {
        self.parts.metrics.authentication_lookups.inc();
        let now = self.parts.clock.now();
        let found = self.parts.store.token(TokenKind::Access, digest).await?;
        let Some(found) = found.filter(|it| self.is_good(&it.session, it.expires, now)) else {
            return Ok(None);
        };
        let tie = if found.license.is_usable(now) {
            self.tie(&found, digest, circumstances, now).await?
        } else {
            Tie::of(found.session.binding, found.session.bound_to)
        };
        let standing = Standing {
            session: found.session.id,
            scope: found.session.scope,
            expires: found.expires.min(found.session.expires),
            tie,
        };
        Ok(Some(self.of_session(
            standing,
            found.session.kind,
            found.license,
        )))
    }

    /// What the session is tied to. The first use is noted, unless a tie forbids it: a rotation asks
    /// whether its token was used, and a thief's attempt is no use.
    async fn tie(
        &self,
        found: &FoundToken,
        digest: &TokenDigest,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Tie, StoreError> {
        let session = &found.session;
        let tie = Tie::of(session.binding, session.bound_to);
        let first = found.used.is_none() || matches!(tie, Tie::Open(_));
        let forbidden = matches!(tie, Tie::To(..)) && !tie.fits(&self.parts.pepper, circumstances);
        if !first || forbidden {
            return Ok(tie);
        }
        let own = circumstances.digest(session.binding, &self.parts.pepper);
        let store = &self.parts.store;
        let bound = store
            .token_used(digest, session.id, own.as_ref(), now)
            .await?;
        Ok(Tie::of(session.binding, bound))
    }

    async fn ask_for_session(&self, id: SessionId) -> Result<Option<Principal>, StoreError> {
        self.parts.metrics.authentication_lookups.inc();
        let now = self.parts.clock.now();
        let session = self.parts.store.session(id).await?;
        let Some(session) = session.filter(|it| self.is_good(it, it.expires, now)) else {
            return Ok(None);
        };
        let Some(license) = self.parts.store.license(session.license).await? else {
            return Ok(None);
        };
        let standing = Standing {
            session: id,
            scope: session.scope,
            expires: session.expires,
            tie: Tie::of(Binding::None, None),
        };
        Ok(Some(self.of_session(standing, session.kind, license)))
    }

    fn is_good(&self, session: &SessionRecord, expires: Timestamp, now: Timestamp) -> bool {
        session.is_live(now) && now < expires && session.resource == self.parts.resource
    }

    fn fitting(
        &self,
        principal: Principal,
        circumstances: &Circumstances<'_>,
    ) -> Result<Principal, AuthError> {
        match principal.proof() {
            Proof::Session(standing) if !standing.tie.fits(&self.parts.pepper, circumstances) => {
                Err(AuthError::Refused)
            }
            Proof::Session(_) | Proof::Key(_) | Proof::Issued(_) | Proof::None => {
                self.usable(principal)
            }
        }
    }

    fn of_session(&self, standing: Standing, kind: SessionKind, license: License) -> Principal {
        let bytes = *standing.session.as_bytes();
        let key = match kind {
            SessionKind::Grant => bytes,
            // Whoever has the key makes as many as they like: all of a license's count as one.
            SessionKind::Exchange => {
                let name = format!("exchanged {}", license.id);
                let digest = self.parts.pepper.digest_text(&name);
                digest.as_bytes().first_chunk().copied().unwrap_or(bytes)
            }
        };
        let license_ref = self.reference(license.id.as_bytes());
        Principal::new(
            Arc::new(license),
            Proof::Session(Arc::new(standing)),
            SessionKey::from_bytes(key),
            license_ref,
            self.reference(&bytes),
        )
    }
}
