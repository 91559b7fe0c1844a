//! The kind `rest:`: a tool is one request to an HTTP API.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Answer, Departure, OpenedCredential, Phase, Prepared, Preview, RequestFault, Site, Target,
    UpstreamError,
    answer::{AnswerRule, failure},
    quota_signal::{self, LONGEST_BODY, Signal},
    request::{BaseUrl, FilledRequest, Template},
    retry::{Again, RetryBudget, pause},
};
use crate::{
    clock::SharedClock,
    egress::{EgressClient, EgressError, EgressResponse, body::BODY_IDLE, read_body},
    entropy::SharedEntropy,
};

/// The body of a failure is read so that its connection can be used again. Longest time that is worth
/// it.
const DRAIN: Duration = Duration::from_millis(50);

/// Longest time to hear what it says of limits.
const LISTEN: Duration = Duration::from_millis(250);

/// What the tools of one API share.
pub(super) struct Api {
    pub(super) site: Arc<Site>,
    pub(super) base: BaseUrl,
    pub(super) client: EgressClient,
    /// Longest time to the first byte of the answer.
    pub(super) timeout: Duration,
    /// Largest answer.
    pub(super) cap: usize,
    pub(super) budget: RetryBudget,
    pub(super) clock: SharedClock,
    pub(super) entropy: SharedEntropy,
}

/// One tool of an API.
pub(super) struct Tool {
    pub(super) api: Arc<Api>,
    pub(super) template: Template,
    pub(super) rule: AnswerRule,
    pub(super) most_retries: u32,
    /// Where the key of a call that must not run twice goes.
    pub(super) once_header: Option<HeaderName>,
}

/// The target of a tool.
pub struct RestTarget(pub(super) Arc<Tool>);

impl Target for RestTarget {
    fn prepare(&self, arguments: &Value) -> Result<Box<dyn Prepared>, RequestFault> {
        Ok(Box::new(RestCall {
            request: self.0.template.fill(arguments)?,
            tool: Arc::clone(&self.0),
        }))
    }
}

/// A request to an API, complete but for its credential.
struct RestCall {
    tool: Arc<Tool>,
    request: FilledRequest,
}

impl Prepared for RestCall {
    fn preview(&self) -> Preview {
        let request = &self.request;
        let readable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.headers.iter();
        let mut preview = Preview {
            method: request.method.to_string(),
            url: request.url.to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), readable(value.as_bytes())))
                .collect(),
            body: request.body.as_deref().map(readable),
        };
        if let Some(usage) = &self.tool.api.site.credential {
            usage.mark(&mut preview);
        }
        preview
    }

    fn mark(&mut self, key: &HeaderValue) {
        if let Some(name) = &self.tool.once_header {
            self.request.headers.insert(name.clone(), key.clone());
        }
    }

    fn send(
        self: Box<Self>,
        credential: Option<Arc<OpenedCredential>>,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Answer, UpstreamError>> {
        Box::pin(async move {
            let Self { tool, request } = *self;
            tool.call(request, credential.as_deref(), deadline).await
        })
    }
}

/// An attempt without an answer.
struct Failed {
    error: UpstreamError,
    again: Again,
}

impl From<UpstreamError> for Failed {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            again: Again::Never,
        }
    }
}

impl Tool {
    async fn call(
        &self,
        mut request: FilledRequest,
        credential: Option<&OpenedCredential>,
        deadline: Instant,
    ) -> Result<Answer, UpstreamError> {
        let api = &self.api;
        api.budget.save(api.clock.monotonic());
        let holder = credential.map(|credential| credential.holder);
        let mut attempts = 1;
        let mut arrived = None;
        loop {
            let copy = (attempts <= self.most_retries).then(|| request.clone());
            if let Some(usage) = &api.site.credential {
                let credential = credential.ok_or(UpstreamError::CredentialUnusable)?;
                let now = api.clock.now();
                usage.put_on(&mut request, &api.base, credential, now)?;
            }
            let failed = match self.attempt(request, credential, deadline, attempts).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if failed.error.departure() == Departure::MayHaveArrived {
                arrived = Some(failed.error);
            }
            let wait = copy.and_then(|copy| {
                let wait = pause(failed.again, attempts, &*api.entropy)?;
                let soon = Instant::now() + wait < deadline;
                let may = soon
                    && api.budget.spend(api.clock.monotonic())
                    && api.site.gate.spend_again(holder, wait);
                may.then_some((copy, wait))
            });
            let Some((copy, wait)) = wait else {
                // An attempt that may have arrived counts, whatever became of the later ones.
                return Err(arrived.unwrap_or(failed.error));
            };
            sleep(wait).await;
            request = copy;
            attempts += 1;
        }
    }

