//! Typed ids: a prefix that names the kind, then a UUIDv7 in lower-case base32.
//!
//! Ids are time-ordered and never secret. They are not credentials: knowing one
//! grants nothing.

use std::{fmt, str::FromStr};

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{clock::Timestamp, entropy::Entropy};

/// Crockford's base32 in lower case: no `i`, `l`, `o`, `u`.
#[expect(
    clippy::expect_used,
    reason = "the specification is a constant, tested below"
)]
fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification
            .symbols
            .push_str("0123456789abcdefghjkmnpqrstvwxyz");
        specification
            .encoding()
            .expect("thirty-two distinct symbols")
    });
    &ENCODING
}

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}` and 26 base32 characters")]
pub struct IdError {
    prefix: &'static str,
}

fn uuid_v7(now: Timestamp, entropy: &dyn Entropy) -> [u8; 16] {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .into_bytes()
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What the text form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id: the time in front, 74 random bits behind.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(now, entropy))
            }

            /// An id with chosen bytes, for callers that are not stored (tests, the open gateway).
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes, big-endian.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::PREFIX)?;
                f.write_str(&base32().encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: Self::PREFIX };
                let body = text.strip_prefix(Self::PREFIX).ok_or(error)?;
                let bytes = base32().decode(body.as_bytes()).map_err(|_| error)?;
                bytes.try_into().map(Self).map_err(|_| error)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

typed_ids! {
    /// One audit entry.
    AuditId = "aud_";
    /// One stored upstream credential.
    CredentialId = "crd_";
    /// One data-encryption key.
    DataKeyId = "dek_";
    /// One block of calls leased from a license's day.
    LeaseId = "lse_";
    /// A license: the customer's right to call.
    LicenseId = "lic_";
    /// One running gateway process.
    ReplicaId = "rep_";
    /// A grant that its provider is told about.
    RevocationId = "rev_";
    /// One session: what an access token stands for.
    SessionId = "ses_";
    /// One addition to what licenses used.
    UsageBatchId = "use_";
    /// One request, as the log and error answers name it.
    RequestId = "req_";
}

/// Twelve hexadecimal digits that stand for a license or session in logs: a keyed digest, so that
/// a log alone names nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogRef([u8; 12]);

impl LogRef {
    /// The first six bytes of `digest`, in hexadecimal.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        let mut hex = [0; 12];
        data_encoding::HEXLOWER.encode_mut(&digest[..6], &mut hex);
        Self(hex)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for LogRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for LogRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn text_form_round_trips() {
        let entropy = SeededEntropy::new(1);
        let id = LicenseId::generate(Timestamp::from_millis(1_700_000_000_000), &entropy);
        let text = id.to_string();
        assert!(text.starts_with("lic_"));
        assert_eq!(text.len(), 30);
        assert_eq!(text.parse::<LicenseId>(), Ok(id));
    }

    #[test]
    fn ids_sort_by_time() {
        let entropy = SeededEntropy::new(1);
        let early = LicenseId::generate(Timestamp::from_millis(1_000), &entropy);
        let late = LicenseId::generate(Timestamp::from_millis(2_000), &entropy);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn another_kind_is_refused() {
        let entropy = SeededEntropy::new(1);
        let id = CredentialId::generate(Timestamp::from_millis(1_000), &entropy);
        assert!(id.to_string().parse::<LicenseId>().is_err());
        assert!("lic_short".parse::<LicenseId>().is_err());
    }
}
