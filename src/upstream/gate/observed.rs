//! What a call says about the health of its upstream.

use crate::upstream::{Answer, UpstreamError};

/// What an upstream did with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It answered, be it that we did not like the answer.
    Answered,
    /// It could not be reached, broke, was too slow, or answered 5xx.
    Failed,
    /// It asked somebody to stay away: whom and for how long it told [`Gate::heed`](super::Gate::heed).
    Limited,
    /// Nothing can be said: the call ended for a reason of ours.
    Cancelled,
}

impl Observed {
    /// What a result says about the upstream.
    pub const fn of(result: &Result<Answer, UpstreamError>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(error) => match *error {
                UpstreamError::Connect
                | UpstreamError::TimedOut(_)
                | UpstreamError::Broken
                | UpstreamError::Status(500..) => Self::Failed,
                UpstreamError::Limited { .. } => Self::Limited,
                UpstreamError::AddressRefused | UpstreamError::CredentialUnusable => {
                    Self::Cancelled
                }
                UpstreamError::Status(_)
                | UpstreamError::CredentialRefused(_)
                | UpstreamError::Redirect(_)
                | UpstreamError::TooLarge
                | UpstreamError::Unusable(_)
                | UpstreamError::OutputMismatch
                | UpstreamError::CredentialEchoed => Self::Answered,
            },
        }
    }
}
