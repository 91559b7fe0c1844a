//! Dynamic client registration (RFC 7591): anybody may, so it is counted, bounded, and the same
//! registration is the same client.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use super::{
    Clients,
    metadata::{Fault, Metadata, Terms},
};
use crate::{
    clock::Timestamp,
    crypto::{self, ClientSecret, Pepper, TokenDigest},
    entropy::Entropy,
    grant::{ClientAuth, ClientId, ClientKind},
    limit::Claim,
    mcp::json,
    oauth::{A_WHILE, OAuthError},
    quota::Tier,
    store::{ClientRecord, Registered},
};

/// Largest registration, in bytes.
pub const LARGEST: usize = 16 * 1024;
/// Registered clients that never got a token are forgotten after this long.
const UNUSED: Duration = Duration::from_hours(24);
/// With no room left, the oldest of them makes some after this long: a person signs in within it.
const SIGN_IN: Duration = Duration::from_mins(10);
/// Those without a living session, this long after their last token.
const IDLE: Duration = Duration::from_hours(90 * 24);

/// What a client is told about its registration (RFC 7591 section 3.2.1). Serialises to the body of
/// the 201 answer, and so holds the one copy of the secret that there is.
pub struct Registration {
    client: ClientRecord,
    secret: Option<ClientSecret>,
}

impl Registration {
    /// The client's id.
    pub const fn id(&self) -> &ClientId {
        &self.client.id
    }
}

impl Serialize for Registration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let client = &self.client;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("client_id", &client.id)?;
        let issued = client.created.as_millis().div_euclid(1_000);
        map.serialize_entry("client_id_issued_at", &issued)?;
        if let Some(secret) = &self.secret {
            map.serialize_entry("client_secret", secret.expose())?;
            // It does not expire.
            map.serialize_entry("client_secret_expires_at", &0)?;
        }
        map.serialize_entry("client_name", &client.name)?;
        map.serialize_entry("redirect_uris", &client.redirect_uris)?;
        map.serialize_entry("grant_types", &["authorization_code", "refresh_token"])?;
        map.serialize_entry("response_types", &["code"])?;
        map.serialize_entry("token_endpoint_auth_method", &client.auth)?;
        if let Some(uri) = &client.jwks_uri {
            map.serialize_entry("jwks_uri", uri)?;
        }
        let jwks = client.jwks.as_deref();
        if let Some(jwks) = jwks.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            map.serialize_entry("jwks", &jwks)?;
        }
        map.end()
    }
}

impl Clients {
    /// Registers the client that `body` describes, a JSON object of at most [`LARGEST`] bytes.
    /// A public client that registers the same again is given the same id; one with a secret is
    /// always new, since its secret cannot be shown twice.
    pub async fn register(&self, body: &[u8]) -> Result<Registration, OAuthError> {
        let policy = &self.settings.registration;
        if !policy.enabled {
            return Err(OAuthError::AccessDenied("clients cannot register here"));
        }
        let metadata = self.read_registration(body)?;
        let (record, secret) = self.record(metadata);
        let now = self.clock.now();
        if let Some(fingerprint) = &record.fingerprint
            && let Some(client) = self.store.registered_before(fingerprint, now).await?
        {
            return Ok(Registration {
                client,
                secret: None,
            });
        }
        // One bucket for all: users of a hosted client come from a few addresses. Clients that are
        // known take nothing from it, so a flood of new ones keeps none of them out.
        self.limiter
            .take(Claim::one(Tier::Registration, policy.limit, [0; 16]))
            .decided()
            .await
            .map_err(|error| OAuthError::of_limit(error, "too many registrations at the moment"))?;
        let mut registered = self.store.register_client(&record, policy.most).await?;
        if registered == Registered::Full {
            let before = |span: Duration| {
                let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(now.as_millis().saturating_sub(span))
            };
            let pruned = self
                .store
                .prune_clients(before(UNUSED), before(IDLE))
                .await?;
            if pruned > 0 || self.store.evict_client(before(SIGN_IN)).await? {
                registered = self.store.register_client(&record, policy.most).await?;
            }
        }
        match registered {
            Registered::New => Ok(Registration {
                client: record,
                secret,
            }),
            Registered::Known(client) => Ok(Registration {
                client: *client,
                secret: None,
            }),
            Registered::Full => {
                tracing::warn!(most = policy.most, "oauth.registrations_full");
                Err(OAuthError::SlowDown(
                    "too many clients are registered",
                    A_WHILE,
                ))
            }
        }
    }

