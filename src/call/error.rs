//! Every way in which a call ends without an answer.

use super::once::Repeated;
use crate::{
    connect::ConnectionNeeded,
    names::Label,
    quota::Exhausted,
    schema::Violation,
    upstream::{Departure, GateRefusal, RequestFault, UpstreamError},
};

/// A call that has no answer. `Display` is for the log; what the caller reads is made in
/// [`crate::http::reply`] from constants, names of our configuration and schema rules.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The session or license tier said no.
    #[error("limited by {}", .0.tier.as_str())]
    Limited(Exhausted),
    /// No such tool, or not for this license: one answer.
    #[error("tool unknown or not entitled")]
    UnknownTool,
    /// The session may only call tools that read, and this one does more.
    #[error("the session's scope does not suffice")]
    InsufficientScope,
    /// The arguments do not fit the tool's schema.
    #[error("arguments do not fit the schema")]
    InvalidArguments(Vec<Violation>),
    /// The arguments fit the schema but cannot be put into a request safely.
    #[error("{0}")]
    UnsafeArgument(RequestFault),
    /// The upstream tier said no.
    #[error("no slot at the upstream")]
    NoSlot(GateRefusal),
    /// The upstream gave no answer that can be passed on.
    #[error("{0}")]
    Upstream(UpstreamError),
    /// It came before under the same key, and is not sent again.
    #[error("not sent again: {}", .0.code())]
    Repeated(Repeated),
    /// The call took too long.
    #[error("deadline passed")]
    Deadline,
    /// No credential is stored for the upstream.
    #[error("no credential for the upstream")]
    CredentialMissing,
    /// The person must connect an account first.
    #[error("an account must be connected")]
    ConnectionNeeded(Box<ConnectionNeeded>),
    /// The person was asked to connect an account and did not want to.
    #[error("the person declined to connect an account")]
    ConnectionDeclined,
    /// Several accounts are connected and the call names none.
    #[error("several accounts, none named")]
    AccountAmbiguous(Vec<Label>),
    /// None of the connected accounts has the label that the call names.
    #[error("no account of that label")]
    AccountUnknown(Vec<Label>),
    /// The account's provider does not grant what the tool needs.
    #[error("the provider withholds a scope")]
    ScopeWithheld,
    /// No usable token can be had at the moment.
    #[error("no usable token can be had")]
    CredentialUnavailable,
    /// The operator has stopped all use of credentials.
    #[error("the vault is sealed")]
    Sealed,
    /// The caller cancelled it.
    #[error("cancelled by the caller")]
    Cancelled,
    /// The store does not answer.
    #[error("store unavailable")]
    StoreUnavailable,
    /// What counts the short windows does not answer, and calls are to be refused then.
    #[error("shared limits unavailable")]
    LimitsUnavailable,
    /// A bug of ours.
    #[error("internal fault")]
    Internal,
}

/// Is the call paid for?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// It counts against the day.
    Keep,
    /// It provably never left, so it does not.
    Refund,
}

impl Charge {
    const fn of(departure: Departure) -> Self {
        match departure {
            Departure::NeverLeft => Self::Refund,
            Departure::MayHaveArrived => Self::Keep,
        }
    }
}

impl CallError {
    /// Refund only what provably never left.
    pub const fn charge(&self) -> Charge {
        match self {
            Self::Upstream(error) => Charge::of(error.departure()),
            Self::ConnectionNeeded(needed) => Charge::of(needed.departure),
            Self::NoSlot(_)
            | Self::Repeated(_)
            | Self::CredentialMissing
            | Self::ConnectionDeclined
            | Self::AccountAmbiguous(_)
            | Self::AccountUnknown(_)
            | Self::ScopeWithheld
            | Self::CredentialUnavailable
            | Self::Sealed
            | Self::StoreUnavailable
            | Self::LimitsUnavailable
            | Self::Limited(_)
            | Self::UnknownTool
            | Self::InsufficientScope
            | Self::InvalidArguments(_)
            | Self::UnsafeArgument(_) => Charge::Refund,
            Self::Deadline | Self::Cancelled | Self::Internal => Charge::Keep,
        }
    }

    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Limited(_) => "limited",
            Self::UnknownTool => "unknown_tool",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidArguments(_) => "invalid_arguments",
            Self::UnsafeArgument(_) => "unsafe_argument",
            Self::NoSlot(refusal) => refusal.code(),
            Self::Upstream(error) => error.code(),
            Self::Repeated(why) => why.code(),
            Self::Deadline => "deadline",
            Self::CredentialMissing => "credential_missing",
            Self::ConnectionNeeded(_) => "connection_needed",
            Self::ConnectionDeclined => "connection_declined",
            Self::AccountAmbiguous(_) => "account_ambiguous",
            Self::AccountUnknown(_) => "account_unknown",
            Self::ScopeWithheld => "scope_withheld",
            Self::CredentialUnavailable => "credential_unavailable",
            Self::Sealed => "sealed",
            Self::Cancelled => "cancelled",
            Self::StoreUnavailable => "store_unavailable",
            Self::LimitsUnavailable => "limits_unavailable",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Reason;

    #[test]
    fn an_account_that_ended_under_a_call_does_not_make_it_free() {
        let charge = |departure| {
            let needed = ConnectionNeeded {
                upstream: "ads".parse().unwrap(),
                title: String::new(),
                reason: Reason::Ended,
                link: String::new(),
                departure,
            };
            CallError::ConnectionNeeded(Box::new(needed)).charge()
        };
        assert_eq!(charge(Departure::NeverLeft), Charge::Refund);
        assert_eq!(charge(Departure::MayHaveArrived), Charge::Keep);
    }
}
