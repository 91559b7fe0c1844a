//! A credential and how it is put on a request. A kind is one file that implements [`Attach`], and
//! [`Mint`] where the secret only buys a token, and one line of [`KINDS`].
//!
//! It goes to the upstream's own origin or nowhere; that is checked here once more, independently
//! of how the request was built and before any kind sees it.

mod account;
mod basic;
mod bearer;
mod client_credentials;
mod echo;
mod header;
mod login_with_amazon;
pub mod mint;
mod query;
mod service_account;
mod sigv4;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use self::mint::Mint;
use super::{
    Preview, UpstreamError,
    request::{BaseUrl, FilledRequest},
};
use crate::{
    clock::Timestamp,
    config::CredentialConfig,
    ids::CredentialId,
    secret::{SecretBytes, SecretString},
};

/// What stands for a secret in a preview.
const MASK: &str = "***";

/// Every kind. The first that finds itself in the configuration is it.
const KINDS: [fn(&Given<'_>) -> Kinds; 9] = [
    header::read,
    query::read,
    bearer::read,
    basic::read,
    sigv4::read,
    client_credentials::read,
    service_account::read,
    login_with_amazon::read,
    account::read,
];

/// How a kind of credential is put on a request.
trait Attach: Send + Sync {
    /// Puts the secret on a request that is complete otherwise. Its origin has been checked.
    fn put_on(
        &self,
        request: &mut FilledRequest,
        credential: &OpenedCredential,
        now: Timestamp,
    ) -> Result<(), UpstreamError>;

    /// Does an answer hold the secret in a form that only this kind sends?
    fn form_is_in(&self, _answer: &[u8], _secret: &[u8]) -> bool {
        false
    }

    /// Why this is hardly what the operator meant.
    fn doubt(&self, _secret: &str) -> Option<SecretFault> {
        None
    }

    /// The headers it sets: no tool may.
    fn headers(&self) -> &[HeaderName] {
        &[]
    }

    /// The query parameter it sets: no tool may.
    fn query(&self) -> Option<&str> {
        None
    }

    /// Shows in a preview where the secret would be.
    fn mark(&self, preview: &mut Preview);
}

/// What a kind reads.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// `credential:`
    pub config: &'a CredentialConfig,
    /// The second secret of kinds that have one beside the credential's own: a client's, or a session
    /// token. None where nothing will be sent.
    pub client_secret: Option<&'a SecretString>,
    /// The header that the provider of connected accounts has its tokens sent in.
    pub provider_header: Option<&'a str>,
}

/// What a kind makes of its configuration.
pub struct Kind {
    attach: Arc<dyn Attach>,
    mint: Option<Arc<dyn Mint>>,
}

/// Nothing when the configuration is not of this kind.
type Kinds = Option<Result<Kind, CredentialFault>>;

impl Kind {
    /// Reads `credential:`; exactly one of the kinds.
    pub fn from_config(given: &Given<'_>) -> Result<Self, CredentialFault> {
        let mut found = KINDS.iter().filter_map(|read| read(given));
        match (found.next(), found.next()) {
            (Some(kind), None) => kind,
            _ => Err(CredentialFault("write exactly one kind of credential")),
        }
    }

    /// How what is sent is put on a request.
    pub fn usage(&self) -> CredentialUse {
        CredentialUse(Arc::clone(&self.attach))
    }

    /// How what is sent is bought; none: the secret itself is sent, or proven.
    pub fn mint(&self) -> Option<&Arc<dyn Mint>> {
        self.mint.as_ref()
    }

    /// Can this secret be used? Tried as it would be, without sending anything.
    pub fn try_secret(&self, secret: &SecretString, now: Timestamp) -> Result<(), SecretFault> {
        let opened = OpenedCredential {
            secret: SecretBytes::new(secret.expose().as_bytes().to_vec()),
            generation: 0,
            holder: Holder::Configured,
        };
        if let Some(mint) = &self.mint {
            return mint
                .order(&opened, now)
                .map(drop)
                .map_err(|fault| SecretFault(fault.0));
        }
        let mut request = FilledRequest {
            method: Method::GET,
            url: Url::parse("https://api.invalid/")
                .map_err(|_| SecretFault("it cannot be tried"))?,
            headers: HeaderMap::new(),
            body: None,
        };
        if opened.secret.expose().is_empty() {
            return Err(SecretFault("it is empty"));
        }
        self.attach
            .put_on(&mut request, &opened, now)
            .map_err(|_| {
                SecretFault(
                    "it holds spaces, line breaks or characters that cannot be sent this way",
                )
            })?;
        self.attach.doubt(secret.expose()).map_or(Ok(()), Err)
    }

