//! The operator's stop, as this process knows it: asked for again whenever anything changed.

use std::sync::atomic::Ordering;

use super::{Vault, VaultError};
use crate::{clock::Timestamp, store::Stamp};

/// Not asked since something changed.
pub(super) const UNKNOWN: u8 = 0;
const OPEN: u8 = 1;
const STOPPED: u8 = 2;

impl Vault {
    /// May credentials be used at all? In memory unless something changed.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] while the operator has stopped all opening.
    pub async fn check_open(&self) -> Result<(), VaultError> {
        let state = match self.stop.load(Ordering::SeqCst) {
            UNKNOWN => Box::pin(self.ask_whether_stopped()).await?,
            state => state,
        };
        if state == STOPPED {
            self.opened.clear();
            self.keys.clear();
            return Err(VaultError::Sealed);
        }
        Ok(())
    }

    async fn ask_whether_stopped(&self) -> Result<u8, VaultError> {
        let era = self.era.load(Ordering::SeqCst);
        let state = match self.store.vault_sealed().await? {
            Some(_) => STOPPED,
            None => OPEN,
        };
        // Unless it has changed again meanwhile.
        if self.era.load(Ordering::SeqCst) == era {
            self.stop.store(state, Ordering::SeqCst);
        }
        Ok(state)
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
