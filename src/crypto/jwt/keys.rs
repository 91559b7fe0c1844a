//! JSON Web Key Sets (RFC 7517): public signature keys of others. Refuses a set that holds anything
//! secret.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::Algorithm;
use crate::mcp::json;

/// Most keys of one set.
const MOST: usize = 100;

/// Members that only private and symmetric keys have (RFC 7518 section 6, RFC 8037).
const SECRET: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Public keys that signatures are verified with.
#[derive(Clone, Default)]
pub struct KeySet(Vec<Key>);

/// Why a text is not a set of public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// Not a JSON object with a list `keys` of objects, or a name given twice.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// A private or a symmetric key is in it: whoever wrote it published a secret.
    #[error("the key set holds a private or symmetric key")]
    Secret,
    /// More than 100 keys.
    #[error("the key set holds more than 100 keys")]
    TooMany,
}

/// One public key.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    /// Only for this algorithm, when the set says so.
    only: Option<Algorithm>,
    kind: Kind,
    engine: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl KeySet {
    /// Reads a set. Keys of other types and for other uses are passed over (RFC 7517 section 5).
    pub fn parse(text: &[u8]) -> Result<Self, KeySetFault> {
        match json::parse(text) {
            Ok(json::Parsed {
                value,
                excess: None,
            }) => Self::read(&value),
            Ok(_) | Err(_) => Err(KeySetFault::Malformed),
        }
    }

    /// The same of a value that was read before.
    pub fn read(value: &Value) -> Result<Self, KeySetFault> {
        let list = value.get("keys").and_then(Value::as_array);
        let list = list.ok_or(KeySetFault::Malformed)?;
        if list.len() > MOST {
            return Err(KeySetFault::TooMany);
        }
        let mut keys = Vec::with_capacity(list.len());
        for entry in list {
            let entry = entry.as_object().ok_or(KeySetFault::Malformed)?;
            if SECRET.iter().any(|name| entry.contains_key(*name)) {
                return Err(KeySetFault::Secret);
            }
            keys.extend(Key::read(entry));
        }
        Ok(Self(keys))
    }

    /// Is there no key that could verify anything?
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys a signature by `algorithm` may be of; with an id only those that bear it.
    pub(super) fn fitting<'k>(
        &'k self,
        algorithm: Algorithm,
        id: Option<&'k str>,
    ) -> impl Iterator<Item = &'k Key> {
        self.0.iter().filter(move |key| {
            key.kind == Kind::of(algorithm)
                && key.only.is_none_or(|only| only == algorithm)
                && id.is_none_or(|id| key.id.as_deref() == Some(id))
        })
    }
}

impl Key {
    pub(super) const fn engine(&self) -> &DecodingKey {
        &self.engine
    }

    fn read(entry: &Map<String, Value>) -> Option<Self> {
        let text = |name| entry.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let verifies = |list: &Vec<Value>| list.iter().any(|one| one == "verify");
        if !entry
            .get("key_ops")
            .is_none_or(|list| list.as_array().is_some_and(verifies))
        {
            return None;
        }
        let only = match text("alg") {
            None => None,
            Some(word) => Some(Algorithm::parse(word)?),
        };
        let sized = |name, length| {
            let text = text(name)?;
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
            (bytes.len() == length).then_some(text)
        };
        let curve = |kind, length| {
            let key = DecodingKey::from_ec_components(sized("x", length)?, sized("y", length)?);
            Some((kind, key))
        };
        let (kind, engine) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_components(text("n")?, text("e")?);
                (Kind::Rsa, key)
            }
            ("EC", Some("P-256")) => curve(Kind::P256, 32)?,
            ("EC", Some("P-384")) => curve(Kind::P384, 48)?,
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_components(sized("x", 32)?);
                (Kind::Ed25519, key)
            }
            _ => return None,
        };
        Some(Self {
            id: text("kid").map(str::to_owned),
            only,
            kind,
            engine: engine.ok()?,
        })
    }
}

impl Kind {
    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}
