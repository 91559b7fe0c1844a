//! Master keys of ours: their names and their text.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    base62,
    seal::{KeyTag, SealingKey},
};
use crate::{entropy::Entropy, secret::SecretString};

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
    /// There is none.
    #[error("no master key is configured")]
    Empty,
}

/// A new master key as text: `wgk_`, 43 base62 characters, 6 of checksum.
pub fn generate_master_key_text(entropy: &dyn Entropy) -> SecretString {
    base62::generate(PREFIX, entropy)
}

/// 32 bytes that seal data keys.
#[derive(Debug)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// As the key called `id`, which what it seals carries.
    pub fn sealing_key(&self, id: &MasterKeyId) -> SealingKey {
        SealingKey::new(id.tag(), *self.0)
    }

    /// From the text that [`generate_master_key_text`] makes.
    pub fn parse(text: &SecretString) -> Result<Self, KeyringError> {
        base62::decode(PREFIX, text.expose())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or(KeyringError::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_mistyped_key_is_refused_without_repeating_it() {
        let text = SecretString::new("wgk_CANARY".to_owned());
        let error = MasterKey::parse(&text).unwrap_err();
        assert!(!error.to_string().contains("CANARY"));
        let key = MasterKey::parse(&generate_master_key_text(&SeededEntropy::new(1))).unwrap();
        assert!(!format!("{key:?}").is_empty());
        assert!("".parse::<MasterKeyId>().is_err());
        assert!("a b".parse::<MasterKeyId>().is_err());
    }
}
