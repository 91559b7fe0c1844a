//! The proven caller.

use std::sync::Arc;

use super::{issuers::Issued, tie::Tie};
use crate::{
    clock::Timestamp,
    crypto::TokenDigest,
    grant::Scope,
    ids::{LicenseId, LogRef, SessionId},
    license::License,
};

/// What a session is counted by: the session of a token, or else the credential presented,
/// digested. Never an address.
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

/// What the caller showed.
#[derive(Clone)]
pub(super) enum Proof {
    /// Nothing: the gateway is open.
    None,
    /// A license key, digested.
    Key(TokenDigest),
    /// An access token, or a stream that one began.
    Session(Arc<Standing>),
    /// A token of an identity provider.
    Issued(Arc<Issued>),
}

/// What is known of a session, for as long as it is remembered.
pub(super) struct Standing {
    pub(super) session: SessionId,
    pub(super) scope: Scope,
    /// When what was presented stops working, and with it this.
    pub(super) expires: Timestamp,
    /// Who may use it.
    pub(super) tie: Tie,
}

/// The proven caller. Only [`crate::auth`] makes one.
#[derive(Clone)]
pub struct Principal {
    license: Arc<License>,
    proof: Proof,
    key: SessionKey,
    license_ref: LogRef,
    session_ref: LogRef,
}

impl Principal {
    pub(super) const fn new(
        license: Arc<License>,
        proof: Proof,
        key: SessionKey,
        license_ref: LogRef,
        session_ref: LogRef,
    ) -> Self {
        Self {
            license,
            proof,
            key,
            license_ref,
            session_ref,
        }
    }

    pub(super) const fn proof(&self) -> &Proof {
        &self.proof
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
        self.key
    }

    /// The session of the token that was presented; none for a license key.
    pub fn session_id(&self) -> Option<SessionId> {
        match &self.proof {
            Proof::Session(standing) => Some(standing.session),
            Proof::Key(_) | Proof::Issued(_) | Proof::None => None,
        }
    }

    /// What the caller may do. A license key may do everything its license may.
    pub fn scope(&self) -> Scope {
        match &self.proof {
            Proof::Session(standing) => standing.scope,
            Proof::Issued(issued) => issued.scope,
            Proof::Key(_) | Proof::None => Scope::Tools,
        }
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
