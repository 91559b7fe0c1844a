//! Every word that the code can write into the log. Each enum is walked from variant to variant by
//! a `match` without a wildcard, so a new variant does not compile until it stands here.

use std::time::Duration;

use wicketgate::{
    call::{CallError, Repeated},
    connect::{ConnectionNeeded, ConsentError, Reason, TokenError},
    http::{pages::PageRefusal, refusal::EdgeRefusal},
    mcp::ProtocolFault,
    oauth::{OAuthError, authorize::Fault},
    quota::{Exhausted, Tier},
    telemetry::record::Ending,
    upstream::{Departure, GateRefusal, Phase, RequestFault, UpstreamError},
    vault::VaultError,
};

const WAIT: Duration = Duration::from_secs(1);
const EXHAUSTED: Exhausted = Exhausted {
    tier: Tier::Session,
    retry_after: WAIT,
};

/// The words of `error`, some more than once.
pub(super) fn errors() -> Vec<&'static str> {
    // Written by the server itself: `server::listen`.
    let mut words = vec!["subscriptions", "streams"];
    words.extend(walk(EdgeRefusal::CredentialMissing, after_edge).map(|it| it.word()));
    words.extend(walk(OAuthError::Unavailable, after_oauth).map(OAuthError::code));
    words.extend(walk(PageRefusal::KeyInAddress, after_page).map(|it| it.word()));
    words.extend(walk(ProtocolFault::Parse, after_fault).map(|it| it.word()));
    words.extend(walk(CallError::Limited(EXHAUSTED), after_call).map(|it| it.word()));
    words.extend(walk(UpstreamError::Connect, after_upstream).map(UpstreamError::code));
    words.extend(walk(GateRefusal::Rate(WAIT), after_gate).map(GateRefusal::code));
    words
}

/// The words of `outcome`, in order.
pub(super) fn outcomes() -> Vec<&'static str> {
    walk(Ending::Ok, |ending| after_ending(*ending))
        .map(Ending::as_str)
        .collect()
}

fn walk<T: Clone>(first: T, after: fn(&T) -> Option<T>) -> impl Iterator<Item = T> {
    std::iter::successors(Some(first), after)
}

const fn after_ending(ending: Ending) -> Option<Ending> {
    Some(match ending {
        Ending::Ok => Ending::Limited,
        Ending::Limited => Ending::Refused,
        Ending::Refused => Ending::ToolError,
        Ending::ToolError => Ending::Failed,
        Ending::Failed => Ending::Cancelled,
        Ending::Cancelled => return None,
    })
}

fn after_edge(refusal: &EdgeRefusal) -> Option<EdgeRefusal> {
    use EdgeRefusal as E;
    Some(match refusal {
        E::CredentialMissing => E::CredentialRefused,
        E::CredentialRefused => E::ScopeInsufficient,
        E::ScopeInsufficient => E::TooManyFailures(EXHAUSTED),
        E::TooManyFailures(_) => E::StoreUnavailable,
        E::StoreUnavailable => E::OriginRefused,
        E::OriginRefused => E::AuthorityMalformed,
        E::AuthorityMalformed => E::AuthorityUnknown,
        E::AuthorityUnknown => E::SecretInUrl,
        E::SecretInUrl => E::HeadTooLarge,
        E::HeadTooLarge => E::UriTooLong,
        E::UriTooLong => E::NotFound,
        E::NotFound => E::MethodNotAllowed,
        E::MethodNotAllowed => E::NotAcceptable,
        E::NotAcceptable => E::UnsupportedMediaType,
        E::UnsupportedMediaType => E::BodyTooLarge,
        E::BodyTooLarge => E::BodyTimeout,
        E::BodyTimeout => E::BodyBroken,
        E::BodyBroken => E::Overloaded,
        E::Overloaded => E::TooManyInFlight,
        E::TooManyInFlight => E::MemoryShort,
        E::MemoryShort => E::TooManyMessages(EXHAUSTED),
        E::TooManyMessages(_) => E::Sealed,
        E::Sealed => E::Internal,
        E::Internal => return None,
    })
}

fn after_oauth(error: &OAuthError) -> Option<OAuthError> {
    use OAuthError as O;
    Some(match error {
        O::Unavailable => O::InvalidRequest(""),
        O::InvalidRequest(_) => O::InvalidClient(""),
        O::InvalidClient(_) => O::InvalidGrant(""),
        O::InvalidGrant(_) => O::UnauthorizedClient(""),
        O::UnauthorizedClient(_) => O::UnsupportedGrantType(""),
        O::UnsupportedGrantType(_) => O::UnsupportedResponseType(""),
        O::UnsupportedResponseType(_) => O::InvalidScope(""),
        O::InvalidScope(_) => O::InvalidTarget(""),
        O::InvalidTarget(_) => O::AccessDenied(""),
        O::AccessDenied(_) => O::InvalidRedirectUri(""),
        O::InvalidRedirectUri(_) => O::InvalidClientMetadata(""),
        O::InvalidClientMetadata(_) => O::SlowDown("", WAIT),
        O::SlowDown(..) => return None,
    })
}

