//! Turns a bearer credential into a principal, or the request away.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use futures_util::future::BoxFuture;
use http::{
    HeaderMap,
    header::{AUTHORIZATION, USER_AGENT},
    request::Parts,
};
use ipnet::IpNet;
use tower::{Layer, Service};

use super::{
    challenge::Challenge,
    client_address::{Peer, bucket, client_address},
    observe::Edge,
    refusal::EdgeRefusal,
    reply,
};
use crate::{
    auth::{AuthError, Authenticator, Circumstances, Principal},
    limit::{Claim, LimitError, Limiter},
    quota::{Rate, Tier},
};

/// Who may pass.
#[derive(Clone)]
pub struct Authenticate(pub Arc<AuthenticateParts>);

/// What the layer is made of.
pub struct AuthenticateParts {
    /// Recognises credentials.
    pub authenticator: Arc<Authenticator>,
    /// Counts failures by address.
    pub limiter: Arc<Limiter>,
    /// How many failures.
    pub failures: Rate,
    /// Whose `X-Forwarded-For` counts.
    pub trusted: Vec<IpNet>,
    /// The caller without a key, where the configuration spells out that there is one.
    pub anyone: Option<Principal>,
    /// What those who do not pass are told.
    pub challenge: Challenge,
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            parts: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service whose requests have a principal.
#[derive(Clone)]
pub struct Authenticated<S> {
    parts: Arc<AuthenticateParts>,
    inner: S,
}

impl<S> Service<Request> for Authenticated<S>
where
    S: Service<Request, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let parts = Arc::clone(&self.parts);
        Box::pin(async move {
            // `Body` is not `Sync`: what is looked at across the await is the head alone.
            let (mut head, body) = request.into_parts();
            match parts.principal(&head).await {
                Ok(principal) => {
                    note(&head, &principal);
                    head.extensions.insert(principal);
                    inner.call(Request::from_parts(head, body)).await
                }
                Err(refusal) => Ok(reply::challenged(
                    &head.extensions,
                    &refusal,
                    &parts.challenge,
                )),
            }
        })
    }
}

fn note(head: &Parts, principal: &Principal) {
    if let Some(edge) = head.extensions.get::<Edge>() {
        let mut fields = edge.record.fields();
        fields.license = Some(principal.license_ref());
        fields.session = Some(principal.session_ref());
        fields.plan = Some(principal.license().plan.clone());
    }
}

impl AuthenticateParts {
    async fn principal(&self, head: &Parts) -> Result<Principal, EdgeRefusal> {
        let presented = match bearer(&head.headers) {
            Presented::Token(token) => token,
            Presented::Nothing => {
                return self.anyone.clone().ok_or(EdgeRefusal::CredentialMissing);
            }
            Presented::Malformed => return Err(self.failed(head).await),
        };
        // Without a connection there is one network that nobody is in.
        let address = || {
            let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            self.address(head).unwrap_or(nobody)
        };
        let circumstances = Circumstances {
            address: &address,
            user_agent: head.headers.get(USER_AGENT).and_then(|it| it.to_str().ok()),
        };
        let known = self.authenticator.authenticate(presented, &circumstances);
        match known.await {
            Ok(principal) => Ok(principal),
            Err(AuthError::Refused) => Err(self.failed(head).await),
            // Clients renew after a 401 only, and all users of a hosted one share a few addresses.
            Err(AuthError::Over) => Err(EdgeRefusal::CredentialRefused),
            Err(AuthError::InsufficientScope) => Err(EdgeRefusal::ScopeInsufficient),
            Err(AuthError::Unavailable) => Err(EdgeRefusal::StoreUnavailable),
        }
    }

    fn address(&self, head: &Parts) -> Option<IpAddr> {
        let Peer(peer) = head.extensions.get::<Peer>().copied()?;
        Some(client_address(peer, &head.headers, &self.trusted))
    }

    /// Counts a refused credential. A good one from the same address still passes.
    pub(super) async fn failed(&self, head: &Parts) -> EdgeRefusal {
        let Some(address) = self.address(head) else {
            return EdgeRefusal::CredentialRefused;
        };
        let claim = Claim::one(Tier::Address, self.failures, bucket(address));
        match self.limiter.take(claim).decided().await {
            // Nobody can say: one answer, and the next failure counts again.
            Ok(_) | Err(LimitError::Unavailable) => EdgeRefusal::CredentialRefused,
            Err(LimitError::Exhausted(exhausted)) => EdgeRefusal::TooManyFailures(exhausted),
        }
    }
}

pub(super) enum Presented<'h> {
    Nothing,
    Malformed,
    Token(&'h str),
}

/// The bearer credential (RFC 6750 section 2.1). The scheme's case does not count; two fields are
/// a fault, since two readers could pick two.
pub(super) fn bearer(headers: &HeaderMap) -> Presented<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return if headers.contains_key(AUTHORIZATION) {
            Presented::Malformed
        } else {
            Presented::Nothing
        };
    };
    match field.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Presented::Token(token)
        }
        _ => Presented::Malformed,
    }
}
