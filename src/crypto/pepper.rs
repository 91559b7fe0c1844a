//! Keyed digests of tokens: what the store keeps instead of the token.
//!
//! Keyed, so that somebody who can write to the database still cannot mint a token they know.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::token::LicenseKey;

/// HMAC-SHA-256 of a token under the [`Pepper`].
#[derive(Clone, Copy, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// From stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored or looked up.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenDigest {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The key under which tokens are digested, ready for use.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// From 32 secret bytes.
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104 section 2)"
    )]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("any key length"))
    }

    /// The digest of a license key's whole text.
    pub fn digest(&self, key: &LicenseKey) -> TokenDigest {
        self.digest_text(key.expose())
    }

    /// The digest of any text, such as a credential of a kind that has no type yet.
    pub fn digest_text(&self, text: &str) -> TokenDigest {
        self.digest_bytes(text.as_bytes())
    }

    /// The digest of any bytes.
    pub fn digest_bytes(&self, bytes: &[u8]) -> TokenDigest {
        let mut mac = self.0.clone();
        mac.update(bytes);
        TokenDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn rfc_4231_test_case_2_holds() {
        let pepper = Pepper(Hmac::new_from_slice(b"Jefe").unwrap());
        let digest = pepper.digest_text("what do ya want for nothing?");
        assert_eq!(
            data_encoding::HEXLOWER.encode(digest.as_bytes()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_digest_depends_on_key_and_text() {
        let key = LicenseKey::generate(&SeededEntropy::new(1));
        let other = LicenseKey::generate(&SeededEntropy::new(2));
        let pepper = Pepper::new(&[1; 32]);
        assert_eq!(
            pepper.digest(&key),
            pepper.clone().digest_text(key.expose())
        );
        assert_ne!(pepper.digest(&key), pepper.digest(&other));
        assert_ne!(pepper.digest(&key), Pepper::new(&[2; 32]).digest(&key));
    }
}