    async fn attempt(
        &self,
        request: FilledRequest,
        credential: Option<&OpenedCredential>,
        deadline: Instant,
        attempts: u32,
    ) -> Result<Answer, Failed> {
        let api = &self.api;
        let first_byte = deadline.min(Instant::now() + api.timeout);
        let response = match timeout_at(first_byte, api.client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(before_answer(error)),
            Err(_) if first_byte == deadline => {
                return Err(UpstreamError::TimedOut(Phase::Deadline).into());
            }
            Err(_) => return Err(UpstreamError::TimedOut(Phase::FirstByte).into()),
        };
        let status = response.status();
        let holder = credential.map(|credential| credential.holder);
        if !status.is_success() {
            let signal = self.heard(response, deadline).await;
            if let Some(signal) = signal {
                api.site.gate.heed(signal, holder);
            }
            let error = failure(status, signal);
            let again = match (status.as_u16(), error) {
                (503, UpstreamError::Limited { retry_after, .. }) => {
                    retry_after.map_or(Again::Soon, Again::After)
                }
                (502..=504, _) => Again::Soon,
                _ => Again::Never,
            };
            return Err(Failed { error, again });
        }
        if let Some(signal) = quota_signal::of_answer(response.headers(), api.clock.now()) {
            api.site.gate.heed(signal, holder);
        }
        let declared = AnswerRule::check_head(response.headers())?;
        let body = read_body(response, api.cap, BODY_IDLE, deadline);
        let body = body.await.map_err(in_answer)?;
        if let (Some(usage), Some(credential)) = (&api.site.credential, credential)
            && usage.is_repeated_in(&body, credential)
        {
            return Err(UpstreamError::CredentialEchoed.into());
        }
        Ok(Answer {
            content: self.rule.read(declared, body)?,
            status: status.as_u16(),
            attempts,
        })
    }

    /// Reads a failure to its end, and what it says of limits.
    async fn heard(&self, response: EgressResponse, deadline: Instant) -> Option<Signal> {
        let status = response.status();
        let matters = quota_signal::may_be_in_body(status);
        let headers = matters.then(|| response.headers().clone());
        let longest = if matters { LISTEN } else { DRAIN };
        let until = deadline.min(Instant::now() + longest);
        // Whatever comes of it, the failure stands.
        let body = read_body(response, LONGEST_BODY, longest, until).await;
        let now = self.api.clock.now();
        quota_signal::of_failure(status, &headers?, &body.unwrap_or_default(), now)
    }
}

/// A failure before the head of an answer.
const fn before_answer(error: EgressError) -> Failed {
    let again = match error {
        EgressError::Connect | EgressError::ConnectTimeout | EgressError::Broken => Again::Soon,
        EgressError::AddressRefused
        | EgressError::TooLarge
        | EgressError::BodyIdle
        | EgressError::Deadline => Again::Never,
    };
    Failed {
        error: in_answer(error),
        again,
    }
}

/// A failure while the answer came.
const fn in_answer(error: EgressError) -> UpstreamError {
    match error {
        EgressError::AddressRefused => UpstreamError::AddressRefused,
        EgressError::Connect => UpstreamError::Connect,
        EgressError::ConnectTimeout => UpstreamError::TimedOut(Phase::Connect),
        EgressError::Broken => UpstreamError::Broken,
        EgressError::TooLarge => UpstreamError::TooLarge,
        EgressError::BodyIdle => UpstreamError::TimedOut(Phase::Body),
        EgressError::Deadline => UpstreamError::TimedOut(Phase::Deadline),
    }
}

#[cfg(test)]
mod tests;
