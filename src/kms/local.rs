//! A master key of ours: 32 bytes from a file or the environment, in memory while we run.

use futures_util::future::BoxFuture;

use super::{KeyProvider, KmsError};
use crate::{
    crypto::{Context, SealingKey},
    entropy::SharedEntropy,
    secret::SecretBytes,
};

/// A key of ours, in memory.
pub struct LocalKey {
    kind: &'static str,
    key: SealingKey,
    entropy: SharedEntropy,
}

impl LocalKey {
    /// From its bytes; `kind` says where they were.
    pub const fn new(kind: &'static str, key: SealingKey, entropy: SharedEntropy) -> Self {
        Self { kind, key, entropy }
    }
}

impl std::fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalKey(…)")
    }
}

impl KeyProvider for LocalKey {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn wrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        plaintext: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        let sealed = self.key.seal(context, plaintext, &*self.entropy);
        Box::pin(std::future::ready(Ok(sealed)))
    }

    fn unwrap<'a>(
        &'a self,
        context: &'a Context<'a>,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<SecretBytes, KmsError>> {
        let opened = self.key.open(context, wrapped);
        Box::pin(std::future::ready(
            opened.map_err(|_| KmsError::DoesNotOpen),
        ))
    }
}
