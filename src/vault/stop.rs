//! The operator's stop, as this process knows it: asked for again whenever anything changed.

use std::sync::atomic::Ordering;

use super::{Vault, VaultError};
use crate::{clock::Timestamp, store::Stamp};

/// Not asked since something changed.
pub(super) const UNKNOWN: u64 = 0;
const OPEN: u64 = 1;
const STOPPED: u64 = 2;
/// What was heard is kept with the era it was heard in, in one word: heard in an older one, it
/// counts as not heard, whoever writes it how late.
const STATE_BITS: u32 = 2;

impl Vault {
    /// May credentials be used at all? In memory unless something changed.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] while the operator has stopped all opening.
    pub async fn check_open(&self) -> Result<(), VaultError> {
        let (word, era) = (
            self.stop.load(Ordering::SeqCst),
            self.era.load(Ordering::SeqCst),
        );
        let heard = word & ((1 << STATE_BITS) - 1);
        let state = if word >> STATE_BITS == era && heard != UNKNOWN {
            heard
        } else {
            let ask = || Box::pin(self.ask_whether_stopped());
            let state = self.asking.share(era, ask).await?;
            self.stop.store(era << STATE_BITS | state, Ordering::SeqCst);
            state
        };
        if state == STOPPED {
            self.opened.clear();
            self.keys.clear();
            return Err(VaultError::Sealed);
        }
        Ok(())
    }

    async fn ask_whether_stopped(&self) -> Result<u64, VaultError> {
        Ok(match self.store.vault_sealed().await? {
            Some(_) => STOPPED,
            None => OPEN,
        })
    }

    /// Since when the operator has stopped all opening, as the store says.
    pub async fn sealed_since(&self) -> Result<Option<Timestamp>, VaultError> {
        Ok(self.store.vault_sealed().await?)
    }

    /// Stops all opening on every replica; was it open?
    pub async fn seal(&self, actor: &str) -> Result<bool, VaultError> {
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        let changed = self.store.set_vault_sealed(Some(stamp.at), &stamp).await?;
        self.forget();
        Ok(changed)
    }

    /// Lets opening go on; was it stopped?
    pub async fn unseal(&self, actor: &str) -> Result<bool, VaultError> {
        let stamp = Stamp::new(actor, &*self.clock, &*self.entropy);
        let changed = self.store.set_vault_sealed(None, &stamp).await?;
        self.forget();
        Ok(changed)
    }
}
