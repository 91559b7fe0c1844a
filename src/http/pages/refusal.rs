//! Why a person is shown a page that says no.

use http::StatusCode;

use super::super::refusal::EdgeRefusal;
use crate::{
    connect::{ConsentError, TokenError},
    oauth::{ClientFault, authorize::Fault},
    store::StoreError,
    telemetry::record::Ending,
};

/// A refusal as a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageRefusal {
    /// The request to sign in cannot be answered by a redirect.
    Authorization(Fault),
    /// A license key in the address.
    KeyInAddress,
    /// The form came from another site.
    Foreign,
    /// The form is too old, or not one that this browser was given.
    Stale,
    /// The form cannot be read.
    Malformed,
    /// The plan allows no further connection.
    Exhausted,
    /// The link to connect an account is too old.
    LinkOver,
    /// Nothing of ours, or of an upstream that is gone.
    LinkUnknown,
    /// The link is another license's.
    LinkOfOther,
    /// Nobody is signed in where a provider sent somebody back.
    NotSignedIn,
    /// The account was not connected.
    Consent(ConsentError),
    /// What was typed is no license key.
    KeyIncomplete,
    /// The license key is not accepted, whatever the reason.
    KeyRefused,
    /// Too many keys were tried; wait so many seconds.
    TooManyTries(u64),
    /// What is also refused elsewhere.
    Edge(EdgeRefusal),
}