    fn read_registration(&self, body: &[u8]) -> Result<Metadata, OAuthError> {
        const NO_OBJECT: OAuthError = OAuthError::InvalidClientMetadata(
            "the body must be a JSON object of at most 16 KiB that names everything once",
        );
        if body.len() > LARGEST {
            return Err(NO_OBJECT);
        }
        let Ok(json::Parsed {
            value: Value::Object(map),
            excess: None,
        }) = json::parse(body)
        else {
            return Err(NO_OBJECT);
        };
        let terms = Terms {
            schemes: &self.settings.registration.schemes,
            permits: &|url| self.reader.permits(url),
        };
        Metadata::read(&map, &terms).map_err(|fault| match fault {
            Fault::Redirect(text) => OAuthError::InvalidRedirectUri(text),
            Fault::Other(text) => OAuthError::InvalidClientMetadata(text),
        })
    }

    fn record(&self, metadata: Metadata) -> (ClientRecord, Option<ClientSecret>) {
        let name = metadata.display_name();
        let fingerprint = match metadata.auth {
            ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost => None,
            ClientAuth::None | ClientAuth::PrivateKeyJwt => {
                Some(self.fingerprint(&name, &metadata))
            }
        };
        let (mut record, secret) = make(metadata, &self.pepper, self.clock.now(), &*self.entropy);
        record.fingerprint = fingerprint;
        (record, secret)
    }

    /// Over all that is kept, in one form: lists as JSON leave no doubt where one part ends.
    fn fingerprint(&self, name: &str, metadata: &Metadata) -> TokenDigest {
        let kept = json!([
            "registration/v1",
            name,
            metadata.redirect_uris,
            metadata.auth,
            metadata.jwks,
            metadata.jwks_uri,
        ]);
        self.pepper.digest_text(&kept.to_string())
    }
}

/// A client that the operator adds: each of its redirect URIs must be acceptable, and its secret, if
/// it is to have one, is made here and stands nowhere else.
pub fn added(
    metadata: &Map<String, Value>,
    schemes: &[String],
    pepper: &Pepper,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(ClientRecord, Option<ClientSecret>), &'static str> {
    let terms = Terms {
        schemes,
        // The operator may have keys in a network of their own; reading them is guarded.
        permits: &|_| true,
    };
    let given = metadata.get("redirect_uris").and_then(Value::as_array);
    let given = given.map_or(0, Vec::len);
    let metadata = Metadata::read(metadata, &terms).map_err(|fault| match fault {
        Fault::Redirect(text) | Fault::Other(text) => text,
    })?;
    if metadata.redirect_uris.len() != given {
        return Err(
            "a redirect URI is given twice, or is neither https, nor http on a loopback \
             host, nor of a scheme in auth.oauth.registration.schemes",
        );
    }
    let (mut record, secret) = make(metadata, pepper, now, entropy);
    record.kind = ClientKind::Added;
    Ok((record, secret))
}

/// A new client, and its secret when it is to have one.
fn make(
    metadata: Metadata,
    pepper: &Pepper,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> (ClientRecord, Option<ClientSecret>) {
    let secret = match metadata.auth {
        ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost => {
            Some(ClientSecret::generate(entropy))
        }
        ClientAuth::None | ClientAuth::PrivateKeyJwt => None,
    };
    let digest = |secret: &ClientSecret| pepper.digest_text(secret.expose());
    let record = ClientRecord {
        id: ClientId::from(&crypto::ClientId::generate(entropy)),
        kind: ClientKind::Registered,
        name: metadata.display_name(),
        redirect_uris: metadata.redirect_uris,
        auth: metadata.auth,
        secret: secret.as_ref().map(digest),
        secret_hint: secret.as_ref().map(ClientSecret::hint),
        jwks: metadata.jwks,
        jwks_uri: metadata.jwks_uri,
        fingerprint: None,
        created: now,
        used: None,
    };
    (record, secret)
}

#[cfg(test)]
mod tests;
