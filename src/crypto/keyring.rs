//! Master keys: kept outside the database, they seal the data keys and root secrets inside it.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    base62,
    context::Context,
    seal::{KeyTag, SealError, SealingKey},
};
use crate::{
    entropy::Entropy,
    secret::{SecretBytes, SecretString},
};

const PREFIX: &str = "wgk_";

/// The operator's name for a master key; every row sealed under it remembers it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKeyId(Arc<str>);

impl MasterKeyId {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn tag(&self) -> KeyTag {
        let mut hash = Sha256::new();
        hash.update(b"wicketgate/master-key-id/v1\0");
        hash.update(self.0.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest[..16]);
        tag
    }
}

impl FromStr for MasterKeyId {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(KeyringError::Id)
        }
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Why there is no usable keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The name is empty, too long or holds an odd character.
    #[error("not a master key id: 1 to 32 of A-Z, a-z, 0-9, `-`, `_` and `.`")]
    Id,
    /// The text is not what `wicketgate key generate` writes.
    #[error("not a master key: expected `wgk_` and 49 characters, checksum included")]
    Text,
    /// Two keys have one name.
    #[error("two master keys are called {0}")]
    Twice(MasterKeyId),
    /// The active key is not among the keys.
    #[error("the active master key {0} is not in the list")]
    NoActive(MasterKeyId),
}

/// A new master key as text: `wgk_`, 43 base62 characters, 6 of checksum.
pub fn generate_master_key_text(entropy: &dyn Entropy) -> SecretString {
    base62::generate(PREFIX, entropy)
}

/// 32 bytes that seal data keys.
#[derive(Debug)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// From the text that [`generate_master_key_text`] makes.
    pub fn parse(text: &SecretString) -> Result<Self, KeyringError> {
        base62::decode(PREFIX, text.expose())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or(KeyringError::Text)
    }
}

/// All master keys that may open, and the one that seals.
#[derive(Debug)]
pub struct Keyring {
    active: usize,
    keys: Vec<(MasterKeyId, SealingKey)>,
}

impl Keyring {
    /// From all keys by name; `active` is the name of the one that seals.
    pub fn new(
        active: &MasterKeyId,
        keys: Vec<(MasterKeyId, MasterKey)>,
    ) -> Result<Self, KeyringError> {
        let mut ring: Vec<(MasterKeyId, SealingKey)> = Vec::with_capacity(keys.len());
        for (id, key) in keys {
            if ring.iter().any(|(known, _)| *known == id) {
                return Err(KeyringError::Twice(id));
            }
            let sealing = SealingKey::new(id.tag(), *key.0);
            ring.push((id, sealing));
        }
        let active = ring
            .iter()
            .position(|(id, _)| id == active)
            .ok_or_else(|| KeyringError::NoActive(active.clone()))?;
        Ok(Self { active, keys: ring })
    }

    /// The name of the key that seals.
    pub fn active(&self) -> &MasterKeyId {
        &self.keys[self.active].0
    }

    /// Every name.
    pub fn ids(&self) -> impl Iterator<Item = &MasterKeyId> {
        self.keys.iter().map(|(id, _)| id)
    }

    /// Seals under the active key.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        self.keys[self.active].1.seal(context, plaintext, entropy)
    }

    /// Seals under a named key; none when the ring has no such key.
    pub fn seal_under(
        &self,
        id: &MasterKeyId,
        context: &Context<'_>,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Option<Vec<u8>> {
        let key = self.key(id.as_str())?;
        Some(key.seal(context, plaintext, entropy))
    }

    /// Opens what was sealed under the key called `id`; none when the ring has no such key.
    pub fn open(
        &self,
        id: &str,
        context: &Context<'_>,
        sealed: &[u8],
    ) -> Option<Result<SecretBytes, SealError>> {
        Some(self.key(id)?.open(context, sealed))
    }

    fn key(&self, id: &str) -> Option<&SealingKey> {
        let found = self.keys.iter().find(|(known, _)| known.as_str() == id);
        found.map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn key(seed: u64) -> MasterKey {
        MasterKey::parse(&generate_master_key_text(&SeededEntropy::new(seed))).unwrap()
    }

    fn id(text: &str) -> MasterKeyId {
        text.parse().unwrap()
    }

    #[test]
    fn a_ring_needs_its_active_key_and_distinct_names() {
        let error = Keyring::new(&id("b"), vec![(id("a"), key(1))]).unwrap_err();
        assert_eq!(error, KeyringError::NoActive(id("b")));
        let error = Keyring::new(&id("a"), vec![(id("a"), key(1)), (id("a"), key(2))]).unwrap_err();
        assert_eq!(error, KeyringError::Twice(id("a")));
        assert!("".parse::<MasterKeyId>().is_err());
        assert!("a b".parse::<MasterKeyId>().is_err());
    }

    #[test]
    fn a_mistyped_key_is_refused_without_repeating_it() {
        let text = SecretString::new("wgk_CANARY".to_owned());
        let error = MasterKey::parse(&text).unwrap_err();
        assert!(!error.to_string().contains("CANARY"));
        assert!(!format!("{:?}", key(1)).is_empty());
    }
}
