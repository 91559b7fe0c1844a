//! Who a client is: added by the operator, registered by itself, or told by its own document.

mod address;
mod assertion;
pub mod credentials;
mod document;
mod metadata;
mod recall;
pub mod register;
mod slots;
pub mod web;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use url::Url;

pub use self::{
    credentials::{ClientCredentials, basic},
    register::Registration,
    web::{ReadFault, Reader, Web, WebError},
};
use self::{
    metadata::Terms,
    recall::{Found, Recall},
    slots::Slots,
};
use super::{
    Settings,
    patience::{Again, Patience},
};
use crate::{
    clock::SharedClock,
    crypto::{Pepper, TokenDigest, jwt::KeySet},
    entropy::SharedEntropy,
    grant::{ClientAuth, ClientId, ClientKind},
    limit::Limiter,
    store::{ClientRecord, Store},
};

/// How long a copy that no longer counts may help out where it cannot be read anew: at the token
/// endpoint, so that whoever is connected stays so.
const STALE: Duration = Duration::from_hours(24);
/// The same where a person is about to approve: as long as they may think about it.
const FORM: Duration = Duration::from_mins(10);

/// A client, as far as an authorization needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself by.
    pub id: ClientId,
    /// How much about it was checked before.
    pub kind: ClientKind,
    /// The name it claims; written by strangers: strip and escape it.
    pub name: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// The keyed digest of its secret.
    pub secret: Option<TokenDigest>,
    /// Its public keys, a JSON Web Key Set.
    pub jwks: Option<String>,
    /// Where its public keys are.
    pub jwks_uri: Option<String>,
    /// Is the host of its document one that the operator lists?
    pub publisher: Publisher,
}

/// What is known about a document's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// The operator lists it.
    Listed,
    /// Nothing is known.
    Unknown,
}

/// Why there is no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// Nobody has this id (any more).
    #[error("unknown client")]
    Unknown,
    /// Its document cannot be accepted; the text is a constant that says why.
    #[error("client document refused: {0}")]
    Document(&'static str),
    /// The store, or the document's host, does not answer.
    #[error("client cannot be looked up at the moment")]
    Unavailable,
}

impl From<ClientRecord> for Client {
    fn from(record: ClientRecord) -> Self {
        Self {
            id: record.id,
            kind: record.kind,
            name: record.name,
            redirect_uris: record.redirect_uris,
            auth: record.auth,
            secret: record.secret,
            jwks: record.jwks,
            jwks_uri: record.jwks_uri,
            publisher: Publisher::Unknown,
        }
    }
}

/// What [`Clients`] is made of.
pub struct ClientsParts {
    /// Keeps registered and added clients.
    pub store: Store,
    /// What the configuration says.
    pub settings: Arc<Settings>,
    /// Keys digests of secrets and registrations.
    pub pepper: Pepper,
    /// Counts registrations.
    pub limiter: Arc<Limiter>,
    /// Time.
    pub clock: SharedClock,
    /// Makes ids and secrets.
    pub entropy: SharedEntropy,
    /// Reads documents and keys.
    pub reader: Arc<dyn Reader>,
}

/// Looks clients up, registers them, and has them prove themselves.
pub struct Clients {
    store: Store,
    settings: Arc<Settings>,
    pepper: Pepper,
    limiter: Arc<Limiter>,
    clock: SharedClock,
    entropy: SharedEntropy,
    reader: Arc<dyn Reader>,
    documents: Recall<Client>,
    key_sets: Recall<KeySet>,
}

impl Clients {
    /// From its parts; nothing is remembered yet.
    pub fn new(parts: ClientsParts) -> Self {
        let slots = Arc::new(Slots::new(
            &parts.settings.documents.hosts,
            Arc::clone(&parts.limiter),
            parts.pepper.clone(),
        ));
        Self {
            documents: Recall::new(Arc::clone(&parts.clock), Arc::clone(&slots)),
            key_sets: Recall::new(Arc::clone(&parts.clock), slots),
            store: parts.store,
            settings: parts.settings,
            pepper: parts.pepper,
            limiter: parts.limiter,
            clock: parts.clock,
            entropy: parts.entropy,
            reader: parts.reader,
        }
    }

