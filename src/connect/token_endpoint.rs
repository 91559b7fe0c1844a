//! The provider's token endpoint (RFC 6749 section 3.2): codes redeemed, tokens renewed.
//!
//! What goes wrong is told in three classes; nothing that the provider wrote is ever repeated.

mod plain;

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse},
};
use url::Url;

use self::plain::Plain;
use super::{
    AccountSite,
    ask::{AskFault, Question},
};
use crate::{
    config::provider::ClientAuthentication,
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

type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl<'c> AsyncHttpClient<'c> for AccountSite {
    type Error = AskFault;
    /// Boxed, so that whoever waits for it may be on any thread.
    type Future = BoxFuture<'c, Result<HttpResponse, AskFault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.post(request))
    }
}

impl AccountSite {
    /// Redeems a code (RFC 6749 section 4.1.3).
    pub(super) async fn redeem(
        &self,
        code: String,
        verifier: Option<String>,
    ) -> Result<Tokens, TokenError> {
        let client = self.client();
        let redirect = RedirectUrl::from_url(self.redirect_uri.clone());
        let mut request = client
            .exchange_code(AuthorizationCode::new(code))
            .set_redirect_uri(Cow::Owned(redirect));
        if let Some(verifier) = verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        let answer = request.request_async(self).await;
        self.tokens(&answer.map_err(class_of)?)
    }

    /// Renews with a refresh token (RFC 6749 section 6).
    pub(super) async fn refresh(&self, token: SecretString) -> Result<Tokens, TokenError> {
        let client = self.client();
        let token = RefreshToken::new(token.expose().clone());
        let request = client.exchange_refresh_token(&token);
        let answer = request.request_async(self).await;
        self.tokens(&answer.map_err(class_of)?)
    }

    /// Renews an access token that is still good with itself, as Meta has it.
    pub(super) async fn exchange(&self, access: SecretString) -> Result<Tokens, TokenError> {
        let mut url = self.provider.token_url.clone();
        let secret = self.client_secret.as_ref();
        url.query_pairs_mut()
            .append_pair("grant_type", "fb_exchange_token")
            .append_pair("client_id", &self.client_id)
            .extend_pairs(secret.map(|secret| ("client_secret", secret.expose())))
            .append_pair("fb_exchange_token", access.expose());
        let reply = self.ask(Question::new(Method::GET, url)).await?;
        let plain = Plain::of(&self.provider, reply.status, reply.body.expose())
            .ok_or(AskFault::Unreadable)?;
        let unreadable = |_| TokenError::Unavailable(AskFault::Unreadable);
        if plain.status.is_success() {
            let answer: BasicTokenResponse =
                serde_json::from_slice(plain.body.expose()).map_err(unreadable)?;
            return self.tokens(&answer);
        }
        let answer: BasicErrorResponse =
            serde_json::from_slice(plain.body.expose()).map_err(unreadable)?;
        Err(said(&answer))
    }

    fn client(&self) -> Client {
        let proof = match self.provider.client_auth {
            ClientAuthentication::Basic => AuthType::BasicAuth,
            ClientAuthentication::Body => AuthType::RequestBody,
        };
        let mut client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(proof)
            .set_token_uri(TokenUrl::from_url(self.provider.token_url.clone()));
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        client
    }

    /// Sends what `oauth2` made, and brings the answer into the one form that it reads.
    async fn post(&self, request: HttpRequest) -> Result<HttpResponse, AskFault> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| AskFault::Unreadable)?;
        let mut question = Question::new(head.method, url);
        question.headers = head.headers;
        question.body = Some(Bytes::from(body));
        let reply = self.ask(question).await?;
        let plain = Plain::of(&self.provider, reply.status, reply.body.expose())
            .ok_or(AskFault::Unreadable)?;
        let mut response = http::Response::new(plain.body.expose().clone());
        *response.status_mut() = plain.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }

    fn tokens(&self, answer: &BasicTokenResponse) -> Result<Tokens, TokenError> {
        let access = answer.access_token().secret();
        // Only bearer tokens can be put on a request (RFC 6749 section 7.1).
        let is_bearer = *answer.token_type() == oauth2::basic::BasicTokenType::Bearer;
        if access.is_empty() || !is_bearer {
            return Err(AskFault::Unreadable.into());
        }
        let scopes = answer.scopes().map(|scopes| {
            let known = scopes.iter().filter_map(|scope| scope.parse().ok());
            known.collect()
        });
        Ok(Tokens {
            access: SecretString::new(access.clone()),
            refresh: answer
                .refresh_token()
                .map(|token| SecretString::new(token.secret().clone())),
            life: answer
                .expires_in()
                .filter(|life| !life.is_zero())
                .or(self.provider.access_token_lifetime),
            scopes,
        })
    }

    /// What an account granted, where token answers do not say: `{ data: [{ permission, status }] }`.
    pub(super) async fn permissions(
        &self,
        url: &Url,
        access: &SecretString,
    ) -> Result<BTreeSet<ScopeName>, TokenError> {
        let question = Question::new(Method::GET, url.clone()).with_bearer(access)?;
        let reply = self.ask(question).await?;
        if !reply.status.is_success() {
            return Err(AskFault::OtherError.into());
        }
        Ok(plain::permissions(reply.body.expose()).ok_or(AskFault::Unreadable)?)
    }
}

pub(super) fn class_of(error: RequestTokenError<AskFault, BasicErrorResponse>) -> TokenError {
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

pub(super) fn said(answer: &BasicErrorResponse) -> TokenError {
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
