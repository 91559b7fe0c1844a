//! JWT access tokens of configured identity providers (RFC 9068), and the licenses they stand for.
//!
//! Believes nothing a token says before its signature is verified, but for whose keys to verify it
//! with; and never asks an address that a token names. A token that was verified is remembered.

mod fetch;
mod keys;

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use quick_cache::sync::Cache;
use serde_json::Value;

use self::{
    fetch::Source,
    keys::{Keys, Known},
};
use super::AuthError;
use crate::{
    clock::{SharedClock, Timestamp},
    config::auth::{IssuerConfig, LicenseClaimConfig},
    crypto::{
        Pepper, TokenDigest,
        jwt::{self, Algorithm, Claims, JwtFault, KeySet, Rules},
    },
    egress::EgressSetupError,
    grant::Scope,
    ids::LicenseId,
    mcp::json,
};

/// Most tokens remembered.
const MAX_ENTRIES: usize = 50_000;

/// All identity providers whose tokens are accepted.
pub struct Issuers {
    list: Vec<Issuer>,
    verified: Cache<TokenDigest, Arc<Issued>>,
    pepper: Pepper,
    clock: SharedClock,
}

struct Issuer {
    name: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    scopes: Vec<String>,
    license: LicenseClaimConfig,
    keys: Arc<Keys>,
}

/// What a verified token says.
pub(super) struct Issued {
    /// Of the token's text.
    pub(super) digest: TokenDigest,
    pub(super) license: LicenseId,
    pub(super) scope: Scope,
    /// The same for all tokens of one subject and license, so that renewal keeps what is counted.
    pub(super) session: [u8; 16],
    /// From here on it is refused: its `exp` and what clocks may differ.
    pub(super) ends: Timestamp,
    /// Which issuer, and which of its sets of keys verified it.
    verified_by: (usize, u64),
}

impl Issuers {
    /// Those of the configuration; asks none of them yet. A token is for `connector` where nothing
    /// else is configured.
    pub fn new(
        list: &[IssuerConfig],
        connector: &str,
        pepper: Pepper,
        clock: &SharedClock,
    ) -> Result<Self, EgressSetupError> {
        let issuer = |config: &IssuerConfig| {
            let audiences = match config.audiences.as_slice() {
                [] => vec![connector.to_owned()],
                some => some.to_vec(),
            };
            Ok(Issuer {
                name: config.issuer.clone(),
                audiences,
                algorithms: config.algorithms.iter().map(|one| (*one).into()).collect(),
                scopes: config.scopes.clone(),
                license: config.license.clone(),
                keys: Keys::new(Source::new(config)?, Arc::clone(clock)),
            })
        };
        Ok(Self {
            list: list.iter().map(issuer).collect::<Result<_, _>>()?,
            verified: Cache::new(if list.is_empty() { 1 } else { MAX_ENTRIES }),
            pepper,
            clock: Arc::clone(clock),
        })
    }

    /// Has this text the form of a JWT, and is anybody's accepted? Three parts, not too long; whose
    /// it is shows later.
    pub(super) fn may_know(&self, presented: &str) -> bool {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !self.list.is_empty()
            && presented.len() <= jwt::LONGEST
            && presented.bytes().all(fits)
            && presented.bytes().filter(|b| *b == b'.').count() == 2
    }

    /// What this token says, when it is one of ours to believe. Remembered tokens cost no
    /// verification, as long as their issuer has the keys that verified them.
    pub(super) async fn verify(
        &self,
        token: &str,
        digest: &TokenDigest,
    ) -> Result<Arc<Issued>, AuthError> {
        if let Some(known) = self.remembered(digest) {
            return Ok(known);
        }
        let refused = |fault: JwtFault| {
            tracing::debug!(%fault, "authentication.token_refused");
            // Times are looked at behind the signature: the issuer did sign it.
            if fault == JwtFault::Expired {
                AuthError::Over
            } else {
                AuthError::Refused
            }
        };
        let claims = jwt::unverified(token).map_err(refused)?;
        let name = claims.get("iss").and_then(Value::as_str);
        let (at, issuer) = self
            .list
            .iter()
            .enumerate()
            .find(|(_, issuer)| Some(issuer.name.as_str()) == name)
            .ok_or(AuthError::Refused)?;
        let audiences: Vec<&str> = issuer.audiences.iter().map(String::as_str).collect();
        let rules = Rules {
            algorithms: &issuer.algorithms,
            // Looked at below: many providers leave it out.
            types: &[],
            issuer: &issuer.name,
            audiences: &audiences,
            now: self.clock.now(),
            most_ahead: None,
        };
        if !is_access_token(token) {
            return Err(AuthError::Refused);
        }
        let (claims, known) = issuer.verify(token, &rules).await?.map_err(refused)?;
        let found = self.issued(issuer, &claims, digest, (at, known.number))?;
        let found = Arc::new(found);
        self.verified.insert(*digest, Arc::clone(&found));
        Ok(found)
    }