fn after_page(refusal: &PageRefusal) -> Option<PageRefusal> {
    use PageRefusal as P;
    Some(match refusal {
        P::KeyInAddress => P::Authorization(Fault::Twice),
        P::Authorization(_) => P::Foreign,
        P::Foreign => P::Stale,
        P::Stale => P::Malformed,
        P::Malformed => P::Exhausted,
        P::Exhausted => P::LinkOver,
        P::LinkOver => P::LinkUnknown,
        P::LinkUnknown => P::LinkOfOther,
        P::LinkOfOther => P::NotSignedIn,
        P::NotSignedIn => P::Consent(ConsentError::UnknownUpstream),
        P::Consent(error) => after_consent(error).map_or(P::KeyIncomplete, P::Consent),
        P::KeyIncomplete => P::KeyRefused,
        P::KeyRefused => P::TooManyTries(1),
        P::TooManyTries(_) => P::Edge(EdgeRefusal::NotFound),
        P::Edge(_) => return None,
    })
}

fn after_consent(error: &ConsentError) -> Option<ConsentError> {
    use ConsentError as E;
    Some(match error {
        E::UnknownUpstream => E::BeyondCeiling,
        E::BeyondCeiling => E::OneAccount,
        E::OneAccount => E::TooManyAccounts,
        E::TooManyAccounts => E::State,
        E::State => E::OtherBrowser,
        E::OtherBrowser => E::OtherUpstream,
        E::OtherUpstream => E::Issuer,
        E::Issuer => E::Denied,
        E::Denied => E::ProviderError,
        E::ProviderError => E::NoCode,
        E::NoCode => E::Tokens(TokenError::Refused),
        E::Tokens(TokenError::Refused) => E::Tokens(TokenError::ClientRefused),
        E::Tokens(_) => E::Vault(VaultError::Missing),
        E::Vault(_) => return None,
    })
}

fn after_fault(fault: &ProtocolFault) -> Option<ProtocolFault> {
    use ProtocolFault as F;
    Some(match fault {
        F::Parse => F::InvalidRequest(""),
        F::InvalidRequest(_) => F::Envelope(""),
        F::Envelope(_) => F::HeaderMismatch(""),
        F::HeaderMismatch(_) => F::UnsupportedVersion {
            requested: String::new(),
        },
        F::UnsupportedVersion { .. } => F::MethodNotFound,
        F::MethodNotFound => F::InvalidParams(""),
        F::InvalidParams(_) => return None,
    })
}

fn after_call(error: &CallError) -> Option<CallError> {
    use CallError as C;
    Some(match error {
        C::Limited(_) => C::UnknownTool,
        C::UnknownTool => C::InsufficientScope,
        C::InsufficientScope => C::InvalidArguments(Vec::new()),
        C::InvalidArguments(_) => C::UnsafeArgument(RequestFault {
            argument: String::new(),
            rule: "",
        }),
        C::UnsafeArgument(_) => C::NoSlot(GateRefusal::Rate(WAIT)),
        C::NoSlot(_) => C::Upstream(UpstreamError::Connect),
        C::Upstream(_) => C::Repeated(Repeated::OtherArguments),
        C::Repeated(Repeated::OtherArguments) => C::Repeated(Repeated::UnderWay),
        C::Repeated(Repeated::UnderWay) => C::Repeated(Repeated::Unknown),
        C::Repeated(Repeated::Unknown) => C::Repeated(Repeated::NotKept),
        C::Repeated(Repeated::NotKept) => C::Deadline,
        C::Deadline => C::CredentialMissing,
        C::CredentialMissing => C::ConnectionNeeded(Box::new(ConnectionNeeded {
            upstream: "ads".parse().expect("a name"),
            title: String::new(),
            reason: Reason::NotConnected,
            link: String::new(),
            departure: Departure::NeverLeft,
        })),
        C::ConnectionNeeded(_) => C::ConnectionDeclined,
        C::ConnectionDeclined => C::AccountAmbiguous(Vec::new()),
        C::AccountAmbiguous(_) => C::AccountUnknown(Vec::new()),
        C::AccountUnknown(_) => C::ScopeWithheld,
        C::ScopeWithheld => C::CredentialUnavailable,
        C::CredentialUnavailable => C::Sealed,
        C::Sealed => C::Cancelled,
        C::Cancelled => C::StoreUnavailable,
        C::StoreUnavailable => C::LimitsUnavailable,
        C::LimitsUnavailable => C::Internal,
        C::Internal => return None,
    })
}

fn after_upstream(error: &UpstreamError) -> Option<UpstreamError> {
    use UpstreamError as U;
    Some(match error {
        U::Connect => U::AddressRefused,
        U::AddressRefused => U::TimedOut(Phase::Body),
        U::TimedOut(_) => U::Broken,
        U::Broken => U::Status(500),
        U::Status(_) => U::CredentialRefused(401),
        U::CredentialRefused(_) => U::Redirect(301),
        U::Redirect(_) => U::Limited {
            status: 429,
            retry_after: None,
        },
        U::Limited { .. } => U::TooLarge,
        U::TooLarge => U::Unusable(""),
        U::Unusable(_) => U::OutputMismatch,
        U::OutputMismatch => U::CredentialEchoed,
        U::CredentialEchoed => U::CredentialUnusable,
        U::CredentialUnusable => return None,
    })
}

fn after_gate(refusal: &GateRefusal) -> Option<GateRefusal> {
    Some(match refusal {
        GateRefusal::Rate(_) => GateRefusal::Queue(WAIT),
        GateRefusal::Queue(_) => GateRefusal::Paused(WAIT),
        GateRefusal::Paused(_) => GateRefusal::CircuitOpen(WAIT),
        GateRefusal::CircuitOpen(_) => return None,
    })
}
