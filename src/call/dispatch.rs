//! The leaf: the caller's credential, then the upstream. Nothing else reaches an upstream.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tower::Service;

use super::{Call, CallError, CallResult};
use crate::{
    clock::SharedClock,
    upstream::Answer,
    vault::{Vault, VaultError},
};

/// Opens the credential for this caller and sends the prepared request.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) vault: Arc<Vault>,
    pub(super) clock: SharedClock,
}

impl Service<Call> for Dispatch {
    type Response = Answer;
    type Error = CallError;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        let (vault, clock) = (Arc::clone(&self.vault), Arc::clone(&self.clock));
        Box::pin(async move {
            let prepared = call.prepared.take().ok_or(CallError::Internal)?;
            let site = Arc::clone(&call.tool()?.bound.site);
            let credential = match (&site.credential, &site.configured) {
                (None, _) => None,
                (Some(_), Some(configured)) => Some(Arc::clone(configured)),
                (Some(_), None) => {
                    let opened = vault.open(&call.principal, &site.name).await;
                    Some(opened.map_err(|error| refused(&error))?)
                }
            };
            let sent = clock.monotonic();
            let result = prepared.send(credential, call.deadline).await;
            let took = clock.monotonic().saturating_sub(sent);
            let mut fields = call.record.fields();
            fields.upstream_us = Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            fields.upstream_status = match &result {
                Ok(answer) => Some(answer.status),
                Err(error) => error.status(),
            };
            fields.upstream_attempts = result.as_ref().ok().map(|answer| answer.attempts);
            drop(fields);
            result.map_err(CallError::Upstream)
        })
    }
}

fn refused(error: &VaultError) -> CallError {
    tracing::warn!(%error, "credential.unavailable");
    match error {
        VaultError::Missing => CallError::CredentialMissing,
        VaultError::Unavailable(_)
        | VaultError::Store(_)
        | VaultError::WrongMasterKey { .. }
        | VaultError::UnknownMasterKey { .. }
        | VaultError::Damaged(_)
        | VaultError::RolledBack => CallError::StoreUnavailable,
    }
}