impl PageRefusal {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Authorization(_) => "authorization_refused",
            Self::KeyInAddress => "secret_in_url",
            Self::Foreign => "form_foreign",
            Self::Stale => "form_stale",
            Self::Malformed => "form_malformed",
            Self::Exhausted => "connections_exhausted",
            Self::LinkOver => "connect_link_over",
            Self::LinkUnknown => "connect_link_unknown",
            Self::LinkOfOther => "connect_link_of_other",
            Self::NotSignedIn => "connect_not_signed_in",
            Self::Consent(error) => consent_word(error),
            Self::KeyIncomplete | Self::KeyRefused => "credential_refused",
            Self::TooManyTries(_) => "too_many_failures",
            Self::Edge(refusal) => refusal.word(),
        }
    }

    pub(super) const fn ending(&self) -> Ending {
        match self {
            Self::TooManyTries(_) => Ending::Limited,
            Self::Authorization(Fault::Client(ClientFault::Unavailable))
            | Self::Edge(
                EdgeRefusal::StoreUnavailable
                | EdgeRefusal::Overloaded
                | EdgeRefusal::MemoryShort
                | EdgeRefusal::Sealed
                | EdgeRefusal::Internal,
            )
            | Self::Consent(
                ConsentError::Vault(_)
                | ConsentError::Tokens(TokenError::ClientRefused | TokenError::Unavailable(_)),
            ) => Ending::Failed,
            Self::Edge(EdgeRefusal::BodyBroken) => Ending::Cancelled,
            Self::Authorization(_)
            | Self::KeyInAddress
            | Self::Foreign
            | Self::Stale
            | Self::Malformed
            | Self::Exhausted
            | Self::LinkOver
            | Self::LinkUnknown
            | Self::LinkOfOther
            | Self::NotSignedIn
            | Self::Consent(_)
            | Self::KeyIncomplete
            | Self::KeyRefused
            | Self::Edge(_) => Ending::Refused,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Authorization(Fault::Client(ClientFault::Unavailable)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Authorization(_) | Self::KeyInAddress | Self::KeyIncomplete | Self::Malformed => {
                StatusCode::BAD_REQUEST
            }
            Self::LinkOver => StatusCode::GONE,
            Self::LinkUnknown | Self::Consent(ConsentError::UnknownUpstream) => {
                StatusCode::NOT_FOUND
            }
            Self::Consent(ConsentError::Vault(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Consent(ConsentError::Tokens(_) | ConsentError::ProviderError) => {
                StatusCode::BAD_GATEWAY
            }
            Self::Foreign
            | Self::Stale
            | Self::Exhausted
            | Self::LinkOfOther
            | Self::NotSignedIn
            | Self::Consent(_)
            | Self::KeyRefused => StatusCode::FORBIDDEN,
            Self::TooManyTries(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Edge(refusal) => StatusCode::from_u16(refusal.status_and_code().0)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Seconds of `Retry-After`.
    pub(super) const fn wait(&self) -> Option<u64> {
        match self {
            Self::TooManyTries(seconds) => Some(*seconds),
            Self::Authorization(Fault::Client(ClientFault::Unavailable))
            | Self::Edge(
                EdgeRefusal::StoreUnavailable
                | EdgeRefusal::Overloaded
                | EdgeRefusal::MemoryShort
                | EdgeRefusal::Sealed,
            )
            | Self::Consent(
                ConsentError::Vault(_) | ConsentError::Tokens(TokenError::Unavailable(_)),
            ) => Some(5),
            Self::Authorization(_)
            | Self::KeyInAddress
            | Self::Foreign
            | Self::Stale
            | Self::Malformed
            | Self::Exhausted
            | Self::LinkOver
            | Self::LinkUnknown
            | Self::LinkOfOther
            | Self::NotSignedIn
            | Self::Consent(_)
            | Self::KeyIncomplete
            | Self::KeyRefused
            | Self::Edge(_) => None,
        }
    }

    /// What went wrong, as a heading.
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Authorization(Fault::Client(ClientFault::Unavailable))
            | Self::Edge(
                EdgeRefusal::StoreUnavailable
                | EdgeRefusal::Overloaded
                | EdgeRefusal::MemoryShort
                | EdgeRefusal::Sealed,
            ) => "Not available at the moment",
            Self::Authorization(_) => "This app cannot be connected",
            Self::KeyInAddress => "A license key in the address",
            Self::Foreign | Self::Stale | Self::Malformed => "This page is out of date",
            Self::Exhausted => "No further connection possible",
            Self::LinkOver => "This link is too old",
            Self::LinkOfOther => "This link is for another license",
            Self::NotSignedIn | Self::Consent(_) => "Not connected",
            Self::KeyIncomplete | Self::KeyRefused => "Not accepted",
            Self::TooManyTries(_) => "Too many tries",
            Self::LinkUnknown | Self::Edge(EdgeRefusal::NotFound) => "Not found",
            Self::Edge(_) => "This did not work",
        }
    }

    /// What to do about it, in constants of ours.
    pub(super) const fn text(&self) -> &'static str {
        match self {
            Self::Authorization(fault) => authorization(*fault),
            Self::KeyInAddress => {
                "A license key belongs into the field of the sign-in page, never into an address: it \
                 may be in logs and in the browser's history now. Ask for a new key, then start \
                 again from your app."
            }
            Self::Foreign => {
                "The form was sent by another web site, so nothing was done. Start again from your \
                 app."
            }
            Self::Stale => {
                "The form was open for too long, or you signed in anew meanwhile. Nothing was done."
            }
            Self::Malformed => "The form cannot be read. Start again from your app.",
            Self::Exhausted => {
                "Your plan allows no more connections at once. Disconnect one that you no longer \
                 need on the account page, then start again from your app."
            }
            Self::LinkOver => {
                "Links to connect an account lead here for half an hour. Ask your assistant once more: \
                 it gives you a new one."
            }
            Self::LinkUnknown => {
                "There is nothing to connect at this address. Copy the link whole, or ask your \
                 assistant once more for a new one."
            }
            Self::LinkOfOther => "Nothing was connected.",
            Self::NotSignedIn => {
                "You are not signed in here, or not any more. An account is connected in the browser \
                 in which you began. Nothing was connected; open your assistant's link again."
            }
            Self::Consent(error) => error.public(),
            Self::KeyIncomplete | Self::KeyRefused => "The license key was not accepted.",
            Self::TooManyTries(_) => "Wait a while, then try again.",
            Self::Edge(
                EdgeRefusal::StoreUnavailable
                | EdgeRefusal::Overloaded
                | EdgeRefusal::MemoryShort
                | EdgeRefusal::Sealed,
            ) => {
                "The service cannot answer right now. Nothing was changed. Try again in a few \
                 seconds."
            }
            Self::Edge(EdgeRefusal::NotFound) => "There is nothing at this address.",
            Self::Edge(EdgeRefusal::MethodNotAllowed) => "This page is opened with a browser.",
            Self::Edge(_) => "The request could not be read. Start again from your app.",
        }
    }
}

const fn consent_word(error: &ConsentError) -> &'static str {
    match error {
        ConsentError::UnknownUpstream => "connect_link_unknown",
        ConsentError::BeyondCeiling | ConsentError::OneAccount | ConsentError::TooManyAccounts => {
            "connect_not_allowed"
        }
        ConsentError::State
        | ConsentError::OtherBrowser
        | ConsentError::OtherUpstream
        | ConsentError::Issuer
        | ConsentError::NoCode => "connect_answer_refused",
        ConsentError::Denied => "connect_denied",
        ConsentError::ProviderError | ConsentError::Tokens(TokenError::Refused) => {
            "connect_provider_refused"
        }
        ConsentError::Tokens(TokenError::ClientRefused | TokenError::Unavailable(_)) => {
            "connect_provider_failed"
        }
        ConsentError::Vault(_) => "store_unavailable",
    }
}

const fn authorization(fault: Fault) -> &'static str {
    match fault {
        Fault::Twice => {
            "The app's request names something twice, so it is not clear what is meant. This is a \
             fault of the app (invalid_request)."
        }
        Fault::ClientId => {
            "The app does not say who it is, or in a form that cannot be accepted. This is a fault \
             of the app (invalid_client: client_id)."
        }
        Fault::Client(ClientFault::Unknown) => {
            "The app is not known here, or not any more. Remove the connection in the app, then add \
             it again (invalid_client)."
        }
        Fault::Client(ClientFault::Document(why)) => why,
        Fault::Client(ClientFault::Unavailable) => {
            "The app cannot be looked up right now. Try again in a few seconds."
        }
        Fault::Redirect => {
            "The app wants to be answered at an address that it has not registered. To protect you, \
             nothing is sent there. If you did not start this yourself, close this page. Otherwise \
             remove the connection in the app, then add it again (redirect_uri)."
        }
        Fault::Unsafe => {
            "The app wants to be answered at an address that is not safe. Nothing is sent there \
             (redirect_uri)."
        }
        Fault::State => {
            "The app's request holds a value that cannot be carried. This is a fault of the app \
             (state)."
        }
    }
}

impl From<StoreError> for PageRefusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "pages.store_failed");
        Self::Edge(EdgeRefusal::StoreUnavailable)
    }
}
