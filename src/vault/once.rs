//! What came of calls that must not run twice: sealed under the license's own data key for the row
//! it stands in. A data key that is destroyed takes them along: they are copies, and for a day.

use std::sync::Arc;

use super::{Vault, VaultError, data_keys::KeptKey};
use crate::{
    auth::Principal,
    clock::Timestamp,
    crypto::{Context, Purpose, TokenDigest, seal},
    ids::DataKeyId,
    names::UpstreamName,
    secret::SecretBytes,
    store::Tenant,
};

/// The key under which a caller's answer will be sealed: asked for before the call, so that nothing
/// is sent of which nothing could be kept.
pub struct AnswerKey {
    key: Arc<KeptKey>,
    tenant: Tenant,
}

/// The row that an answer stands in.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPlace<'a> {
    /// Who was called.
    pub upstream: &'a UpstreamName,
    /// The row's digest.
    pub row: &'a TokenDigest,
    /// When the call began: the row may be used again a day later.
    pub begun: Timestamp,
}

impl AnswerPlace<'_> {
    fn with<T>(&self, tenant: Tenant, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let tenant = tenant.to_string();
        let row = data_encoding::HEXLOWER.encode(self.row.as_bytes());
        work(&Context {
            purpose: Purpose::OnceAnswer,
            tenant: &tenant,
            table: "once_calls",
            row: &row,
            column: "sealed",
            upstream: self.upstream.as_str(),
            generation: u64::try_from(self.begun.as_millis()).unwrap_or_default(),
        })
    }
}

impl Vault {
    /// The key for this caller's answers.
    ///
    /// # Errors
    /// Whatever keeps credentials from being opened: such a call is not made.
    pub async fn answer_key(&self, caller: &Principal) -> Result<AnswerKey, VaultError> {
        self.check_open().await?;
        let tenant = Tenant::License(caller.license_id());
        let (_, key) = self.key_for(tenant).await?;
        Ok(AnswerKey { key, tenant })
    }

    /// Seals an answer for its row.
    pub fn seal_answer(&self, key: &AnswerKey, place: &AnswerPlace<'_>, answer: &[u8]) -> Vec<u8> {
        place.with(key.tenant, |place| {
            key.key.seal(place, answer, &*self.entropy)
        })
    }

    /// Opens what was sealed for this caller and this row.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when it was sealed for another, or its key is gone.
    pub async fn open_answer(
        &self,
        caller: &Principal,
        place: &AnswerPlace<'_>,
        sealed: &[u8],
    ) -> Result<SecretBytes, VaultError> {
        const DAMAGED: VaultError = VaultError::Damaged("answer of a call");
        self.check_open().await?;
        let tenant = Tenant::License(caller.license_id());
        let tag = seal::key_tag(sealed).map_err(|_| DAMAGED)?;
        let key = self.key(DataKeyId::from_bytes(tag), tenant).await?;
        let opened = place.with(tenant, |place| key.open(place, sealed));
        opened.map_err(|_| DAMAGED)
    }
}

impl std::fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerKey(…)")
    }
}
