//! Keys and tokens: what they look like, how they are digested, how secrets are sealed.
//!
//! Knows no database and no configuration. Refuses to return plaintext that was sealed for
//! another place.

mod base62;
mod context;
mod derive;
pub mod handle;
pub mod jwt;
pub mod key_file;
pub mod master_key;
pub mod pepper;
pub mod seal;
pub mod sigv4;
pub mod token;

pub use self::{
    context::{Context, Purpose},
    derive::{CursorKey, FormKey, LimitKey, LogKey, OnceKey, RootSecret, SuccessorKey},
    handle::{HandleKey, HandleKind, Handled},
    key_file::{KeyFileError, read_key_file},
    master_key::{KeyringError, MasterKey, MasterKeyId, generate_master_key_text},
    pepper::{Pepper, TokenDigest},
    seal::{SealError, SealingKey},
    token::{AccessToken, AuthorizationCode, ClientId, ClientSecret, LicenseKey, RefreshToken},
};
