//! The sealed form of a secret: AES-256-GCM under a key made for this one record, which the
//! record commits to.
//!
//! Stored bytes: `magic 2 | format 1 | algorithm 1 | key id 16 | salt 32 | commitment 32 |
//! ciphertext | tag 16`. An unknown magic, format or algorithm is refused, never guessed.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{context::Context, derive::hkdf};
use crate::{
    entropy::Entropy,
    secret::{Secret, SecretBytes},
};

const MAGIC: [u8; 2] = *b"WG";
const FORMAT: u8 = 1;
const ALGORITHM: u8 = 1;
const SALT_AT: usize = 20;
const COMMITMENT_AT: usize = 52;
const CIPHERTEXT_AT: usize = 84;
const TAG: usize = 16;

/// Names the key a value is sealed under.
pub type KeyTag = [u8; 16];

/// Why a sealed value does not open. Says nothing about the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not something this program sealed, or something a newer one sealed.
    #[error("not a sealed value of a known format")]
    Format,
    /// Changed, sealed for another place, or sealed under another key.
    #[error("the sealed value does not open here")]
    Refused,
}

/// 32 bytes under which values are sealed, and the name they carry.
pub struct SealingKey {
    tag: KeyTag,
    key: Secret<[u8; 32]>,
}

impl SealingKey {
    /// From a key and its name.
    pub const fn new(tag: KeyTag, key: [u8; 32]) -> Self {
        Self {
            tag,
            key: Secret::new(key),
        }
    }

    /// The name.
    pub const fn tag(&self) -> KeyTag {
        self.tag
    }

    /// The key's bytes, to be sealed under another key.
    pub const fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// Seals `plaintext` for this place. The salt is new, so the result never repeats.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let aad = context.additional_data(self.tag);
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        let record = RecordKey::derive(self, &salt, &aad);
        let mut out = Vec::with_capacity(CIPHERTEXT_AT + plaintext.len() + TAG);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[FORMAT, ALGORITHM]);
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&salt);
        out.extend_from_slice(record.commitment());
        out.extend_from_slice(&record.encrypt(&aad, plaintext));
        out
    }

    /// Opens what [`SealingKey::seal`] made for the same place.
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        if key_tag(sealed)? != self.tag {
            return Err(SealError::Refused);
        }
        let aad = context.additional_data(self.tag);
        let record = RecordKey::derive(self, &sealed[SALT_AT..COMMITMENT_AT], &aad);
        // Before decrypting: GCM alone would let one ciphertext open under two keys.
        let commitment = &sealed[COMMITMENT_AT..CIPHERTEXT_AT];
        if !bool::from(record.commitment().ct_eq(commitment)) {
            return Err(SealError::Refused);
        }
        record.decrypt(&aad, &sealed[CIPHERTEXT_AT..])
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// The name of the key a value is sealed under.
pub fn key_tag(sealed: &[u8]) -> Result<KeyTag, SealError> {
    if sealed.len() < CIPHERTEXT_AT + TAG
        || sealed[..2] != MAGIC
        || sealed[2] != FORMAT
        || sealed[3] != ALGORITHM
    {
        return Err(SealError::Format);
    }
    sealed[4..SALT_AT].try_into().map_err(|_| SealError::Format)
}

/// 32 bytes of key, 12 of nonce, 32 of commitment. The key is used for one message only, so the
/// nonce need not be random.
struct RecordKey(Zeroizing<[u8; 76]>);

impl RecordKey {
    fn derive(key: &SealingKey, salt: &[u8], aad: &[u8]) -> Self {
        Self(hkdf(key.key.expose(), salt, &Sha256::digest(aad)))
    }

    fn commitment(&self) -> &[u8] {
        &self.0[44..]
    }

    #[expect(
        clippy::expect_used,
        reason = "the derived lengths are the algorithm's"
    )]
    fn cipher(&self) -> (LessSafeKey, Nonce) {
        let key = UnboundKey::new(&AES_256_GCM, &self.0[..32]).expect("32 bytes of key");
        let nonce = Nonce::try_assume_unique_for_key(&self.0[32..44]).expect("12 bytes of nonce");
        (LessSafeKey::new(key), nonce)
    }

    #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB of plaintext")]
    fn encrypt(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (key, nonce) = self.cipher();
        // Room for the tag, so that the plaintext is never left behind by a reallocation.
        let mut text = Vec::with_capacity(plaintext.len() + TAG);
        text.extend_from_slice(plaintext);
        key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text)
            .expect("a short plaintext");
        text
    }

    fn decrypt(&self, aad: &[u8], ciphertext: &[u8]) -> Result<SecretBytes, SealError> {
        let (key, nonce) = self.cipher();
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let length = key
            .open_in_place(nonce, Aad::from(aad), &mut text)
            .map_err(|_| SealError::Refused)?
            .len();
        Ok(SecretBytes::new(text[..length].to_vec()))
    }
}

#[cfg(test)]
mod tests;
