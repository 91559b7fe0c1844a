//! What becomes of codes, tokens and sessions: from an approval to the end of what it began.
//!
//! Tokens leave here once and are kept as keyed digests only. A store that is away for a moment is
//! waited for: a client that is told anything but tokens may throw away what it holds.

mod redeem;
mod refresh;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

pub use self::{redeem::Redemption, refresh::Refreshal};
use super::{Client, OAuthError, PlanSessions, Settings, patience::Patience};
use crate::{
    clock::{SharedClock, Timestamp},
    crypto::{
        AccessToken, AuthorizationCode, LicenseKey, Pepper, RefreshToken, SuccessorKey, TokenDigest,
    },
    entropy::{Entropy, SharedEntropy},
    grant::{ClientAuth, ClientId, Scope, SessionKind},
    ids::SessionId,
    license::License,
    limit::{Claim, Limiter},
    names::PlanName,
    quota::Tier,
    store::{CodeRecord, SessionRecord, Stamp, Store, StoreError, TokenKind, TokenRecord},
};

/// How long a code is good for.
const CODE_LIFE: Duration = Duration::from_mins(1);
/// Who ends sessions from here, in the audit trail.
const ACTOR: &str = "oauth";
/// Whom sessions of `POST /session` belong to: an address that nobody can serve a document at
/// (RFC 2606 section 2).
const EXCHANGER: &str = "https://session.wicketgate.invalid/";
/// What such a session calls its client.
const EXCHANGER_NAME: &str = "POST /session";

/// The license holds as many connections as its plan allows. Told apart from other refusals by
/// comparing with it.
pub const NO_ROOM: OAuthError =
    OAuthError::AccessDenied("this license holds as many connections as it may");
const UNUSABLE: OAuthError = OAuthError::InvalidGrant("the license cannot be used");

/// What a [`Grants`] is made of.
pub struct GrantsParts {
    /// Where sessions are.
    pub store: Store,
    /// Digests tokens.
    pub pepper: Pepper,
    /// Derives the tokens that follow a refresh token.
    pub successor_key: SuccessorKey,
    /// Decides what has expired.
    pub clock: SharedClock,
    /// Makes codes and first tokens.
    pub entropy: SharedEntropy,
    /// Lifetimes and the resource.
    pub settings: Arc<Settings>,
    /// What each plan says; swapped at a reload.
    pub plans: Arc<ArcSwap<HashMap<PlanName, PlanSessions>>>,
    /// Counts exchanges by license.
    pub limiter: Arc<Limiter>,
}

/// Gives tokens out, renews them and ends them.
pub struct Grants {
    parts: GrantsParts,
    /// How many sessions it ended.
    ends: AtomicU64,
}

/// What a person approved.
pub struct Approval<'a> {
    /// Whose license.
    pub license: &'a License,
    /// For which client.
    pub client: &'a Client,
    /// Where the code is sent, the exact text.
    pub redirect_uri: String,
    /// The PKCE challenge, S256.
    pub challenge: String,
    /// The connector it is for.
    pub resource: String,
    /// What the client may do.
    pub scope: Scope,
}

/// What the token endpoint answers with.
#[derive(Debug)]
pub struct Tokens {
    /// Sent with every request.
    pub access: AccessToken,
    /// Gets the next pair; none for sessions of `POST /session`.
    pub refresh: Option<RefreshToken>,
    /// How much longer the access token is good for.
    pub expires_in: Duration,
    /// What it may do.
    pub scope: Scope,
    /// What it stands for.
    pub session: SessionId,
}

/// What a revocation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// This session has ended, by it or before.
    Session(SessionId),
    /// Nothing: an unknown token, or another client's.
    Nothing,
}

/// May a license connect one more client?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Free,
    /// It holds as many as its plan allows.
    Full {
        /// How many that is.
        most: u32,
    },
}

impl Grants {
    /// From its parts.
    pub const fn new(parts: GrantsParts) -> Self {
        Self {
            parts,
            ends: AtomicU64::new(0),
        }
    }

