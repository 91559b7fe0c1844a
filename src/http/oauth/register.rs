//! `POST /register`: a client's own registration (RFC 7591). Any program may, also in a page of any
//! origin: what it gets is worth nothing without a person who approves.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, Method,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};

use super::{
    OAuthEndpoints,
    answer::{Refused, refused, registered},
};
use crate::{
    http::{
        media::{Media, media},
        observe::Edge,
        refusal::EdgeRefusal,
    },
    oauth::{OAuthError, clients::register::Registration},
    quota::Tier,
};

/// A registration that is too large is told in the words of RFC 7591 section 3.2.2.
const TOO_LARGE: OAuthError = OAuthError::InvalidClientMetadata("the body is larger than 16 KiB");

pub(super) async fn register(
    State(endpoints): State<Arc<OAuthEndpoints>>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    match endpoints.registration(&head, body).await {
        Ok(registration) => registered(&head, &registration),
        Err(refusal) => {
            if let Refused::OAuth(OAuthError::SlowDown(..)) = refusal
                && let Some(edge) = head.extensions.get::<Edge>()
            {
                edge.record.fields().tier = Some(Tier::Registration.as_str());
            }
            refused(&head, refusal)
        }
    }
}

impl OAuthEndpoints {
    async fn registration(&self, head: &Parts, body: Body) -> Result<Registration, Refused> {
        if head.method != Method::POST {
            return Err(EdgeRefusal::MethodNotAllowed.into());
        }
        if !is_json(&head.headers) {
            return Err(EdgeRefusal::UnsupportedMediaType.into());
        }
        let (bytes, _held) = self.bytes(head, body).await.map_err(|refusal| {
            if refusal == EdgeRefusal::BodyTooLarge {
                Refused::OAuth(TOO_LARGE)
            } else {
                Refused::Edge(refusal)
            }
        })?;
        Ok(self.server.clients.register(&bytes).await?)
    }
}

/// A body that names no type is read as JSON too.
fn is_json(headers: &HeaderMap) -> bool {
    let nameless = !headers.contains_key(CONTENT_TYPE) && !headers.contains_key(CONTENT_ENCODING);
    nameless || media(headers) == Some(Media::Json)
}
