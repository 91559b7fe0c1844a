//! A token endpoint (RFC 6749 section 3.2), whoever's it is: what is sent there, and its answers.
//!
//! What goes wrong is told in three classes; nothing that the provider wrote is ever repeated.

mod plain;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header::CONTENT_TYPE};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, RequestTokenError, TokenResponse as _, TokenUrl,
    basic::{
        BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType,
    },
};
use url::Url;

use self::plain::Plain;
pub(super) use self::plain::permissions;
use super::ask::{AskFault, Question};
use crate::{
    config::provider::{ClientAuthentication, ScopeSeparator},
    egress::EgressClient,
    names::ScopeName,
    secret::{SecretBytes, SecretString},
};

/// What a token endpoint gave.
#[derive(Debug)]
pub(super) struct Tokens {
    /// The access token.
    pub(super) access: SecretString,
    /// What renews it; none: nothing, or what renewed it before goes on doing so.
    pub(super) refresh: Option<SecretString>,
    /// How long the access token is good for, when that is known.
    pub(super) life: Option<Duration>,
    /// What was granted, when the answer says so.
    pub(super) scopes: Option<BTreeSet<ScopeName>>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The code or token is no longer good (`invalid_grant`).
    #[error("the grant is over")]
    Refused,
    /// The provider does not take our client or its secret (`invalid_client`).
    #[error("the client is refused")]
    ClientRefused,
    /// It may be better later.
    #[error("the token endpoint: {0}")]
    Unavailable(#[from] AskFault),
}

/// What `oauth2` calls a client of one token endpoint.
pub(super) type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// What `oauth2` is answered with, or why not.
pub(super) type Answered =
    Result<BasicTokenResponse, RequestTokenError<AskFault, BasicErrorResponse>>;

/// The way to one token endpoint, and nowhere else.
pub(super) struct TokenEndpoint<'a> {
    /// Where it is.
    pub(super) url: &'a Url,
    /// How it is reached.
    pub(super) egress: &'a EgressClient,
    /// What stands between the scopes that it grants.
    pub(super) separator: ScopeSeparator,
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = AskFault;
    /// Boxed, so that whoever waits for it may be on any thread.
    type Future = BoxFuture<'c, Result<HttpResponse, AskFault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.post(request))
    }
}

impl TokenEndpoint<'_> {
    /// Our client there.
    pub(super) fn client(
        &self,
        id: &str,
        secret: Option<&SecretString>,
        shown: ClientAuthentication,
    ) -> Client {
        let client = BasicClient::new(ClientId::new(id.to_owned()))
            .set_auth_type(match shown {
                ClientAuthentication::Basic => AuthType::BasicAuth,
                ClientAuthentication::Body => AuthType::RequestBody,
            })
            .set_token_uri(TokenUrl::from_url(self.url.clone()));
        match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().clone())),
            None => client,
        }
    }

    /// For a grant that `oauth2` does not know; its answers are the same.
    pub(super) async fn ask(&self, question: Question) -> Result<Tokens, TokenError> {
        let plain = self.plain(question).await?;
        let unreadable = |_| TokenError::Unavailable(AskFault::Unreadable);
        if plain.status.is_success() {
            let answer: BasicTokenResponse =
                serde_json::from_slice(plain.body.expose()).map_err(unreadable)?;
            return Tokens::of(&answer);
        }
        let answer: BasicErrorResponse =
            serde_json::from_slice(plain.body.expose()).map_err(unreadable)?;
        Err(said(&answer))
    }

    /// Sends what `oauth2` made, and brings the answer into the one form that it reads.
    async fn post(&self, request: HttpRequest) -> Result<HttpResponse, AskFault> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| AskFault::Unreadable)?;
        let mut question = Question::new(head.method, url);
        question.headers = head.headers;
        question.body = Some(Bytes::from(body));
        let plain = self.plain(question).await?;
        // `oauth2` does not wipe what it reads; it is dropped as soon as it is read.
        let mut response = http::Response::new(plain.body.expose().clone());
        *response.status_mut() = plain.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }

    async fn plain(&self, question: Question) -> Result<Plain, AskFault> {
        let reply = question.ask(self.egress).await?;
        let plain = Plain::of(self.separator, reply.status, reply.body.expose());
        plain.ok_or(AskFault::Unreadable)
    }
}

impl Tokens {
    /// What `oauth2` read.
    pub(super) fn read(answered: Answered) -> Result<Self, TokenError> {
        Self::of(&answered.map_err(class_of)?)
    }

    fn of(answer: &BasicTokenResponse) -> Result<Self, TokenError> {
        let access = answer.access_token().secret();
        // Only bearer tokens can be put on a request (RFC 6749 section 7.1).
        if access.is_empty() || *answer.token_type() != BasicTokenType::Bearer {
            return Err(AskFault::Unreadable.into());
        }
        let refresh = answer.refresh_token();
        let scopes = answer.scopes().map(|scopes| {
            let known = scopes.iter().filter_map(|scope| scope.parse().ok());
            known.collect()
        });
        Ok(Self {
            access: SecretString::new(access.clone()),
            refresh: refresh.map(|token| SecretString::new(token.secret().clone())),
            life: answer.expires_in().filter(|life| !life.is_zero()),
            scopes,
        })
    }
}

fn class_of(error: RequestTokenError<AskFault, BasicErrorResponse>) -> TokenError {
    match error {
        RequestTokenError::ServerResponse(answer) => said(&answer),
        RequestTokenError::Request(fault) => fault.into(),
        // Both hold what the provider wrote.
        RequestTokenError::Parse(_, body) => {
            drop(SecretBytes::new(body));
            AskFault::Unreadable.into()
        }
        RequestTokenError::Other(_) => AskFault::Unreadable.into(),
    }
}

fn said(answer: &BasicErrorResponse) -> TokenError {
    match answer.error() {
        BasicErrorResponseType::InvalidGrant => TokenError::Refused,
        BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
            TokenError::ClientRefused
        }
        BasicErrorResponseType::InvalidRequest
        | BasicErrorResponseType::InvalidScope
        | BasicErrorResponseType::UnsupportedGrantType
        | BasicErrorResponseType::Extension(_) => AskFault::OtherError.into(),
    }
}
