//! `POST /session`: a license key in, a short session token out, for scripts.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{Method, request::Parts};

use super::{
    OAuthEndpoints,
    answer::{Refused, exchanged, refused},
    read_form,
};
use crate::{
    http::{
        authenticate::{Presented, bearer},
        media::{Media, media},
        refusal::EdgeRefusal,
    },
    mcp::json,
    oauth::{OAuthError, Tokens},
    secret::SecretString,
};

const MISSING: OAuthError = OAuthError::InvalidRequest("license_key is missing");

pub(super) async fn session(
    State(endpoints): State<Arc<OAuthEndpoints>>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    match endpoints.exchange(&head, body).await {
        Ok(tokens) => exchanged(&head, &endpoints.authenticate, &tokens),
        Err(refusal) => refused(&head, refusal),
    }
}

impl OAuthEndpoints {
    async fn exchange(&self, head: &Parts, body: Body) -> Result<Tokens, Refused> {
        if head.method != Method::POST {
            return Err(EdgeRefusal::MethodNotAllowed.into());
        }
        let key = self.license_key(head, body).await?;
        match self.server.grants.exchange(key.expose()).await {
            Ok(tokens) => Ok(tokens),
            // Guessing here costs what guessing at the connector costs.
            Err(OAuthError::InvalidGrant(_)) => Err(self.authenticate.failed(head).await.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn license_key(&self, head: &Parts, body: Body) -> Result<SecretString, Refused> {
        match bearer(&head.headers) {
            Presented::Token(key) => return Ok(SecretString::new(key.to_owned())),
            Presented::Malformed => return Err(self.authenticate.failed(head).await.into()),
            Presented::Nothing => {}
        }
        let media = media(&head.headers).ok_or(EdgeRefusal::UnsupportedMediaType)?;
        let (bytes, _held) = self.bytes(head, body).await?;
        let key = match media {
            Media::Form => read_form(&bytes)?.get("license_key").map(ToOwned::to_owned),
            Media::Json => {
                let odd = OAuthError::InvalidRequest("the body is not JSON");
                let parsed = json::parse(&bytes).map_err(|_| odd)?;
                parsed.value["license_key"].as_str().map(ToOwned::to_owned)
            }
        };
        Ok(SecretString::new(key.ok_or(MISSING)?))
    }
}
