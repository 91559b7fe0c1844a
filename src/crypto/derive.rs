//! HKDF-SHA-256 (RFC 5869) and the keys that are derived from the root secret.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::{
    handle::HandleKey,
    pepper::{Pepper, TokenDigest},
};
use crate::{entropy::Entropy, secret::Secret};

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// `N` bytes from `secret`, `salt` and `info`.
#[expect(
    clippy::expect_used,
    reason = "HKDF fails only beyond 8,160 bytes (RFC 5869 section 2.3)"
)]
pub(super) fn hkdf<const N: usize>(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], Length(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("a short output");
    out
}

/// Keys references in logs, so that a log reader cannot find a license by guessing.
pub struct LogKey(Secret<[u8; 32]>);

/// Keys pagination cursors, so that a client cannot make one up.
pub struct CursorKey(Secret<[u8; 32]>);

macro_rules! keys {
    ($($name:ident),*) => {$(
        impl Clone for $name {
            /// Another holder of the same key; each wipes its own copy.
            fn clone(&self) -> Self {
                Self::new(*self.0.expose())
            }
        }

        impl $name {
            /// From 32 secret bytes.
            pub const fn new(key: [u8; 32]) -> Self {
                Self(Secret::new(key))
            }

            /// HMAC-SHA-256 of `bytes` under this key.
            pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
                *Pepper::new(self.0.expose()).digest_bytes(bytes).as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

/// Derives the tokens that follow a refresh token, so that whoever lost the answer to a rotation,
/// or raced another, is given the same pair again although only digests are stored.
pub struct SuccessorKey(Secret<[u8; 32]>);

/// Keys what the gateway's own pages carry between two requests: login cookies and form tokens.
pub struct FormKey(Secret<[u8; 32]>);

keys!(LogKey, CursorKey, SuccessorKey, FormKey);

/// Keys the names under which limits are counted outside this process. Made ready once: a call
/// needs several.
#[derive(Debug, Clone)]
pub struct LimitKey(Pepper);

impl LimitKey {
    /// From 32 secret bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Pepper::new(key))
    }

    /// HMAC-SHA-256 of `bytes` under this key.
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        *self.0.digest_bytes(bytes).as_bytes()
    }
}

/// Keys what is known of calls that must not run twice. Made ready once: such a call needs several.
#[derive(Debug, Clone)]
pub struct OnceKey(Pepper);

impl OnceKey {
    /// From 32 secret bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Pepper::new(key))
    }

    /// HMAC-SHA-256 of these parts, each behind its length, under this key. `kind` keeps digests
    /// apart that are for different ends.
    pub fn digest(&self, kind: &str, parts: &[&[u8]]) -> TokenDigest {
        let room = parts.iter().map(|part| part.len() + 8).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(room + kind.len() + 8));
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        self.0.digest_bytes(&text)
    }
}

impl SuccessorKey {
    /// The bytes that the successors of `presented` in this rotation are made of. Endless and
    /// always the same; nobody without the key, the token and the seed can tell them.
    pub fn entropy(&self, presented: &str, seed: &[u8; 16]) -> SuccessorEntropy {
        let mut text = Zeroizing::new(Vec::with_capacity(16 + presented.len()));
        text.extend_from_slice(seed);
        text.extend_from_slice(presented.as_bytes());
        SuccessorEntropy {
            key: Self::new(self.digest(&text)),
            block: AtomicU64::new(0),
        }
    }
}

/// See [`SuccessorKey::entropy`]. HMAC-SHA-256 in counter mode (NIST SP 800-108).
#[derive(Debug)]
pub struct SuccessorEntropy {
    key: SuccessorKey,
    block: AtomicU64,
}

impl Entropy for SuccessorEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.block.fetch_add(1, Ordering::Relaxed);
            let block = Zeroizing::new(self.key.digest(&number.to_be_bytes()));
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// 32 random bytes made once per installation. It outlives every master key: rotation seals it
/// anew and changes nothing that is derived from it.
#[derive(Debug)]
pub struct RootSecret(Secret<[u8; 32]>);

