//! The endpoints of the authorization server that programs call: `/token`, `/revoke`, `/session`,
//! `/register`.
//!
//! They answer in the words of RFC 6749, and never with anything that makes a client give up when
//! the fault is ours.

mod answer;
mod client;
mod register;
mod session;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, any},
};
use bytes::Bytes;
use http::{Method, request::Parts};

use self::{
    answer::{Refused, done, refused},
    client::Presented,
};
use super::{
    authenticate::AuthenticateParts,
    body::{self, Budget, Held},
    media::{Media, media},
    observe::Edge,
    refusal::EdgeRefusal,
    router::PublicEndpoint,
};
use crate::{
    auth::Watcher,
    oauth::{AuthorizationServer, Form, OAuthError, Redemption, Refreshal, Tokens},
};

/// Largest body of these endpoints.
const MOST_BYTES: usize = 16 << 10;
/// What may stand in a body once at most: two readers could pick two values.
const ONCE: [&str; 13] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "resource",
    "token",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "license_key",
];

/// What these endpoints are made of.
pub struct OAuthEndpoints {
    /// Clients, codes, tokens and sessions.
    pub server: Arc<AuthorizationServer>,
    /// Counts refused license keys.
    pub authenticate: Arc<AuthenticateParts>,
    /// Told when a session ended here.
    pub watcher: Arc<Watcher>,
    /// Bounds what all bodies hold.
    pub budget: Arc<Budget>,
    /// Is the authorization server on?
    pub authorization: Served,
    /// Is `POST /session` on?
    pub session_tokens: Served,
}

/// Does the configuration ask for it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It does.
    Yes,
    /// It does not: 404.
    No,
}

impl OAuthEndpoints {
    /// Is this endpoint there?
    pub fn serves(&self, endpoint: PublicEndpoint) -> bool {
        let served = match endpoint {
            PublicEndpoint::Token | PublicEndpoint::Revoke | PublicEndpoint::Register => {
                self.authorization
            }
            PublicEndpoint::Session => self.session_tokens,
        };
        served == Served::Yes
    }

    async fn form(&self, head: &Parts, body: Body) -> Result<Form, Refused> {
        if head.method != Method::POST {
            return Err(EdgeRefusal::MethodNotAllowed.into());
        }
        if media(&head.headers) != Some(Media::Form) {
            return Err(EdgeRefusal::UnsupportedMediaType.into());
        }
        let (bytes, _held) = self.bytes(head, body).await?;
        read_form(&bytes)
    }

    /// The body, and its place in the budget for as long as it is held.
    async fn bytes(&self, head: &Parts, body: Body) -> Result<(Bytes, Held), EdgeRefusal> {
        let waits = head.extensions.get::<body::Waits>().copied();
        let read = body::read(body, MOST_BYTES, &self.budget, waits.unwrap_or_default());
        let (bytes, place) = read.await?;
        if let Some(edge) = head.extensions.get::<Edge>() {
            edge.record.fields().request_bytes = bytes.len() as u64;
        }
        Ok((bytes, place))
    }

    /// If a session ended since there were this many ends, what is remembered of it does not count
    /// any more. Who only guesses causes no work.
    async fn ended_since(&self, ends: u64) {
        if self.server.grants.ends() != ends {
            self.watcher.look().await;
        }
    }
}

/// The endpoint, for any method.
pub(super) fn methods(endpoint: PublicEndpoint) -> MethodRouter<Arc<OAuthEndpoints>> {
    match endpoint {
        PublicEndpoint::Token => any(token),
        PublicEndpoint::Revoke => any(revoke),
        PublicEndpoint::Session => any(session::session),
        PublicEndpoint::Register => any(register::register),
    }
}

async fn token(State(endpoints): State<Arc<OAuthEndpoints>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    match endpoints.tokens(&head, body).await {
        Ok(tokens) => done(&head, &endpoints.authenticate, &tokens),
        Err(refusal) => refused(&head, refusal),
    }
}

async fn revoke(State(endpoints): State<Arc<OAuthEndpoints>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    match endpoints.revocation(&head, body).await {
        Ok(()) => answer::revoked(&head),
        Err(refusal) => refused(&head, refusal),
    }
}

impl OAuthEndpoints {
    async fn tokens(&self, head: &Parts, body: Body) -> Result<Tokens, Refused> {
        let form = self.form(head, body).await?;
        let grant = form.need("grant_type", "grant_type is missing")?;
        if !["authorization_code", "refresh_token"].contains(&grant) {
            let text = "only authorization_code and refresh_token are served";
            return Err(OAuthError::UnsupportedGrantType(text).into());
        }
        let presented = Presented::read(&head.headers, &form)?;
        let client = presented.client(&self.server.clients).await?;
        let grants = &self.server.grants;
        let ends = grants.ends();
        let given = if grant == "authorization_code" {
            let request = Redemption {
                code: form.need("code", "code is missing")?,
                redirect_uri: form.get("redirect_uri"),
                code_verifier: form.get("code_verifier"),
                resource: form.get("resource"),
            };
            grants.redeem(&client, request).await
        } else {
            let request = Refreshal {
                refresh_token: form.need("refresh_token", "refresh_token is missing")?,
                scope: form.get("scope"),
                resource: form.get("resource"),
            };
            grants.refresh(&client, request).await
        };
        // It may have been a replay.
        self.ended_since(ends).await;
        Ok(given?)
    }

    async fn revocation(&self, head: &Parts, body: Body) -> Result<(), Refused> {
        let form = self.form(head, body).await?;
        let token = form.need("token", "token is missing")?;
        let presented = Presented::read(&head.headers, &form)?;
        let client = presented.client(&self.server.clients).await?;
        let grants = &self.server.grants;
        let ends = grants.ends();
        let revoked = grants.revoke(&client, token).await;
        self.ended_since(ends).await;
        revoked?;
        Ok(())
    }
}

fn read_form(bytes: &[u8]) -> Result<Form, Refused> {
    let form = Form::parse(bytes)?;
    if form.is_twice(&ONCE) {
        return Err(OAuthError::InvalidRequest("a parameter is given twice").into());
    }
    Ok(form)
}
