//! How a client proves itself at the token endpoint (RFC 6749 section 2.3): exactly in the way it
//! registered. Unknown clients and wrong proofs are told apart by nobody.

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{Client, ClientFault, Clients};
use crate::{
    crypto::jwt,
    grant::{ClientAuth, ClientId},
    oauth::{Form, OAuthError, patience::Patience},
    secret::SecretString,
};

/// One text for an unknown client and for a wrong proof.
pub(super) const REFUSED: OAuthError =
    OAuthError::InvalidClient("unknown client, or it did not prove itself as it registered");

/// The only form of assertion there is (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const PARAMETERS: [&str; 4] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// What a request to the token endpoint brings along to prove its client.
pub struct ClientCredentials<'a> {
    /// Id and secret of the `Authorization` header, as [`basic`] reads it.
    pub basic: Option<(String, SecretString)>,
    /// The body's parameters.
    pub form: &'a Form,
}

/// The id and the secret of an `Authorization: Basic` value (RFC 6749 section 2.3.1: both are
/// form-urlencoded before they are joined). [`OAuthError::InvalidClient`] for anything else.
pub fn basic(value: &str) -> Result<(String, SecretString), OAuthError> {
    let (scheme, encoded) = value.split_once(' ').ok_or(REFUSED)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(REFUSED);
    }
    let bytes = BASE64.decode(encoded.trim().as_bytes());
    let bytes = Zeroizing::new(bytes.map_err(|_| REFUSED)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| REFUSED)?;
    let (id, secret) = text.split_once(':').ok_or(REFUSED)?;
    Ok((decoded(id)?, SecretString::new(decoded(secret)?)))
}

fn decoded(text: &str) -> Result<String, OAuthError> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let plain = percent_decode_str(&spaced).decode_utf8();
    Ok(plain.map_err(|_| REFUSED)?.into_owned())
}

/// What was presented, whoever it is.
enum Proof<'a> {
    Nothing,
    Basic(&'a str),
    Post(&'a str),
    Assertion(&'a str),
}

impl Proof<'_> {
    const fn method(&self) -> ClientAuth {
        match self {
            Self::Nothing => ClientAuth::None,
            Self::Basic(_) => ClientAuth::ClientSecretBasic,
            Self::Post(_) => ClientAuth::ClientSecretPost,
            Self::Assertion(_) => ClientAuth::PrivateKeyJwt,
        }
    }
}

impl Clients {
    /// The client that sent this request, proven as it registered.
    ///
    /// [`OAuthError::InvalidClient`] when it is unknown or not proven, [`OAuthError::Unavailable`]
    /// when that cannot be said now.
    pub async fn authenticate(
        &self,
        presented: &ClientCredentials<'_>,
    ) -> Result<Client, OAuthError> {
        let (id, proof) = read(presented)?;
        let id: ClientId = id.parse().map_err(|_| REFUSED)?;
        let patience = Patience::new();
        let client = self
            .find_for_token(&id, proof.method(), &patience)
            .await
            .map_err(|fault| match fault {
                ClientFault::Unknown => REFUSED,
                ClientFault::Document(_) => {
                    tracing::info!(%fault, "oauth.client_refused");
                    REFUSED
                }
                ClientFault::Unavailable => OAuthError::Unavailable,
            })?;
        if client.auth != proof.method() {
            return Err(REFUSED);
        }
        match proof {
            Proof::Nothing => {}
            Proof::Basic(secret) | Proof::Post(secret) => {
                // Digests are compared in constant time.
                if client.secret != Some(self.pepper.digest_text(secret)) {
                    return Err(REFUSED);
                }
            }
            Proof::Assertion(token) => self.check_assertion(&client, token, &patience).await?,
        }
        Ok(client)
    }
}

/// The id and the one proof of a request.
fn read<'a>(presented: &'a ClientCredentials<'_>) -> Result<(String, Proof<'a>), OAuthError> {
    let form = presented.form;
    if form.is_twice(&PARAMETERS) {
        return Err(OAuthError::InvalidRequest("a parameter is given twice"));
    }
    let assertion = match (
        form.get("client_assertion_type"),
        form.get("client_assertion"),
    ) {
        (None, None) => None,
        (Some(JWT_BEARER), Some(token)) => Some(token),
        _ => {
            return Err(OAuthError::InvalidRequest(
                "client_assertion and client_assertion_type do not fit",
            ));
        }
    };
    let basic = presented.basic.as_ref();
    let secret = basic.map(|(_, secret)| secret.expose().as_str());
    // A public client may send an empty secret.
    let secret = secret.filter(|secret| !secret.is_empty());
    let posted = form.get("client_secret");
    let proof = match (secret, posted, assertion) {
        (None, None, None) => Proof::Nothing,
        (Some(secret), None, None) => Proof::Basic(secret),
        (None, Some(secret), None) => Proof::Post(secret),
        (None, None, Some(token)) => Proof::Assertion(token),
        _ => {
            return Err(OAuthError::InvalidRequest(
                "the client proves itself in more than one way",
            ));
        }
    };
    let subject = match assertion {
        Some(token) => Some(subject(token)?),
        None => None,
    };
    let named = [
        basic.map(|(id, _)| id.as_str()),
        form.get("client_id"),
        subject.as_deref(),
    ];
    let mut named = named.into_iter().flatten();
    let id = named
        .next()
        .ok_or(OAuthError::InvalidRequest("client_id is missing"))?;
    if named.any(|other| other != id) {
        return Err(OAuthError::InvalidRequest("two clients are named"));
    }
    Ok((id.to_owned(), proof))
}

/// Whom an assertion speaks for, before it is verified.
fn subject(token: &str) -> Result<String, OAuthError> {
    let claims = jwt::unverified(token).map_err(|_| REFUSED)?;
    let subject = claims.get("sub").and_then(|value| value.as_str());
    Ok(subject.ok_or(REFUSED)?.to_owned())
}

#[cfg(test)]
mod tests;