    fn remembered(&self, digest: &TokenDigest) -> Option<Arc<Issued>> {
        let issued = self.verified.get(digest)?;
        let (at, number) = issued.verified_by;
        let keys = self.list.get(at)?.keys.at_hand()?;
        if keys.number == number && self.clock.now() < issued.ends {
            Some(issued)
        } else {
            // A key that the issuer withdrew may be why: the token is looked at anew.
            self.verified.remove(digest);
            None
        }
    }

    fn issued(
        &self,
        issuer: &Issuer,
        claims: &Claims,
        digest: &TokenDigest,
        verified_by: (usize, u64),
    ) -> Result<Issued, AuthError> {
        let license = license(claims, &issuer.license).ok_or(AuthError::Refused)?;
        let words = scopes(claims);
        if !issuer
            .scopes
            .iter()
            .all(|one| words.contains(&one.as_str()))
        {
            return Err(AuthError::InsufficientScope);
        }
        let has = |scope: Scope| words.contains(&scope.as_str());
        let scope = if has(Scope::Read) && !has(Scope::Tools) {
            Scope::Read
        } else {
            Scope::Tools
        };
        let subject = ["sub", "client_id", "azp"]
            .into_iter()
            .find_map(|name| claims.get(name).and_then(Value::as_str));
        let mut text = b"issuer".to_vec();
        for part in [issuer.name.as_str(), subject.unwrap_or_default()] {
            text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(license.as_bytes());
        let mut session = [0; 16];
        session.copy_from_slice(&self.pepper.digest_bytes(&text).as_bytes()[..16]);
        let ends = jwt::expiry(claims).ok_or(AuthError::Refused)?;
        Ok(Issued {
            digest: *digest,
            license,
            scope,
            session,
            ends: ends.plus(jwt::LEEWAY),
            verified_by,
        })
    }
}

type Verified = Result<(Claims, Arc<Known>), JwtFault>;

impl Issuer {
    /// Verifies by the keys at hand, and once more when the issuer has new ones.
    async fn verify(&self, token: &str, rules: &Rules<'_>) -> Result<Verified, AuthError> {
        // What no key could make good costs no question.
        match jwt::verify(token, &KeySet::default(), rules) {
            Err(JwtFault::UnknownKey) => {}
            Err(fault) => return Ok(Err(fault)),
            Ok(_) => return Err(AuthError::Refused),
        }
        let known = self.keys.current().await.ok_or(AuthError::Unavailable)?;
        let fault = match jwt::verify(token, &known.keys, rules) {
            // Also behind a name that is known, or none, there may be a new key by now.
            Err(fault @ (JwtFault::UnknownKey | JwtFault::Signature)) => fault,
            Err(fault) => return Ok(Err(fault)),
            Ok(claims) => return Ok(Ok((claims, known))),
        };
        let Some(newer) = self.keys.other_than(&known).await else {
            return Ok(Err(fault));
        };
        Ok(jwt::verify(token, &newer.keys, rules).map(|claims| (claims, newer)))
    }
}

/// RFC 9068 section 2.1, and providers that write `JWT` or nothing. Other kinds of tokens that the
/// same keys sign are none.
fn is_access_token(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).ok();
    let header = header.and_then(|bytes| json::parse(&bytes).ok());
    header.is_some_and(|header| match header.value.get("typ") {
        None => true,
        Some(Value::String(word)) => ["at+jwt", "application/at+jwt", "jwt"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known)),
        Some(_) => false,
    })
}

/// `scope` (RFC 9068 section 2.2.3), or the list that some providers call `scp`.
fn scopes(claims: &Claims) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    for name in ["scope", "scp"] {
        match claims.get(name) {
            Some(Value::String(text)) => words.extend(text.split(' ')),
            Some(Value::Array(list)) => words.extend(list.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    words
}

/// With a map only what stands in it; without one the value is a license id.
fn license(claims: &Claims, wanted: &LicenseClaimConfig) -> Option<LicenseId> {
    let value = claims.get(&wanted.claim).and_then(Value::as_str)?;
    if wanted.map.is_empty() {
        value.parse().ok()
    } else {
        wanted.map.get(value).copied()
    }
}