    /// How many sessions ended here so far: who sees it rise knows that what is remembered of some
    /// session does not count any more.
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::Acquire)
    }

    fn count_end(&self, ended: Option<SessionId>) {
        if ended.is_some() {
            self.ends.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// May this license connect one more client?
    pub async fn may_connect(&self, license: &License) -> Result<Room, OAuthError> {
        self.room(license, &Patience::new()).await
    }

    async fn room(&self, license: &License, patience: &Patience) -> Result<Room, OAuthError> {
        let Some(most) = self.plan(license).most else {
            return Ok(Room::Free);
        };
        let now = self.parts.clock.now();
        let count = || self.parts.store.live_grants(license.id, now);
        if patience.ask(count).await? < u64::from(most) {
            Ok(Room::Free)
        } else {
            Ok(Room::Full { most })
        }
    }

    fn plan(&self, license: &License) -> PlanSessions {
        let plans = self.parts.plans.load();
        plans.get(&license.plan).copied().unwrap_or_default()
    }

    /// A code for what a person approved, good for a minute and for one redemption.
    ///
    /// # Errors
    /// [`NO_ROOM`] when the plan's connections are used up.
    pub async fn issue_code(
        &self,
        approval: Approval<'_>,
    ) -> Result<AuthorizationCode, OAuthError> {
        let patience = Patience::new();
        let now = self.parts.clock.now();
        if !approval.license.is_usable(now) {
            return Err(OAuthError::AccessDenied("the license cannot be used"));
        }
        if self.room(approval.license, &patience).await? != Room::Free {
            return Err(NO_ROOM);
        }
        let code = AuthorizationCode::generate(&*self.parts.entropy);
        let record = CodeRecord {
            digest: self.parts.pepper.digest_text(code.expose()),
            license: approval.license.id,
            client: approval.client.id.clone(),
            client_name: approval.client.name.clone(),
            client_auth: approval.client.auth,
            redirect_uri: approval.redirect_uri,
            challenge: approval.challenge,
            resource: approval.resource,
            scope: approval.scope,
            created: now,
            expires: now.plus(CODE_LIFE),
        };
        let stored = patience.ask(|| self.parts.store.insert_code(&record)).await;
        done_or_stored_before(stored)?;
        Ok(code)
    }

    /// A license key for a short session without a refresh token: whoever has the key needs none.
    ///
    /// # Errors
    /// `invalid_grant` for every key that is malformed, unknown or of no use: one answer.
    /// `slow_down` when the license begins sessions faster than one of them may call.
    pub async fn exchange(&self, license_key: &str) -> Result<Tokens, OAuthError> {
        const REFUSED: OAuthError = OAuthError::InvalidGrant("the license key was not accepted");
        if !LicenseKey::is_well_formed(license_key) {
            return Err(REFUSED);
        }
        let (patience, now) = (Patience::new(), self.parts.clock.now());
        let digest = self.parts.pepper.digest_text(license_key);
        let find = || self.parts.store.license_by_digest(&digest, now);
        let license = patience.ask(find).await?.ok_or(REFUSED)?;
        if !license.is_usable(now) {
            return Err(REFUSED);
        }
        let name = format!("exchanges of {}", license.id);
        let bucket = self.parts.pepper.digest_text(&name);
        let bucket = bucket.as_bytes().first_chunk().copied().unwrap_or_default();
        self.parts
            .limiter
            .take(Claim::one(
                Tier::Exchange,
                self.plan(&license).exchanges,
                bucket,
            ))
            .decided()
            .await
            .map_err(|error| {
                OAuthError::of_limit(error, "too many sessions of this license at the moment")
            })?;
        let client: ClientId = EXCHANGER.parse().map_err(|_| OAuthError::Unavailable)?;
        let session = SessionRecord {
            kind: SessionKind::Exchange,
            client_name: EXCHANGER_NAME.to_owned(),
            resource: self.parts.settings.resource.clone(),
            expires: now.plus(self.parts.settings.exchange),
            ..self.session(&license, client, Scope::Tools, now)
        };
        let access = AccessToken::generate(&*self.parts.entropy);
        let token = self.access_record(&access, &session, session.expires, now);
        let (stamp, tokens) = (self.stamp(), [token]);
        let begin = || self.parts.store.begin_session(&session, &tokens, &stamp);
        done_or_stored_before(patience.ask(begin).await)?;
        Ok(Tokens {
            access,
            refresh: None,
            expires_in: session.expires.since(now),
            scope: session.scope,
            session: session.id,
        })
    }

    /// Ends the session of an access or refresh token (RFC 7009). An unknown token, or one of
    /// another client, is no error and ends nothing.
    pub async fn revoke(&self, client: &Client, token: &str) -> Result<Revoked, OAuthError> {
        let kind = if AccessToken::is_well_formed(token) {
            TokenKind::Access
        } else if RefreshToken::is_well_formed(token) {
            TokenKind::Refresh
        } else {
            return Ok(Revoked::Nothing);
        };
        let patience = Patience::new();
        let digest = self.parts.pepper.digest_text(token);
        let find = || self.parts.store.token(kind, &digest);
        match patience.ask(find).await? {
            Some(found) if found.session.client == client.id => {
                self.end(found.session.id, "client_revoked", &patience)
                    .await?;
                Ok(Revoked::Session(found.session.id))
            }
            Some(_) | None => Ok(Revoked::Nothing),
        }
    }

    async fn end(
        &self,
        session: SessionId,
        why: &'static str,
        patience: &Patience,
    ) -> Result<(), OAuthError> {
        let stamp = self.stamp();
        let end = || self.parts.store.end_session(session, why, &stamp);
        let ended = patience.ask(end).await?;
        self.count_end(ended.then_some(session));
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        Stamp::new(ACTOR, &*self.parts.clock, &*self.parts.entropy)
    }

    /// A session that begins now, of a grant unless changed.
    fn session(
        &self,
        license: &License,
        client: ClientId,
        scope: Scope,
        now: Timestamp,
    ) -> SessionRecord {
        SessionRecord {
            id: SessionId::generate(now, &*self.parts.entropy),
            license: license.id,
            kind: SessionKind::Grant,
            client,
            client_name: String::new(),
            client_auth: ClientAuth::None,
            resource: String::new(),
            scope,
            binding: self.plan(license).binding,
            bound_to: None,
            generation: 0,
            seed: self.seed(),
            calls: 0,
            created: now,
            seen: None,
            expires: now.plus(self.parts.settings.absolute),
            ended: None,
        }
    }

    fn seed(&self) -> [u8; 16] {
        let mut seed = [0; 16];
        self.parts.entropy.fill(&mut seed);
        seed
    }

    /// The next pair of a session, from this source, and what the store keeps of it.
    fn pair(&self, session: &SessionRecord, from: &dyn Entropy, now: Timestamp) -> Pair {
        let access = AccessToken::generate(from);
        let refresh = RefreshToken::generate(from);
        let settings = &self.parts.settings;
        let until = session.expires.min(now.plus(settings.access));
        // A session is idle from when its access token stopped working unused.
        let idle = session.expires.min(until.plus(settings.idle));
        let records = [
            self.access_record(&access, session, until, now),
            TokenRecord {
                digest: self.parts.pepper.digest_text(refresh.expose()),
                session: session.id,
                kind: TokenKind::Refresh,
                generation: session.generation,
                created: now,
                expires: idle,
            },
        ];
        Pair {
            access,
            refresh,
            records,
        }
    }

    fn access_record(
        &self,
        token: &AccessToken,
        session: &SessionRecord,
        expires: Timestamp,
        now: Timestamp,
    ) -> TokenRecord {
        TokenRecord {
            digest: self.parts.pepper.digest_text(token.expose()),
            session: session.id,
            kind: TokenKind::Access,
            generation: session.generation,
            created: now,
            expires,
        }
    }

    /// Is what a client names the one resource? One that names none means it.
    fn check_resource(&self, named: Option<&str>) -> Result<(), OAuthError> {
        match named {
            Some(named) if !self.parts.settings.is_resource(named) => Err(
                OAuthError::InvalidTarget("the resource is not this connector"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that the client got a token. Nothing hangs on it but when it is forgotten.
    async fn note_use(&self, client: &Client, now: Timestamp) {
        if let Err(error) = self.parts.store.client_used(&client.id, now).await {
            tracing::warn!(%error, "oauth.client_use_not_noted");
        }
    }
}

struct Pair {
    access: AccessToken,
    refresh: RefreshToken,
    records: [TokenRecord; 2],
}

impl Pair {
    fn access_digest(&self) -> &TokenDigest {
        &self.records[0].digest
    }

    fn given(self, session: &SessionRecord, expires: Timestamp, now: Timestamp) -> Tokens {
        Tokens {
            access: self.access,
            refresh: Some(self.refresh),
            expires_in: expires.since(now),
            scope: session.scope,
            session: session.id,
        }
    }
}

/// What was just made of 256 random bits is only there already if an attempt was stored whose
/// answer was lost.
fn done_or_stored_before(stored: Result<(), StoreError>) -> Result<(), StoreError> {
    match stored {
        Err(StoreError::Conflict) => Ok(()),
        other => other,
    }
}

/// A client that had to prove itself when the session began has to go on doing so. While a
/// document cannot be read its client is known by nothing but its id, which proves nothing.
fn is_proven(client: &Client, began: ClientAuth) -> Result<(), OAuthError> {
    if began == ClientAuth::None || client.auth != ClientAuth::None {
        Ok(())
    } else if client.redirect_uris.is_empty() {
        Err(OAuthError::Unavailable)
    } else {
        Err(OAuthError::InvalidGrant(
            "the client changed; connect again",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grant::ClientKind, oauth::clients::Publisher};

    #[test]
    fn a_confidential_client_is_never_taken_by_its_id_alone() {
        let client = |auth, uris: &[&str]| Client {
            id: "https://app.test/client".parse().unwrap(),
            kind: ClientKind::Document,
            name: "App".into(),
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            auth,
            secret: None,
            jwks: None,
            jwks_uri: None,
            publisher: Publisher::Unknown,
        };
        let known = ["https://app.test/cb"];
        let (public, signed) = (ClientAuth::None, ClientAuth::PrivateKeyJwt);
        assert_eq!(is_proven(&client(public, &[]), public), Ok(()));
        assert_eq!(is_proven(&client(signed, &known), signed), Ok(()));
        assert_eq!(is_proven(&client(signed, &known), public), Ok(()));
        // Its document cannot be read at the moment: ours to solve, not the client's end.
        let unread = is_proven(&client(public, &[]), signed);
        assert_eq!(unread, Err(OAuthError::Unavailable));
        let changed = is_proven(&client(public, &known), signed);
        assert!(matches!(changed, Err(OAuthError::InvalidGrant(_))));
    }
}
