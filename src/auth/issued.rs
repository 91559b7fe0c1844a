//! Callers who present a token of an identity provider: the token is verified once, the license it
//! stands for is asked for as often as that of a license key.

use std::sync::Arc;

use super::{
    AuthError, Authenticator, Principal, SessionKey, issuers::Issued, principal::Proof,
    remember::Lookup, unavailable,
};
use crate::license::License;

impl Authenticator {
    /// The caller who presented this JWT.
    pub(super) async fn by_issuer(&self, presented: &str) -> Result<Principal, AuthError> {
        let digest = self.parts.pepper.digest_text(presented);
        match self.recall(&digest) {
            Lookup::Known(Some(principal)) => self.usable(principal),
            Lookup::Known(None) => Err(AuthError::Refused),
            Lookup::Ask => {
                let issued = self.parts.issuers.verify(presented, &digest).await?;
                self.ask_for_issued(&issued).await
            }
        }
    }

    /// The same caller as the store knows it now, without the token's text. What a token began ends
    /// with it: whoever renewed it begins anew.
    pub(super) async fn by_issued(&self, issued: &Arc<Issued>) -> Result<Principal, AuthError> {
        match self.recall(&issued.digest) {
            Lookup::Known(Some(principal)) => self.usable(principal),
            Lookup::Known(None) => Err(AuthError::Refused),
            Lookup::Ask => self.ask_for_issued(issued).await,
        }
    }

    async fn ask_for_issued(&self, issued: &Arc<Issued>) -> Result<Principal, AuthError> {
        let generation = self.remembered.generation();
        self.parts.metrics.authentication_lookups.inc();
        let found = self.parts.store.license(issued.license).await;
        let license = found.map_err(|error| unavailable(&error))?;
        let principal = license.map(|license| self.of_issuer(license, issued));
        let at = self.parts.clock.monotonic();
        self.remembered
            .put(&issued.digest, principal.clone(), at, generation);
        principal
            .ok_or(AuthError::Refused)
            .and_then(|principal| self.usable(principal))
    }

    fn of_issuer(&self, license: License, issued: &Arc<Issued>) -> Principal {
        let license_ref = self.reference(license.id.as_bytes());
        let session_ref = self.reference(&issued.session);
        Principal::new(
            Arc::new(license),
            Proof::Issued(Arc::clone(issued)),
            SessionKey::from_bytes(issued.session),
            license_ref,
            session_ref,
        )
    }
}