    /// The client of this id. Reads its document when the id is an address. While that cannot be
    /// read a copy will do that counted ten minutes ago: a form that was shown with it can be sent.
    pub async fn find(&self, id: &ClientId) -> Result<Client, ClientFault> {
        if id.is_document() {
            let (url, publisher) = address::admitted(id, &self.settings.documents)?;
            return match self.described(id, url, publisher).await {
                Err(fault @ (ReadFault::Silent | ReadFault::Unreadable(_))) => {
                    let shown = self.documents.stale(id.as_str(), FORM);
                    shown.ok_or(fault.into())
                }
                found => Ok(found?),
            };
        }
        let found = self.store.client(id).await.map_err(|error| {
            tracing::warn!(%error, "oauth.store_failed");
            ClientFault::Unavailable
        })?;
        found.map(Client::from).ok_or(ClientFault::Unknown)
    }

    /// The same for the token endpoint, where whoever is connected stays so: only a document that
    /// was read and says what is refused takes a client back. `way` is how it proves itself now.
    async fn find_for_token(
        &self,
        id: &ClientId,
        way: ClientAuth,
        patience: &Patience,
    ) -> Result<Client, ClientFault> {
        if id.is_document() {
            let (url, publisher) = address::admitted(id, &self.settings.documents)?;
            return match self.described(id, url.clone(), publisher).await {
                Err(ReadFault::Silent | ReadFault::Unreadable(_)) => {
                    self.unread(id, &url, publisher, way)
                }
                found => Ok(found?),
            };
        }
        loop {
            match self.find(id).await {
                // The store of our own is waited for, as everywhere at the token endpoint.
                Err(ClientFault::Unavailable) if patience.pause().await == Again::Yes => {}
                found => return found,
            }
        }
    }

    /// What is known of a client whose document cannot be read: a copy that counted within the last
    /// day, or else no more than its id. That is enough for a public one, since its code or token
    /// names the client, and PKCE or the token itself proves the rest.
    fn unread(
        &self,
        id: &ClientId,
        url: &Url,
        publisher: Publisher,
        way: ClientAuth,
    ) -> Result<Client, ClientFault> {
        if let Some(stale) = self.documents.stale(id.as_str(), STALE) {
            return Ok(stale);
        }
        let last = self.documents.last(id.as_str());
        let was_confidential = last.is_some_and(|client| client.auth != ClientAuth::None);
        if way != ClientAuth::None || was_confidential {
            return Err(ClientFault::Unavailable);
        }
        Ok(Client {
            id: id.clone(),
            kind: ClientKind::Document,
            name: url.host_str().unwrap_or_default().to_owned(),
            redirect_uris: Vec::new(),
            auth: ClientAuth::None,
            secret: None,
            jwks: None,
            jwks_uri: None,
            publisher,
        })
    }

    /// The client that a document describes.
    async fn described(
        &self,
        id: &ClientId,
        url: Url,
        publisher: Publisher,
    ) -> Result<Client, ReadFault> {
        let read = || -> BoxFuture<'static, Found<Client>> {
            let (reader, id) = (Arc::clone(&self.reader), id.clone());
            let settings = Arc::clone(&self.settings);
            Box::pin(async move {
                let read = reader.read(url.clone(), document::LARGEST).await?;
                let terms = Terms {
                    schemes: &settings.registration.schemes,
                    permits: &|url| reader.permits(url),
                };
                let client = document::read(&read.body, &id, &url, publisher, &terms)?;
                Ok((client, read.fresh))
            })
        };
        self.documents.get(id.as_str(), read).await
    }
}

#[cfg(test)]
mod tests;
