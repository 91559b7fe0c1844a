//! One order at a token endpoint: sent by the way that leads there and nowhere else, its answer read,
//! nothing of it repeated.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    RefreshToken, Scope, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse, BasicTokenType},
};
use url::{Url, form_urlencoded};

use super::super::{
    ask::{AskFault, Question},
    token_endpoint::{TokenError, class_of, said},
};
use crate::{
    config::credential::ShownBy,
    egress::EgressClient,
    secret::{SecretBytes, SecretJson, SecretString},
    upstream::{
        Minted,
        credential::mint::{Client, Grant, Order},
    },
};

/// The grant type of assertions (RFC 7523 section 2.1).
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What was bought.
pub(super) struct Bought {
    pub(super) access: SecretString,
    /// Another secret to buy with from now on.
    pub(super) refresh: Option<SecretString>,
    /// How long it is good for, when the answer says so.
    pub(super) life: Option<Duration>,
}

type Sold =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Sends the order.
pub(super) fn buy(
    minted: Arc<Minted>,
    order: Order,
) -> BoxFuture<'static, Result<Bought, TokenError>> {
    Box::pin(async move { ask(&minted, order).await })
}

async fn ask(minted: &Minted, order: Order) -> Result<Bought, TokenError> {
    let url = minted.mint.endpoint();
    let egress = minted.egress.clone();
    let send = move |request| post(egress.clone(), request);
    let scopes = order.scopes.into_iter().map(Scope::new);
    let answer = match order.grant {
        Grant::ClientCredentials(client) => {
            let client = client_of(client, url);
            let mut request = client.exchange_client_credentials().add_scopes(scopes);
            if let Some(audience) = order.audience {
                request = request.add_extra_param("audience", audience);
            }
            request.request_async(&send).await.map_err(class_of)?
        }
        Grant::Refresh(client, token) => {
            let token = RefreshToken::new(token.expose().clone());
            let client = client_of(client, url);
            let request = client.exchange_refresh_token(&token).add_scopes(scopes);
            request.request_async(&send).await.map_err(class_of)?
        }
        Grant::Assertion(assertion) => by_assertion(&minted.egress, url, &assertion).await?,
    };
    let access = answer.access_token().secret();
    // Only bearer tokens can be put on a request (RFC 6749 section 7.1).
    if access.is_empty() || *answer.token_type() != BasicTokenType::Bearer {
        return Err(AskFault::Unreadable.into());
    }
    let refresh = answer.refresh_token();
    Ok(Bought {
        access: SecretString::new(access.clone()),
        refresh: refresh.map(|token| SecretString::new(token.secret().clone())),
        life: answer.expires_in().filter(|life| !life.is_zero()),
    })
}

fn client_of(client: Client, url: &Url) -> Sold {
    BasicClient::new(ClientId::new(client.id))
        .set_auth_type(match client.shown_by {
            ShownBy::Basic => AuthType::BasicAuth,
            ShownBy::Body => AuthType::RequestBody,
        })
        .set_token_uri(TokenUrl::from_url(url.clone()))
        .set_client_secret(ClientSecret::new(client.secret.expose().clone()))
}

/// `oauth2` knows no such grant; its answers are the same.
async fn by_assertion(
    egress: &EgressClient,
    url: &Url,
    assertion: &SecretString,
) -> Result<BasicTokenResponse, TokenError> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", ASSERTION)
        .append_pair("assertion", assertion.expose())
        .finish();
    let mut question = Question::new(Method::POST, url.clone());
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    question.headers.insert(CONTENT_TYPE, kind);
    question.body = Some(Bytes::from(form));
    let reply = question.ask(egress).await?;
    let unreadable = |_| TokenError::Unavailable(AskFault::Unreadable);
    let body = readable(reply.body);
    let body = body.expose();
    if reply.status.is_success() {
        return serde_json::from_slice(body).map_err(unreadable);
    }
    let answer: BasicErrorResponse = serde_json::from_slice(body).map_err(unreadable)?;
    Err(said(&answer))
}

/// Sends what `oauth2` made.
async fn post(egress: EgressClient, request: HttpRequest) -> Result<HttpResponse, AskFault> {
    let (head, body) = request.into_parts();
    let url = Url::parse(&head.uri.to_string()).map_err(|_| AskFault::Unreadable)?;
    let mut question = Question::new(head.method, url);
    question.headers = head.headers;
    question.body = Some(Bytes::from(body));
    let reply = question.ask(&egress).await?;
    // `oauth2` does not wipe what it reads; it is dropped as soon as it is read.
    let body = readable(reply.body);
    let mut response = http::Response::new(body.expose().clone());
    *response.status_mut() = reply.status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// Some send the lifetime as text, where RFC 6749 section 5.1 has a number.
fn readable(body: SecretBytes) -> SecretBytes {
    let mut json = SecretJson::parse(body.expose());
    let told = json["expires_in"].as_str();
    let Some(seconds) = told.and_then(|text| text.parse::<u64>().ok()) else {
        return body;
    };
    json["expires_in"] = seconds.into();
    SecretBytes::new(json.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> String {
        let body = readable(SecretBytes::new(body.as_bytes().to_vec()));
        String::from_utf8(body.expose().clone()).unwrap()
    }

    #[test]
    fn a_lifetime_may_be_text() {
        let answer: BasicTokenResponse = serde_json::from_str(&read(
            r#"{"access_token":"t","token_type":"bearer","expires_in":"3600"}"#,
        ))
        .unwrap();
        assert_eq!(answer.expires_in(), Some(Duration::from_hours(1)));
        for same in [
            r#"{"expires_in":3600}"#,
            r#"{"expires_in":"soon"}"#,
            "[]",
            "no",
        ] {
            assert_eq!(read(same), same);
        }
    }
}
