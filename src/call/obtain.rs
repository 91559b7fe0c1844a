//! The caller's credential, before anything is paid for: a call that has none costs nothing.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    Call, CallError, CallResult,
    policy::{Around, CallLayer},
};
use crate::connect::{Connections, ObtainError};
use crate::vault::VaultError;

/// Finds the credential, and hands it on with the call.
#[derive(Clone)]
pub struct Obtain {
    /// Where credentials come from.
    pub connections: Arc<Connections>,
}

impl Around for Obtain {
    fn around<S: CallLayer>(
        &self,
        inner: &mut S,
        mut call: Call,
    ) -> BoxFuture<'static, CallResult> {
        let connections = Arc::clone(&self.connections);
        let mut inner = inner.clone();
        Box::pin(async move {
            let tool = Arc::clone(call.tool()?);
            let account = call.account.as_ref();
            let waiting = call.waiting.take();
            let obtaining = async {
                let (caller, tool) = (&call.principal, &tool.bound);
                match waiting {
                    None => connections.obtain(caller, tool, account).await,
                    Some(waiting) => waiting.obtain(&connections, caller, tool, account).await,
                }
            };
            let obtained = tokio::time::timeout_at(call.deadline, obtaining).await;
            call.credential = obtained.unwrap_or_else(|_| Err(late())).map_err(refused)?;
            inner.call(call).await
        })
    }
}

const fn late() -> ObtainError {
    ObtainError::ProviderUnavailable
}

/// What the caller is told.
pub(super) fn refused(error: ObtainError) -> CallError {
    match error {
        ObtainError::Connect(needed) => CallError::ConnectionNeeded(needed),
        ObtainError::Ambiguous(labels) => CallError::AccountAmbiguous(labels),
        ObtainError::NoSuchAccount(labels) => CallError::AccountUnknown(labels),
        ObtainError::Withheld => CallError::ScopeWithheld,
        ObtainError::ProviderUnavailable | ObtainError::ClientRefused => {
            tracing::warn!(%error, "credential.unavailable");
            CallError::CredentialUnavailable
        }
        ObtainError::Vault(VaultError::Missing) => {
            tracing::warn!(%error, "credential.unavailable");
            CallError::CredentialMissing
        }
        ObtainError::Vault(VaultError::Sealed) => CallError::Sealed,
        ObtainError::Vault(
            VaultError::Unavailable(_)
            | VaultError::Store(_)
            | VaultError::WrongMasterKey { .. }
            | VaultError::UnknownMasterKey { .. }
            | VaultError::KeyService(_)
            | VaultError::Damaged(_)
            | VaultError::RolledBack,
        ) => {
            tracing::warn!(%error, "credential.unavailable");
            CallError::StoreUnavailable
        }
    }
}
