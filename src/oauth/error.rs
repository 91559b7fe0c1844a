//! What the authorization server refuses, in the words of RFC 6749.

use std::time::Duration;

use crate::{limit::LimitError, store::StoreError};

/// How long to stay away when nobody can know for how long.
pub const A_WHILE: Duration = Duration::from_secs(30);

/// A refusal. The text is a constant of ours: it tells the client's developer what to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// A parameter is missing, malformed or given twice.
    #[error("invalid_request: {0}")]
    InvalidRequest(&'static str),
    /// The client is unknown or did not prove itself (RFC 6749 section 5.2: 401).
    #[error("invalid_client: {0}")]
    InvalidClient(&'static str),
    /// The code or refresh token is not good, or not for this client.
    #[error("invalid_grant: {0}")]
    InvalidGrant(&'static str),
    /// This client may not use this grant.
    #[error("unauthorized_client: {0}")]
    UnauthorizedClient(&'static str),
    /// We do not serve this grant type.
    #[error("unsupported_grant_type: {0}")]
    UnsupportedGrantType(&'static str),
    /// We serve only `code`.
    #[error("unsupported_response_type: {0}")]
    UnsupportedResponseType(&'static str),
    /// No scope of ours was asked for, or a wider one than was granted.
    #[error("invalid_scope: {0}")]
    InvalidScope(&'static str),
    /// The resource is not our connector (RFC 8707 section 2).
    #[error("invalid_target: {0}")]
    InvalidTarget(&'static str),
    /// The person said no.
    #[error("access_denied: {0}")]
    AccessDenied(&'static str),
    /// No redirect URI of the registration is acceptable (RFC 7591 section 3.2.2).
    #[error("invalid_redirect_uri: {0}")]
    InvalidRedirectUri(&'static str),
    /// The registration is not acceptable (RFC 7591 section 3.2.2).
    #[error("invalid_client_metadata: {0}")]
    InvalidClientMetadata(&'static str),
    /// Too many registrations or attempts at the moment: 429 with this `Retry-After`.
    #[error("slow_down: {0}")]
    SlowDown(&'static str, Duration),
    /// Our own fault: 503 with `Retry-After`, never anything that a client gives up on.
    #[error("temporarily_unavailable")]
    Unavailable,
}

/// What a refusal comes from, and so how it is answered and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// What the client asked, or the person.
    Client,
    /// That too much is asked at the moment.
    Pace,
    /// Our own fault.
    Gateway,
}

impl OAuthError {
    /// What a limit said: that there is too much of `what`, or that it cannot be asked.
    pub const fn of_limit(error: LimitError, what: &'static str) -> Self {
        match error {
            LimitError::Exhausted(exhausted) => Self::SlowDown(what, exhausted.retry_after),
            LimitError::Unavailable => Self::Unavailable,
        }
    }

    /// What it comes from.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Unavailable => Cause::Gateway,
            Self::SlowDown(..) => Cause::Pace,
            Self::InvalidRequest(_)
            | Self::InvalidClient(_)
            | Self::InvalidGrant(_)
            | Self::UnauthorizedClient(_)
            | Self::UnsupportedGrantType(_)
            | Self::UnsupportedResponseType(_)
            | Self::InvalidScope(_)
            | Self::InvalidTarget(_)
            | Self::AccessDenied(_)
            | Self::InvalidRedirectUri(_)
            | Self::InvalidClientMetadata(_) => Cause::Client,
        }
    }

    /// The `error` word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType(_) => "unsupported_grant_type",
            Self::UnsupportedResponseType(_) => "unsupported_response_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::AccessDenied(_) => "access_denied",
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::InvalidClientMetadata(_) => "invalid_client_metadata",
            Self::SlowDown(..) => "slow_down",
            Self::Unavailable => "temporarily_unavailable",
        }
    }

    /// The `error_description` on the wire: printable ASCII without quotes (RFC 6749 section 5.2).
    pub const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(text)
            | Self::InvalidClient(text)
            | Self::InvalidGrant(text)
            | Self::UnauthorizedClient(text)
            | Self::UnsupportedGrantType(text)
            | Self::UnsupportedResponseType(text)
            | Self::InvalidScope(text)
            | Self::InvalidTarget(text)
            | Self::AccessDenied(text)
            | Self::InvalidRedirectUri(text)
            | Self::InvalidClientMetadata(text)
            | Self::SlowDown(text, _) => text,
            Self::Unavailable => "try again shortly",
        }
    }

    /// The HTTP status of a JSON answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient(_) => 401,
            Self::SlowDown(..) => 429,
            Self::Unavailable => 503,
            Self::InvalidRequest(_)
            | Self::InvalidGrant(_)
            | Self::UnauthorizedClient(_)
            | Self::UnsupportedGrantType(_)
            | Self::UnsupportedResponseType(_)
            | Self::InvalidScope(_)
            | Self::InvalidTarget(_)
            | Self::AccessDenied(_)
            | Self::InvalidRedirectUri(_)
            | Self::InvalidClientMetadata(_) => 400,
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "oauth.store_failed");
        Self::Unavailable
    }
}
