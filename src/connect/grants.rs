//! What is asked of a provider about an account: codes redeemed, grants renewed, permissions listed.

use std::{borrow::Cow, collections::BTreeSet};

use http::Method;
use oauth2::{AuthorizationCode, PkceCodeVerifier, RedirectUrl, RefreshToken};
use url::Url;

use super::{
    AccountSite,
    ask::{AskFault, Question},
    token_endpoint::{Client, TokenEndpoint, TokenError, Tokens, permissions},
};
use crate::{names::ScopeName, secret::SecretString};

impl AccountSite {
    /// Redeems a code (RFC 6749 section 4.1.3).
    pub(super) async fn redeem(
        &self,
        code: String,
        verifier: Option<String>,
    ) -> Result<Tokens, TokenError> {
        let (endpoint, client) = self.endpoint();
        let redirect = RedirectUrl::from_url(self.redirect_uri.clone());
        let mut request = client
            .exchange_code(AuthorizationCode::new(code))
            .set_redirect_uri(Cow::Owned(redirect));
        if let Some(verifier) = verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        let answered = request.request_async(&endpoint).await;
        self.lasting(Tokens::read(answered))
    }

    /// Renews with a refresh token (RFC 6749 section 6).
    pub(super) async fn refresh(&self, token: SecretString) -> Result<Tokens, TokenError> {
        let (endpoint, client) = self.endpoint();
        let token = RefreshToken::new(token.expose().clone());
        let request = client.exchange_refresh_token(&token);
        let answered = request.request_async(&endpoint).await;
        self.lasting(Tokens::read(answered))
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
        let (endpoint, _) = self.endpoint();
        self.lasting(endpoint.ask(Question::new(Method::GET, url)).await)
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
        Ok(permissions(reply.body.expose()).ok_or(AskFault::Unreadable)?)
    }

    fn endpoint(&self) -> (TokenEndpoint<'_>, Client) {
        let endpoint = TokenEndpoint {
            url: &self.provider.token_url,
            egress: &self.egress,
            separator: self.provider.granted_scope_separator,
        };
        let shown = self.provider.client_auth;
        let client = endpoint.client(&self.client_id, self.client_secret.as_ref(), shown);
        (endpoint, client)
    }

    /// Where an answer does not say how long, the provider's documentation does.
    fn lasting(&self, tokens: Result<Tokens, TokenError>) -> Result<Tokens, TokenError> {
        let mut tokens = tokens?;
        tokens.life = tokens.life.or(self.provider.access_token_lifetime);
        Ok(tokens)
    }
}
