//! Why a request is turned away before it is a message.

use crate::quota::Exhausted;

/// A refusal at the edge. What the client reads is made in [`super::reply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeRefusal {
    /// No credential was presented.
    CredentialMissing,
    /// One was presented and is not accepted; one answer for every reason.
    CredentialRefused,
    /// A good token lacks a scope.
    ScopeInsufficient,
    /// Too many refused credentials from this address.
    TooManyFailures(Exhausted),
    /// The store does not answer.
    StoreUnavailable,
    /// The `Origin` is not one that may call.
    OriginRefused,
    /// None, two, or malformed authorities.
    AuthorityMalformed,
    /// An authority that is not ours.
    AuthorityUnknown,
    /// A credential in the URL.
    SecretInUrl,
    /// Too many header fields, or too large a one.
    HeadTooLarge,
    /// Too long a URI.
    UriTooLong,
    /// No such route.
    NotFound,
    /// Not POST.
    MethodNotAllowed,
    /// The client takes neither JSON nor events.
    NotAcceptable,
    /// The body is not JSON in UTF-8, uncompressed.
    UnsupportedMediaType,
    /// The body is larger than the cap.
    BodyTooLarge,
    /// The body came too slowly.
    BodyTimeout,
    /// The body ended before it was whole.
    BodyBroken,
    /// Too many bytes of bodies are held already.
    Overloaded,
    /// As many requests as there may be are being answered already.
    TooManyInFlight,
    /// The process is short of memory.
    MemoryShort,
    /// A session sends what is no call faster than anybody needs to.
    TooManyMessages(Exhausted),
    /// Started, and the vault is not open yet.
    Sealed,
    /// A bug of ours.
    Internal,
}

impl EdgeRefusal {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing_from_request",
            Self::CredentialRefused => "credential_refused",
            Self::ScopeInsufficient => "insufficient_scope",
            Self::TooManyFailures(_) => "too_many_failures",
            Self::StoreUnavailable => "store_unavailable",
            Self::OriginRefused => "origin_refused",
            Self::AuthorityMalformed => "authority_malformed",
            Self::AuthorityUnknown => "authority_unknown",
            Self::SecretInUrl => "secret_in_url",
            Self::HeadTooLarge => "head_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Overloaded => "overloaded",
            Self::TooManyInFlight => "too_many_in_flight",
            Self::MemoryShort => "memory_short",
            Self::TooManyMessages(_) => "too_many_messages",
            Self::Sealed => "sealed",
            Self::Internal => "internal",
        }
    }

    /// HTTP status and JSON-RPC code: our own codes lie outside JSON-RPC's reserved range.
    pub const fn status_and_code(&self) -> (u16, i64) {
        match self {
            Self::CredentialMissing | Self::CredentialRefused => (401, 40_100),
            Self::TooManyFailures(_) | Self::TooManyMessages(_) => (429, 42_900),
            Self::StoreUnavailable
            | Self::Overloaded
            | Self::TooManyInFlight
            | Self::MemoryShort
            | Self::Sealed => (503, 50_300),
            Self::OriginRefused | Self::ScopeInsufficient => (403, 40_300),
            Self::AuthorityMalformed | Self::SecretInUrl | Self::BodyBroken => (400, 40_000),
            Self::AuthorityUnknown => (421, 42_100),
            Self::HeadTooLarge => (431, 43_100),
            Self::UriTooLong => (414, 41_400),
            Self::NotFound => (404, 40_400),
            Self::MethodNotAllowed => (405, 40_500),
            Self::NotAcceptable => (406, 40_600),
            Self::UnsupportedMediaType => (415, 41_500),
            Self::BodyTooLarge => (413, 41_300),
            Self::BodyTimeout => (408, 40_800),
            Self::Internal => (500, -32_603),
        }
    }

    /// What was wrong and what to do, in one sentence for people and models.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::CredentialMissing => {
                "A license key is required. Send it as `Authorization: Bearer wgl_…`."
            }
            Self::CredentialRefused => {
                "The license key was not accepted. Check that it is complete, or ask whoever issued \
                 it for a new one."
            }
            Self::ScopeInsufficient => {
                "The token lacks a scope that this gateway asks for. Ask for one with more scopes."
            }
            Self::TooManyFailures(_) => {
                "Too many refused license keys from this address. Wait as long as `Retry-After` \
                 says, then try again with a valid key."
            }
            Self::StoreUnavailable | Self::Overloaded => {
                "The gateway cannot answer at the moment. Try again as `Retry-After` says."
            }
            Self::TooManyInFlight | Self::MemoryShort => {
                "The gateway has more to do than it can. Nothing was done for this request: send it \
                 again as `Retry-After` says."
            }
            Self::TooManyMessages(_) => {
                "This session sends too many messages that are no calls, or cannot be read. Wait as \
                 long as `Retry-After` says."
            }
            Self::Sealed => {
                "The gateway has started and cannot open its vault yet. Its operator sees why. Try \
                 again as `Retry-After` says."
            }
            Self::OriginRefused => {
                "This web origin may not call the gateway. Its operator can allow it."
            }
            Self::AuthorityMalformed => "The request must name exactly one host.",
            Self::AuthorityUnknown => {
                "This host name is not served here. Use the connector URL you were given."
            }
            Self::SecretInUrl => {
                "Credentials are not accepted in the URL. Send the license key as \
                 `Authorization: Bearer wgl_…`, and replace it: it may be in logs now."
            }
            Self::HeadTooLarge => "Too many or too large header fields: at most 64, of 8 KiB each.",
            Self::UriTooLong => "The URI is too long: at most 8 KiB.",
            Self::NotFound => "Not found. The connector is at `/mcp`.",
            Self::MethodNotAllowed => {
                "Use POST: the gateway keeps no session and no stream by GET."
            }
            Self::NotAcceptable => {
                "The client must accept `application/json` or `text/event-stream`."
            }
            Self::UnsupportedMediaType => {
                "The body must be `application/json` in UTF-8, without content coding."
            }
            Self::BodyTooLarge => "The request body is larger than this gateway takes.",
            Self::BodyTimeout => "The request body came too slowly.",
            Self::BodyBroken => "The request body ended before it was whole.",
            Self::Internal => "Internal error.",
        }
    }
}
