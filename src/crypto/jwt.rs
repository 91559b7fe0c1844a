//! JSON Web Tokens that others signed (RFC 7519), verified as RFC 8725 asks: algorithms are pinned
//! by the caller and fit the key's type, and time is an argument.
//!
//! Refuses `none`, every shared-secret algorithm and `crit` whatever the caller says, and never
//! looks at a key or an address that the token itself brings along.

pub mod assertion;
pub mod keys;
pub mod service_account;

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

pub use self::keys::{KeySet, KeySetFault};
use crate::{clock::Timestamp, mcp::json};

/// Longest token that is read, in bytes.
pub const LONGEST: usize = 8 * 1024;

/// How far two clocks may be apart.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// Most keys that are tried on one token.
const TRIES: usize = 10;

/// The claims of a token that was verified.
pub type Claims = Map<String, Value>;

/// A signature algorithm that can be asked for (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256.
    Es256,
    /// ECDSA with P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 7] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The word in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// From the word, exactly as it is registered. `none` and the `HS…` family are no words here.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    const fn engine(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// What a token must be like.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Algorithms that are accepted.
    pub algorithms: &'a [Algorithm],
    /// Words that `typ` may be, compared without case and without `application/`. Empty: `typ` is
    /// not looked at.
    pub types: &'a [&'a str],
    /// What `iss` must be, byte for byte.
    pub issuer: &'a str,
    /// One of these must be `aud`, or in it, byte for byte.
    pub audiences: &'a [&'a str],
    /// The time it is.
    pub now: Timestamp,
    /// How far ahead `exp` may lie. None: as far as it likes.
    pub most_ahead: Option<Duration>,
}

/// Why a token is not accepted. For the log: holds nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtFault {
    /// Longer than [`LONGEST`].
    #[error("token too long")]
    TooLong,
    /// Not three parts, not base64url, not JSON objects, or a name given twice.
    #[error("token malformed")]
    Malformed,
    /// `alg` is not one of those accepted.
    #[error("token algorithm not accepted")]
    Algorithm,
    /// `crit` asks for something to be understood (RFC 7515 section 4.1.11).
    #[error("token has critical header fields")]
    Critical,
    /// `typ` is not one of those accepted.
    #[error("token type not accepted")]
    Type,
    /// No key of the set fits. The set may be out of date.
    #[error("no key for the token")]
    UnknownKey,
    /// No key of the set made the signature.
    #[error("token signature wrong")]
    Signature,
    /// `exp` is missing or no time.
    #[error("token without end")]
    NoExpiry,
    /// `exp` has passed.
    #[error("token expired")]
    Expired,
    /// `exp` lies further ahead than is accepted.
    #[error("token valid for too long")]
    TooFarAhead,
    /// `nbf` or `iat` lies in the future, or is no time.
    #[error("token not valid yet")]
    NotYet,
    /// `iss` is not the one expected.
    #[error("token of another issuer")]
    Issuer,
    /// `aud` holds none of those expected.
    #[error("token for another audience")]
    Audience,
}

/// Verifies `token` (compact serialisation, RFC 7515 section 7.1) and gives its claims.
pub fn verify(token: &str, keys: &KeySet, rules: &Rules<'_>) -> Result<Claims, JwtFault> {
    let parts = Parts::of(token)?;
    let header = object(parts.header)?;
    let word = header.get("alg").and_then(Value::as_str);
    let algorithm = word
        .and_then(Algorithm::parse)
        .filter(|algorithm| rules.algorithms.contains(algorithm))
        .ok_or(JwtFault::Algorithm)?;
    if header.contains_key("crit") {
        return Err(JwtFault::Critical);
    }
    check_type(header.get("typ"), rules.types)?;
    let id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.as_str()),
        Some(_) => return Err(JwtFault::Malformed),
    };
    let mut fitting = keys.fitting(algorithm, id).take(TRIES).peekable();
    if fitting.peek().is_none() {
        return Err(JwtFault::UnknownKey);
    }
    let signed = parts.signed.as_bytes();
    let made_by = |key: &keys::Key| {
        jsonwebtoken::crypto::verify(parts.signature, signed, key.engine(), algorithm.engine())
            .unwrap_or(false)
    };
    if !fitting.any(made_by) {
        return Err(JwtFault::Signature);
    }
    let claims = object(parts.claims)?;
    check_times(&claims, rules)?;
    if claims.get("iss").and_then(Value::as_str) != Some(rules.issuer) {
        return Err(JwtFault::Issuer);
    }
    if !names(claims.get("aud"), rules.audiences) {
        return Err(JwtFault::Audience);
    }
    Ok(claims)
}

