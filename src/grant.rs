//! What a consent gives: which client, what it may do, where a session is bound to.
//!
//! Words of OAuth 2.1 that need no database and no network.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crypto::ClientId as Minted;

/// Why a text is not a client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a client id: expected `wgi_…` or an https address of at most 2,048 characters")]
pub struct ClientIdError;

/// An OAuth client id (RFC 6749 section 2.2): one of ours, `wgi_…`, or the https address of a Client
/// ID Metadata Document. Public; knowing one grants nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The text, compared byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does it name a metadata document?
    pub fn is_document(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl From<&Minted> for ClientId {
    fn from(minted: &Minted) -> Self {
        Self(minted.expose().into())
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let is_document = text.starts_with("https://")
            && text.len() <= 2_048
            && text.bytes().all(|b| b.is_ascii_graphic());
        if is_document || Minted::is_well_formed(text) {
            Ok(Self(text.into()))
        } else {
            Err(ClientIdError)
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for ClientId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What a session may do. Scopes are words of our own; the wider holds the narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Scope {
    /// Call tools that only read.
    #[serde(rename = "mcp:read")]
    Read,
    /// Call every tool the license may call.
    #[serde(rename = "mcp:tools")]
    Tools,
}

impl Scope {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Tools => "mcp:tools",
        }
    }

    /// Does holding this suffice where `needed` is asked?
    pub fn covers(self, needed: Self) -> bool {
        self >= needed
    }

    /// What a list of words asks for (RFC 6749 section 3.3): the widest scope of ours among them.
    /// Words that are not ours are passed over; none when no word is ours but one was given.
    pub fn requested(words: Option<&str>) -> Option<Self> {
        let mut words = words
            .unwrap_or_default()
            .split_ascii_whitespace()
            .peekable();
        if words.peek().is_none() {
            return Some(Self::Tools);
        }
        let mut widest = None;
        let mut refresh_only = true;
        for word in words {
            refresh_only &= word == OFFLINE_ACCESS;
            widest = widest.max(Self::parse(word));
        }
        // Asking for nothing but a refresh token asks for what is given by default.
        widest.or(refresh_only.then_some(Self::Tools))
    }

    /// From the word on the wire.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::Tools]
            .into_iter()
            .find(|scope| scope.as_str() == word)
    }
}

/// The word by which a client asks for a refresh token. One is issued without it too.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// What sort of client it is: how much about it was checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// Named by an address that tells about it (Client ID Metadata Document).
    Document,
    /// Registered itself (RFC 7591). Anybody can.
    Registered,
    /// Added by the operator.
    Added,
}

impl ClientKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Registered => "registered",
            Self::Added => "added",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Document, Self::Registered, Self::Added]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// How a client proves itself at the token endpoint (RFC 7591 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: a public client. PKCE binds the code to it.
    None,
    /// Secret in the `Authorization` header.
    ClientSecretBasic,
    /// Secret in the body.
    ClientSecretPost,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuth {
    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// From the word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::None,
            Self::ClientSecretBasic,
            Self::ClientSecretPost,
            Self::PrivateKeyJwt,
        ]
        .into_iter()
        .find(|method| method.as_str() == word)
    }
}

/// What a session is tied to at its first use, so that a copied token is refused elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// To nothing. Hosted clients come from many addresses.
    #[default]
    None,
    /// To the program that uses it, as its `User-Agent` names it, versions aside.
    Client,
    /// To the network it comes from: an IPv4 /24 or IPv6 /48.
    Network,
}

impl Binding {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Network => "network",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Client, Self::Network]
            .into_iter()
            .find(|binding| binding.as_str() == word)
    }
}

/// How a session came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A person approved a client on our page.
    Grant,
    /// A license key was exchanged at `POST /session`.
    Exchange,
}

impl SessionKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Exchange => "exchange",
        }
    }

    /// From the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Grant, Self::Exchange]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_a_hierarchy() {
        assert_eq!(Scope::requested(None), Some(Scope::Tools));
        assert_eq!(Scope::requested(Some("")), Some(Scope::Tools));
        assert_eq!(Scope::requested(Some("mcp:read")), Some(Scope::Read));
        assert_eq!(
            Scope::requested(Some("openid mcp:read mcp:tools")),
            Some(Scope::Tools)
        );
        assert_eq!(Scope::requested(Some("offline_access")), Some(Scope::Tools));
        assert_eq!(Scope::requested(Some("openid email")), None);
        assert!(Scope::Tools.covers(Scope::Read));
        assert!(!Scope::Read.covers(Scope::Tools));
    }

    #[test]
    fn client_ids_are_ours_or_addresses() {
        assert!("https://claude.ai/oauth/client".parse::<ClientId>().is_ok());
        assert!("http://claude.ai/oauth/client".parse::<ClientId>().is_err());
        assert!("https://a b/".parse::<ClientId>().is_err());
        assert!("wgi_short".parse::<ClientId>().is_err());
    }
}
