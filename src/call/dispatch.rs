//! The leaf: the prepared request with the caller's credential. Nothing else reaches an upstream.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tower::Service;

use super::{Call, CallError, CallResult};
use crate::{
    clock::SharedClock,
    connect::{Connections, ObtainError},
    upstream::{Answer, Departure, UpstreamError},
};

/// Sends the prepared request.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) connections: Arc<Connections>,
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
        let (connections, clock) = (Arc::clone(&self.connections), Arc::clone(&self.clock));
        Box::pin(async move {
            let mut prepared = call.prepared.take().ok_or(CallError::Internal)?;
            if let Some(mark) = &call.mark {
                prepared.mark(mark);
            }
            let credential = call.credential.take();
            let needs = &call.tool()?.bound;
            connections.uses().note(&call.principal, needs, clock.now());
            let sent = clock.monotonic();
            let mut ended = None;
            let mut result = prepared.send(credential.clone(), call.deadline).await;
            if let (Err(UpstreamError::CredentialRefused(401)), Some(refused)) =
                (&result, &credential)
            {
                let (caller, account) = (call.principal.clone(), call.account.clone());
                let tool = Arc::clone(call.tool()?);
                let renewing = connections.renew(&caller, &tool.bound, account.as_ref(), refused);
                let renewing = tokio::time::timeout_at(call.deadline, renewing);
                match renewing.await {
                    // It counts for the upstream's rate as every further attempt does.
                    Ok(Ok(Some(fresh)))
                        if tool
                            .bound
                            .site
                            .gate
                            .spend_again(Some(fresh.holder), Duration::ZERO) =>
                    {
                        // The upstream did nothing but refuse: sending again repeats nothing.
                        let again = tool.bound.target.prepare(&call.arguments);
                        let mut again = again.map_err(CallError::UnsafeArgument)?;
                        if let Some(mark) = &call.mark {
                            again.mark(mark);
                        }
                        result = again.send(Some(fresh), call.deadline).await;
                    }
                    // The account ended at its provider just now: only its owner can help. What was
                    // sent is counted nevertheless.
                    Ok(Err(ObtainError::Connect(mut needed))) => {
                        needed.departure = Departure::MayHaveArrived;
                        ended = Some(needed);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            let took = clock.monotonic().saturating_sub(sent);
            let mut fields = call.record.fields();
            fields.upstream_us = Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            fields.upstream_status = match &result {
                Ok(answer) => Some(answer.status),
                Err(error) => error.status(),
            };
            fields.upstream_attempts = result.as_ref().ok().map(|answer| answer.attempts);
            drop(fields);
            match ended {
                Some(needed) => Err(CallError::ConnectionNeeded(needed)),
                None => result.map_err(CallError::Upstream),
            }
        })
    }
}
