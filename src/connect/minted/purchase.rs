//! One order at a token endpoint.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use oauth2::{RefreshToken, Scope};
use url::form_urlencoded;

use super::super::{
    ask::Question,
    token_endpoint::{Client, TokenEndpoint, TokenError, Tokens},
};
use crate::{
    config::provider::ScopeSeparator,
    crypto::jwt::service_account::GRANT_TYPE,
    secret::SecretString,
    upstream::{
        Minted,
        credential::mint::{self, Grant, Order},
    },
};

/// Sends the order.
pub(super) fn buy(
    minted: Arc<Minted>,
    order: Order,
) -> BoxFuture<'static, Result<Tokens, TokenError>> {
    Box::pin(async move { ask(&minted, order).await })
}

async fn ask(minted: &Minted, order: Order) -> Result<Tokens, TokenError> {
    let endpoint = TokenEndpoint {
        url: minted.mint.endpoint(),
        egress: &minted.egress,
        separator: ScopeSeparator::Space,
    };
    let scopes = order.scopes.into_iter().map(Scope::new);
    let client = |client: &mint::Client| -> Client {
        endpoint.client(&client.id, Some(&client.secret), client.shown_by)
    };
    match order.grant {
        Grant::ClientCredentials(ours) => {
            let client = client(&ours);
            let mut request = client.exchange_client_credentials().add_scopes(scopes);
            if let Some(audience) = order.audience {
                request = request.add_extra_param("audience", audience);
            }
            Tokens::read(request.request_async(&endpoint).await)
        }
        Grant::Refresh(ours, token) => {
            let token = RefreshToken::new(token.expose().clone());
            let client = client(&ours);
            let request = client.exchange_refresh_token(&token).add_scopes(scopes);
            Tokens::read(request.request_async(&endpoint).await)
        }
        Grant::Assertion(assertion) => endpoint.ask(with(&endpoint, &assertion)).await,
    }
}

/// The form of an assertion (RFC 7523 section 2.1).
fn with(endpoint: &TokenEndpoint<'_>, assertion: &SecretString) -> Question {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", GRANT_TYPE)
        .append_pair("assertion", assertion.expose())
        .finish();
    let mut question = Question::new(Method::POST, endpoint.url.clone());
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    question.headers.insert(CONTENT_TYPE, kind);
    question.body = Some(Bytes::from(form));
    question
}
