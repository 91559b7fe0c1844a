//! `auth:` — who may call, and how they prove it.

use std::{collections::BTreeMap, path::PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Span;
use crate::{ids::LicenseId, names::PlanName};

/// The sentence that must be written out to serve without keys.
pub const OPEN_SENTENCE: &str = "anyone who can reach this loopback address may call every tool";

/// Who may call. Left out: holders of a license key, sent as a bearer token or typed into the
/// gateway's own sign-in page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Accept license keys as bearer tokens, for clients that can send a header. When `false` a key
    /// is only good for signing in and for `POST /session`.
    pub license_keys: bool,

    /// The built-in authorization server: clients that take nothing but a URL sign in with a license
    /// key on its page.
    pub oauth: OAuthConfig,

    /// `POST /session`: a license key in, a short session token out.
    pub session_tokens: SessionTokensConfig,

    /// Identity providers whose access tokens are accepted besides.
    pub issuers: Vec<IssuerConfig>,

    /// Serve callers without a license key. Only on a loopback address, only for trying things.
    pub open: Option<OpenConfig>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            license_keys: true,
            oauth: OAuthConfig::default(),
            session_tokens: SessionTokensConfig::default(),
            issuers: Vec::new(),
            open: None,
        }
    }
}

/// The built-in authorization server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OAuthConfig {
    /// Serve `/authorize`, `/token`, `/register`, `/revoke`, `/account` and the discovery documents.
    pub enabled: bool,

    /// How long an access token is good for: `5min` to `24h`. Revocation does not wait for it.
    pub access_token: Span,

    /// How long a connection lives without being used.
    pub idle: Span,

    /// How long a connection lives at most; afterwards the customer signs in again.
    pub absolute: Span,

    /// How long the sign-in page remembers a browser.
    pub browser: Span,

    /// Clients that name themselves by an address (Client ID Metadata Documents).
    pub client_documents: ClientDocumentsConfig,

    /// Clients that register themselves (RFC 7591).
    pub registration: RegistrationConfig,
}

impl Default for OAuthConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            access_token: Span::seconds(24 * 3_600),
            idle: Span::seconds(30 * 86_400),
            absolute: Span::seconds(90 * 86_400),
            browser: Span::seconds(12 * 3_600),
            client_documents: ClientDocumentsConfig::default(),
            registration: RegistrationConfig::default(),
        }
    }
}

/// Which clients may name themselves by an address that the gateway then reads.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientDocumentsConfig {
    /// `any` host, only the `listed` ones, or `off`: not advertised and not read.
    pub accept: AcceptDocuments,

    /// Hosts for `listed`, such as `claude.ai`. With `any` they are shown as known publishers. Documents
    /// and keys are read at port 443; write `host:port` where it is another.
    pub hosts: Vec<String>,

    /// Special-use networks that documents may be read from nevertheless, such as the one of your own
    /// clients. Left out: public addresses only.
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,

    /// A PEM file with certificates of authorities that documents and keys of clients may be signed
    /// by besides those the operating system trusts: for clients behind a private PKI. Relative to
    /// this file.
    pub ca_file: Option<PathBuf>,
}

/// Whose metadata documents are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptDocuments {
    /// Everybody's.
    #[default]
    Any,
    /// Those of the hosts that are listed.
    Listed,
    /// Nobody's.
    Off,
}

/// Clients that register themselves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationConfig {
    /// Accept registrations.
    pub enabled: bool,

    /// Registrations of all clients together. Not by address: all users of a hosted client come from
    /// a few.
    pub limit: crate::quota::Rate,

    /// Most registered clients kept.
    pub most: u32,

    /// Redirect schemes besides `https` and loopback `http`, such as `cursor`, for desktop programs.
    pub schemes: Vec<String>,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            limit: crate::quota::Rate::per_minute(
                std::num::NonZeroU32::new(120).unwrap_or(std::num::NonZeroU32::MIN),
            ),
            most: 50_000,
            schemes: ["cursor", "vscode", "vscode-insiders", "windsurf"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// `POST /session`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionTokensConfig {
    /// Serve it.
    pub enabled: bool,

    /// How long such a token is good for. There is no refresh: the script has the key.
    pub lifetime: Span,
}

impl Default for SessionTokensConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            lifetime: Span::seconds(3_600),
        }
    }
}

/// An identity provider whose JWT access tokens (RFC 9068) are accepted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Exactly as it stands in the tokens: `https://login.example.com/`.
    pub issuer: String,

    /// One of these must be in `aud`. Left out: the connector URL.
    #[serde(default)]
    pub audiences: Vec<String>,

    /// Signature algorithms that are accepted; never `none`, never a shared secret.
    #[serde(default = "IssuerConfig::default_algorithms")]
    pub algorithms: Vec<SignatureAlgorithm>,

    /// Where the keys are. Left out: what the issuer's discovery document says.
    #[serde(default)]
    pub jwks_url: Option<Url>,

    /// Words that must be in `scope` or `scp`.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// Whose license a token stands for.
    pub license: LicenseClaimConfig,

    /// Special-use networks the issuer may be in nevertheless, such as your own.
    #[serde(default)]
    #[schemars(with = "Vec<super::source::Network>")]
    pub allow_special_use: Vec<IpNet>,
}

impl IssuerConfig {
    fn default_algorithms() -> Vec<SignatureAlgorithm> {
        vec![SignatureAlgorithm::Rs256, SignatureAlgorithm::Es256]
    }
}

/// Which claim names the license.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LicenseClaimConfig {
    /// The claim, such as `org_id`. Its value is looked up in `map`; without one it is a license
    /// id itself.
    pub claim: String,

    /// From the claim's value to a license id.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, super::source::License>")]
    pub map: BTreeMap<String, LicenseId>,
}

/// A signature algorithm (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256.
    Es256,
    /// ECDSA with P-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl From<SignatureAlgorithm> for crate::crypto::jwt::Algorithm {
    fn from(algorithm: SignatureAlgorithm) -> Self {
        match algorithm {
            SignatureAlgorithm::Rs256 => Self::Rs256,
            SignatureAlgorithm::Rs384 => Self::Rs384,
            SignatureAlgorithm::Rs512 => Self::Rs512,
            SignatureAlgorithm::Ps256 => Self::Ps256,
            SignatureAlgorithm::Es256 => Self::Es256,
            SignatureAlgorithm::Es384 => Self::Es384,
            SignatureAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

/// Serving callers without a license key, on a loopback address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenConfig {
    /// Write exactly: `anyone who can reach this loopback address may call every tool`.
    pub i_understand_that: String,

    /// The plan whose limits hold for all of them together.
    pub plan: PlanName,
}
