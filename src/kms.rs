//! Master keys: kept outside the database, they wrap the data keys and root secrets inside it.
//!
//! Each may be a key of ours in a file or the environment, or one that a key service never gives
//! away; what wraps with it looks the same from here.

pub mod aws;
pub mod gcp;
mod line;
pub mod local;
pub mod vault_transit;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;

pub use self::{
    aws::{AwsKms, AwsKmsParts},
    gcp::{GcpIdentity, GcpKms, GcpKmsParts},
    line::KeySetupError,
    local::LocalKey,
    vault_transit::{VaultTransit, VaultTransitParts},
};
use crate::{
    crypto::{Context, KeyringError, MasterKey, MasterKeyId},
    entropy::SharedEntropy,
    secret::SecretBytes,
};

/// Why a master key did not wrap or unwrap. Holds no secret and no text of a key service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// The key service does not answer, or asks for patience.
    #[error("the key service is unavailable: {0}")]
    Unavailable(&'static str),
    /// The key service does not let us use the key.
    #[error("the key service refused: {0}")]
    Refused(&'static str),
    /// What is wrapped was changed or moved, or was wrapped under another key.
    #[error("what is wrapped does not open under this key")]
    DoesNotOpen,
}

/// One master key, wherever it is. A new kind is one file, one line in the configuration's
/// `keys:`, and one arm where keys are made from it.
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// What it is called in tables: `file`, `vault transit`.
    fn kind(&self) -> &'static str;

    /// Wraps a key of 32 bytes, or another short secret, for this place. Sets its own deadline.
    fn wrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        plaintext: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>>;

    /// Unwraps what [`KeyProvider::wrap`] made for the same place. Sets its own deadline.
    fn unwrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<SecretBytes, KmsError>>;
}

/// All master keys that may unwrap, and the one that wraps.
#[derive(Debug, Clone)]
pub struct Keyring {
    active: usize,
    keys: Vec<(MasterKeyId, Arc<dyn KeyProvider>)>,
    /// Did a key service not do its work when it was last asked? Shared by all copies.
    failing: Arc<AtomicBool>,
}

impl Keyring {
    /// From all keys by name; the first wraps.
    pub fn new(keys: Vec<(MasterKeyId, Arc<dyn KeyProvider>)>) -> Result<Self, KeyringError> {
        let mut known: Vec<&MasterKeyId> = Vec::with_capacity(keys.len());
        for (id, _) in &keys {
            if known.contains(&id) {
                return Err(KeyringError::Twice(id.clone()));
            }
            known.push(id);
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Self {
            active: 0,
            keys,
            failing: Arc::default(),
        })
    }

    /// From keys of ours.
    pub fn local(
        keys: Vec<(MasterKeyId, MasterKey)>,
        entropy: &SharedEntropy,
    ) -> Result<Self, KeyringError> {
        let keys = keys.into_iter().map(|(id, key)| {
            let provider = LocalKey::new("file", key.sealing_key(&id), Arc::clone(entropy));
            (id, Arc::new(provider) as Arc<dyn KeyProvider>)
        });
        Self::new(keys.collect())
    }

    /// The name of the key that wraps.
    pub fn active(&self) -> &MasterKeyId {
        &self.keys[self.active].0
    }

    /// Every name, with what kind of key it is.
    pub fn ids(&self) -> impl Iterator<Item = (&MasterKeyId, &'static str)> {
        self.keys.iter().map(|(id, key)| (id, key.kind()))
    }

    /// Wraps under the active key.
    pub async fn wrap(&self, place: &Context<'_>, plaintext: &[u8]) -> Result<Vec<u8>, KmsError> {
        self.noted(self.keys[self.active].1.wrap(place, plaintext).await)
    }

    /// Wraps under a named key; none when the ring has no such key.
    pub async fn wrap_under(
        &self,
        id: &MasterKeyId,
        place: &Context<'_>,
        plaintext: &[u8],
    ) -> Option<Result<Vec<u8>, KmsError>> {
        Some(self.noted(self.key(id.as_str())?.wrap(place, plaintext).await))
    }

    /// Unwraps what was wrapped under the key called `id`; none when the ring has no such key.
    pub async fn unwrap(
        &self,
        id: &str,
        place: &Context<'_>,
        wrapped: &[u8],
    ) -> Option<Result<SecretBytes, KmsError>> {
        Some(self.noted(self.key(id)?.unwrap(place, wrapped).await))
    }

    /// Did a key service not do its work when it was last asked?
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    fn noted<T>(&self, result: Result<T, KmsError>) -> Result<T, KmsError> {
        let failing = matches!(result, Err(KmsError::Unavailable(_) | KmsError::Refused(_)));
        self.failing.store(failing, Ordering::Relaxed);
        result
    }

    fn key(&self, id: &str) -> Option<&Arc<dyn KeyProvider>> {
        let found = self.keys.iter().find(|(known, _)| known.as_str() == id);
        found.map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::generate_master_key_text, entropy::SeededEntropy};

    #[test]
    fn a_ring_needs_distinct_names() {
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
        let key = || MasterKey::parse(&generate_master_key_text(&*entropy)).unwrap();
        let id = |text: &str| text.parse::<MasterKeyId>().unwrap();
        let ring = |keys| Keyring::local(keys, &entropy);
        assert_eq!(ring(Vec::new()).unwrap_err(), KeyringError::Empty);
        let twice = ring(vec![(id("a"), key()), (id("a"), key())]).unwrap_err();
        assert_eq!(twice, KeyringError::Twice(id("a")));
        let ring = ring(vec![(id("a"), key()), (id("b"), key())]).unwrap();
        assert_eq!(ring.active(), &id("a"));
    }
}