impl RootSecret {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(Secret::new(bytes))
    }

    /// From its bytes, as they were unsealed.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The bytes, to be sealed.
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Keys token digests.
    pub fn pepper(&self) -> Pepper {
        Pepper::new(&self.derive(b"wicketgate/pepper/v1"))
    }

    /// Keys log references.
    pub fn log_key(&self) -> LogKey {
        LogKey::new(*self.derive(b"wicketgate/log-reference/v1"))
    }

    /// Keys the names of shared limits.
    pub fn limit_key(&self) -> LimitKey {
        LimitKey::new(&self.derive(b"wicketgate/limit-name/v1"))
    }

    /// Keys what is known of calls that must not run twice.
    pub fn once_key(&self) -> OnceKey {
        OnceKey::new(&self.derive(b"wicketgate/once/v1"))
    }

    /// Keys pagination cursors.
    pub fn cursor_key(&self) -> CursorKey {
        CursorKey::new(*self.derive(b"wicketgate/cursor/v1"))
    }

    /// Derives the successors of refresh tokens.
    pub fn successor_key(&self) -> SuccessorKey {
        SuccessorKey::new(*self.derive(b"wicketgate/successor/v1"))
    }

    /// Seals what we hand out and want back.
    pub fn handle_key(&self) -> HandleKey {
        HandleKey::new(&self.derive(b"wicketgate/handle/v1"))
    }

    /// Keys what our own pages carry.
    pub fn form_key(&self) -> FormKey {
        FormKey::new(*self.derive(b"wicketgate/form/v1"))
    }

    fn derive(&self, info: &[u8]) -> Zeroizing<[u8; 32]> {
        hkdf(self.0.expose(), &[], info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5869_test_case_1_holds() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let out = hkdf::<42>(&[0x0b; 22], &salt, &info);
        assert_eq!(
            data_encoding::HEXLOWER.encode(out.as_slice()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn successors_are_stable_and_depend_on_everything() {
        let draw = |key: u8, presented: &str, seed: u8| {
            let entropy = SuccessorKey::new([key; 32]).entropy(presented, &[seed; 16]);
            let mut out = [0; 80];
            let (first, second) = out.split_at_mut(40);
            entropy.fill(first);
            entropy.fill(second);
            assert_ne!(first, second);
            out
        };
        let one = draw(1, "wgr_a", 1);
        assert_eq!(one, draw(1, "wgr_a", 1));
        assert_ne!(one, draw(2, "wgr_a", 1));
        assert_ne!(one, draw(1, "wgr_b", 1));
        assert_ne!(one, draw(1, "wgr_a", 2));
    }

    #[test]
    fn parts_of_a_call_are_told_apart() {
        let key = OnceKey::new(&[7; 32]);
        let one = key.digest("row", &[b"ab", b"c"]);
        assert_eq!(one, key.digest("row", &[b"ab", b"c"]));
        assert_ne!(one, key.digest("row", &[b"a", b"bc"]));
        assert_ne!(one, key.digest("upstream", &[b"ab", b"c"]));
        assert_ne!(one, OnceKey::new(&[8; 32]).digest("row", &[b"ab", b"c"]));
    }

    #[test]
    fn derived_keys_differ_and_are_stable() {
        let root = RootSecret::from_bytes([7; 32]);
        let again = RootSecret::from_bytes([7; 32]);
        assert_ne!(root.log_key().digest(b"x"), root.cursor_key().digest(b"x"));
        assert_eq!(root.log_key().digest(b"x"), again.log_key().digest(b"x"));
        assert_eq!(
            root.pepper().digest_text("a"),
            again.pepper().digest_text("a")
        );
        assert_ne!(
            root.pepper().digest_text("a"),
            Pepper::new(&root.log_key().digest(b"")).digest_text("a")
        );
    }
}
