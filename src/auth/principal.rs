//! The proven caller.

use std::sync::Arc;

use crate::{
    crypto::TokenDigest,
    ids::{LicenseId, LogRef},
    license::License,
};

/// What a session is counted by: the credential presented, digested. Never an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A made-up session.
    #[cfg(test)]
    pub const fn for_tests(number: u8) -> Self {
        Self([number; 16])
    }

    /// What a limiter counts by.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// The proven caller. Only [`crate::auth`] makes one.
#[derive(Clone)]
pub struct Principal {
    license: Arc<License>,
    /// What was presented; none for the open gateway.
    digest: Option<TokenDigest>,
    session: SessionKey,
    license_ref: LogRef,
    session_ref: LogRef,
}

impl Principal {
    pub(super) const fn new(
        license: Arc<License>,
        digest: Option<TokenDigest>,
        session: SessionKey,
        license_ref: LogRef,
        session_ref: LogRef,
    ) -> Self {
        Self {
            license,
            digest,
            session,
            license_ref,
            session_ref,
        }
    }

    pub(super) const fn digest(&self) -> Option<&TokenDigest> {
        self.digest.as_ref()
    }

    /// The license that calls.
    pub fn license(&self) -> &Arc<License> {
        &self.license
    }

    /// The license's id: the tenant of everything done for this caller.
    pub fn license_id(&self) -> LicenseId {
        self.license.id
    }

    /// What the session tier counts.
    pub const fn session(&self) -> SessionKey {
        self.session
    }

    /// The license in logs.
    pub const fn license_ref(&self) -> LogRef {
        self.license_ref
    }

    /// The session in logs.
    pub const fn session_ref(&self) -> LogRef {
        self.session_ref
    }
}