    fn new(attach: impl Attach + 'static) -> Self {
        Self {
            attach: Arc::new(attach),
            mint: None,
        }
    }

    fn boxed(attach: Box<dyn Attach>) -> Self {
        Self {
            attach: attach.into(),
            mint: None,
        }
    }

    fn minted(attach: Box<dyn Attach>, mint: impl Mint + 'static) -> Self {
        Self {
            attach: attach.into(),
            mint: Some(Arc::new(mint)),
        }
    }
}

/// Why a secret is not one of this kind. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretFault(pub &'static str);

/// How an upstream wants its credential.
#[derive(Clone)]
pub struct CredentialUse(Arc<dyn Attach>);

/// A credential in the clear, for as long as it is in memory.
#[derive(Debug)]
pub struct OpenedCredential {
    /// The secret itself.
    pub secret: SecretBytes,
    /// Rises with every change; 0 for one read from the configuration.
    pub generation: u64,
    /// Whose it is.
    pub holder: Holder,
}

/// Whose credential it is, whatever its secret is at the moment: what an upstream says of one is
/// remembered by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Everybody's, by the configuration.
    Configured,
    /// That of the license or the operator who stored it.
    Stored(CredentialId),
}

impl OpenedCredential {
    /// One that stands in the configuration.
    pub fn configured(secret: &SecretString) -> Arc<Self> {
        Arc::new(Self {
            secret: SecretBytes::new(secret.expose().as_bytes().to_vec()),
            generation: 0,
            holder: Holder::Configured,
        })
    }
}

/// Why a `credential:` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("credential: {0}")]
pub struct CredentialFault(pub &'static str);

impl CredentialUse {
    /// The headers it sets.
    pub fn headers(&self) -> &[HeaderName] {
        self.0.headers()
    }

    /// The query parameter it sets.
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Puts the secret on a request to `base`'s origin; on no other. Once for every attempt: a
    /// signature ages.
    pub fn put_on(
        &self,
        request: &mut FilledRequest,
        base: &BaseUrl,
        credential: &OpenedCredential,
        now: Timestamp,
    ) -> Result<(), UpstreamError> {
        if !base.is_origin_of(&request.url) {
            return Err(UpstreamError::AddressRefused);
        }
        if credential.secret.expose().is_empty() {
            return Err(UpstreamError::CredentialUnusable);
        }
        self.0.put_on(request, credential, now)
    }

    /// Does an answer repeat the secret, as it is or in a form that it was sent in?
    pub fn is_repeated_in(&self, answer: &[u8], credential: &OpenedCredential) -> bool {
        let secret = credential.secret.expose().as_slice();
        echo::is_sought(secret)
            && (echo::repeats(answer, secret) || self.0.form_is_in(answer, secret))
    }

    /// Shows in a preview where the secret would be.
    pub fn mark(&self, preview: &mut Preview) {
        self.0.mark(preview);
    }
}

impl fmt::Debug for CredentialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialUse")
            .field("headers", &self.headers())
            .field("query", &self.query())
            .finish()
    }
}

/// The secret, when it is visible ASCII throughout.
fn visible(credential: &OpenedCredential) -> Result<&[u8], UpstreamError> {
    let secret = credential.secret.expose().as_slice();
    if secret.iter().all(u8::is_ascii_graphic) {
        Ok(secret)
    } else {
        Err(UpstreamError::CredentialUnusable)
    }
}

fn sensitive(value: &[u8]) -> Result<HeaderValue, UpstreamError> {
    let mut value =
        HeaderValue::from_bytes(value).map_err(|_| UpstreamError::CredentialUnusable)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