/// What a token claims to be, before anything is verified: only good for choosing whose keys to
/// verify it with.
pub fn unverified(token: &str) -> Result<Claims, JwtFault> {
    object(Parts::of(token)?.claims)
}

struct Parts<'t> {
    header: &'t str,
    claims: &'t str,
    signature: &'t str,
    /// Header and claims with the point between them.
    signed: &'t str,
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Result<Self, JwtFault> {
        if token.len() > LONGEST {
            return Err(JwtFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtFault::Malformed)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(JwtFault::Malformed);
        }
        Ok(Self {
            header,
            claims,
            signature,
            signed,
        })
    }
}

/// One part: base64url of a JSON object that names nothing twice.
fn object(part: &str) -> Result<Map<String, Value>, JwtFault> {
    let bytes = BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| JwtFault::Malformed)?;
    match json::parse(&bytes) {
        Ok(json::Parsed {
            value: Value::Object(map),
            excess: None,
        }) => Ok(map),
        Ok(_) | Err(_) => Err(JwtFault::Malformed),
    }
}

fn check_type(given: Option<&Value>, accepted: &[&str]) -> Result<(), JwtFault> {
    if accepted.is_empty() {
        return Ok(());
    }
    let given = given.and_then(Value::as_str).ok_or(JwtFault::Type)?;
    // RFC 7515 section 4.1.9: `application/` may be left out.
    let short = match given.split_at_checked("application/".len()) {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("application/") => rest,
        _ => given,
    };
    let fits = accepted.iter().any(|word| short.eq_ignore_ascii_case(word));
    if fits { Ok(()) } else { Err(JwtFault::Type) }
}

fn check_times(claims: &Claims, rules: &Rules<'_>) -> Result<(), JwtFault> {
    let latest = rules.now.plus(LEEWAY);
    let ends = time(claims.get("exp")).ok_or(JwtFault::NoExpiry)?;
    if ends.plus(LEEWAY) <= rules.now {
        return Err(JwtFault::Expired);
    }
    if let Some(most) = rules.most_ahead
        && ends > latest.plus(most)
    {
        return Err(JwtFault::TooFarAhead);
    }
    for name in ["nbf", "iat"] {
        if let Some(value) = claims.get(name) {
            let begins = time(Some(value)).ok_or(JwtFault::NotYet)?;
            if begins > latest {
                return Err(JwtFault::NotYet);
            }
        }
    }
    Ok(())
}

/// The point in time that `exp` names, when it is one.
pub fn expiry(claims: &Claims) -> Option<Timestamp> {
    time(claims.get("exp"))
}

/// Seconds since 1970, fractions allowed and dropped (RFC 7519 section 2).
fn time(value: Option<&Value>) -> Option<Timestamp> {
    let value = value?;
    let seconds = value.as_i64().or_else(|| {
        let float = value.as_f64().filter(|float| float.abs() < 1e12)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below 10^12; a fraction is dropped on purpose"
        )]
        let whole = float as i64;
        Some(whole)
    })?;
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}

/// Is one of `wanted` the text, or in the list of texts?
fn names(value: Option<&Value>, wanted: &[&str]) -> bool {
    match value {
        Some(Value::String(one)) => wanted.contains(&one.as_str()),
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(Value::as_str)
            .any(|one| wanted.contains(&one)),
        _ => false,
    }
}

#[cfg(test)]
pub mod signer;
#[cfg(test)]
mod tests;
