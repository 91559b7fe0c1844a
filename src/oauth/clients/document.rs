//! Client ID Metadata Documents: a client that is named by an address tells there who it is
//! (draft-ietf-oauth-client-id-metadata-document). Refuses anything secret in it.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Client, Publisher,
    metadata::{Fault, Metadata, Terms},
    web::ReadFault,
};
use crate::{
    grant::{ClientAuth, ClientId, ClientKind},
    mcp::json,
};

/// Largest document, in bytes.
pub(super) const LARGEST: usize = 5 * 1024;

/// The client that the document at `id` describes.
pub(super) fn read(
    body: &[u8],
    id: &ClientId,
    url: &Url,
    publisher: Publisher,
    terms: &Terms<'_>,
) -> Result<Client, ReadFault> {
    let map = object(body).ok_or(ReadFault::Unreadable(
        "the client's document is not a JSON object that names everything once",
    ))?;
    let named = map.get("client_id").ok_or(ReadFault::Unreadable(
        "the client's document names no client_id",
    ))?;
    if named.as_str() != Some(id.as_str()) {
        return Err(ReadFault::Refused(
            "client_id in the client's document differs from its address",
        ));
    }
    if map.contains_key("client_secret") {
        return Err(ReadFault::Refused(
            "the client's document holds a client_secret, which everybody can read",
        ));
    }
    let metadata = Metadata::read(&map, terms).map_err(|fault| match fault {
        Fault::Redirect(text) | Fault::Other(text) => ReadFault::Refused(text),
    })?;
    match metadata.auth {
        ClientAuth::None | ClientAuth::PrivateKeyJwt => {}
        ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost => {
            return Err(ReadFault::Refused(
                "a client with a document cannot have a secret: token_endpoint_auth_method must be \
                 none or private_key_jwt",
            ));
        }
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    Ok(Client {
        id: id.clone(),
        kind: ClientKind::Document,
        name: metadata.name.unwrap_or(host),
        redirect_uris: metadata.redirect_uris,
        auth: metadata.auth,
        secret: None,
        jwks: metadata.jwks,
        jwks_uri: metadata.jwks_uri,
        publisher,
    })
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match json::parse(body) {
        Ok(json::Parsed {
            value: Value::Object(map),
            excess: None,
        }) => Some(map),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
