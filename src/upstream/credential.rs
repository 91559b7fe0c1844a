//! A credential and how it is put on a request.

use http::HeaderName;

use crate::secret::SecretBytes;

/// How an upstream wants its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialUse {
    /// As the value of a header.
    Header(HeaderName),
    /// As the value of a query parameter.
    Query(String),
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: Basic …`, the secret being the password.
    Basic {
        /// The user name.
        username: String,
    },
}

/// A credential in the clear, for as long as it is in memory.
#[derive(Debug)]
pub struct OpenedCredential {
    /// The secret itself.
    pub secret: SecretBytes,
    /// Rises with every change; 0 for one read from the configuration.
    pub generation: u64,
}
