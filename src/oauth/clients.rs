//! Who a client is: added by the operator, registered by itself, or told by its own document.

use crate::{
    crypto::TokenDigest,
    grant::{ClientAuth, ClientId, ClientKind},
    store::{ClientRecord, Store},
};

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

/// Looks clients up.
pub struct Clients {
    store: Store,
}

impl Clients {
    /// Over this store.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The client of this id.
    pub async fn find(&self, id: &ClientId) -> Result<Client, ClientFault> {
        let found = self.store.client(id).await.map_err(|error| {
            tracing::warn!(%error, "oauth.store_failed");
            ClientFault::Unavailable
        })?;
        found.map(Client::from).ok_or(ClientFault::Unknown)
    }
}
