//! What came of a call, and what of that is kept for whoever asks again.
//!
//! Kept bytes: `kind 1 | status 2 | text`. Never holds a byte that the first answer did not.

use zeroize::Zeroizing;

use crate::{
    call::{CallError, CallResult, error::Charge},
    upstream::{Answer, AnswerContent, JsonKind, UpstreamError},
};

/// A longer text is not kept.
const LONGEST: usize = 64 * 1024;

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The upstream said something final: to be said again.
    Final(Zeroizing<Vec<u8>>),
    /// It did, at too great length.
    Long,
    /// The call never left, or the upstream did nothing but refuse: the key may be used again.
    Nothing,
    /// It may have taken effect.
    Unknown,
}

const OBJECT: u8 = 1;
const OTHER_JSON: u8 = 2;
const TEXT: u8 = 3;
const STATUS: u8 = 4;
const CREDENTIAL_REFUSED: u8 = 5;
const REDIRECT: u8 = 6;
const TOO_LARGE: u8 = 7;
const UNUSABLE: u8 = 8;
const OUTPUT_MISMATCH: u8 = 9;
const CREDENTIAL_ECHOED: u8 = 10;

impl Outcome {
    pub(super) fn of(result: &CallResult) -> Self {
        let error = match result {
            Ok(answer) => return Self::answered(answer),
            Err(error) => error,
        };
        if error.charge() == Charge::Refund {
            return Self::Nothing;
        }
        match error {
            CallError::Upstream(error) => Self::failed(*error),
            // The account ended when the upstream was asked: it refused with 401.
            CallError::ConnectionNeeded(_) => Self::Nothing,
            CallError::Deadline
            | CallError::Cancelled
            | CallError::Internal
            // These are refunded; should that ever change, nothing is known of them.
            | CallError::Limited(_)
            | CallError::UnknownTool
            | CallError::InsufficientScope
            | CallError::InvalidArguments(_)
            | CallError::UnsafeArgument(_)
            | CallError::NoSlot(_)
            | CallError::Repeated(_)
            | CallError::CredentialMissing
            | CallError::ConnectionDeclined
            | CallError::AccountAmbiguous(_)
            | CallError::AccountUnknown(_)
            | CallError::ScopeWithheld
            | CallError::CredentialUnavailable
            | CallError::Sealed
            | CallError::StoreUnavailable
            | CallError::LimitsUnavailable => Self::Unknown,
        }
    }

    fn answered(answer: &Answer) -> Self {
        let (kind, text) = match &answer.content {
            AnswerContent::Json {
                text,
                kind: JsonKind::Object,
            } => (OBJECT, text),
            AnswerContent::Json {
                text,
                kind: JsonKind::Other,
            } => (OTHER_JSON, text),
            AnswerContent::Text(text) => (TEXT, text),
        };
        if text.len() > LONGEST {
            return Self::Long;
        }
        Self::Final(written(kind, answer.status, text))
    }

    /// Nothing is kept of an error but which one it is.
    fn failed(error: UpstreamError) -> Self {
        let last = |kind, status| Self::Final(written(kind, status, ""));
        match error {
            // It asked who is there, or for a pause: nothing was done.
            UpstreamError::CredentialRefused(401)
            | UpstreamError::Limited {
                status: ..=499, ..
            }
            // Never left; refunded above.
            | UpstreamError::Connect
            | UpstreamError::AddressRefused
            | UpstreamError::CredentialUnusable => Self::Nothing,
            UpstreamError::Status(status @ ..=499) => last(STATUS, status),
            UpstreamError::CredentialRefused(status) => last(CREDENTIAL_REFUSED, status),
            UpstreamError::Redirect(status) => last(REDIRECT, status),
            UpstreamError::TooLarge => last(TOO_LARGE, 0),
            UpstreamError::Unusable(_) => last(UNUSABLE, 0),
            UpstreamError::OutputMismatch => last(OUTPUT_MISMATCH, 0),
            UpstreamError::CredentialEchoed => last(CREDENTIAL_ECHOED, 0),
            UpstreamError::Status(_)
            | UpstreamError::Limited { .. }
            | UpstreamError::TimedOut(_)
            | UpstreamError::Broken => Self::Unknown,
        }
    }
}

fn written(kind: u8, status: u16, text: &str) -> Zeroizing<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::with_capacity(3 + text.len()));
    kept.push(kind);
    kept.extend_from_slice(&status.to_be_bytes());
    kept.extend_from_slice(text.as_bytes());
    kept
}

/// What was kept, as the first caller was told; none when it is nothing of ours.
pub(super) fn read(kept: &[u8]) -> Option<CallResult> {
    let ([kind, high, low], text) = kept.split_first_chunk::<3>()?;
    let status = u16::from_be_bytes([*high, *low]);
    let failed = |error| Some(Err(CallError::Upstream(error)));
    match *kind {
        OBJECT | OTHER_JSON | TEXT => {
            let text = String::from_utf8(text.to_vec()).ok()?;
            let content = match *kind {
                OBJECT => AnswerContent::Json {
                    text,
                    kind: JsonKind::Object,
                },
                OTHER_JSON => AnswerContent::Json {
                    text,
                    kind: JsonKind::Other,
                },
                _ => AnswerContent::Text(text),
            };
            Some(Ok(Answer {
                content,
                status,
                attempts: 1,
            }))
        }
        STATUS => failed(UpstreamError::Status(status)),
        CREDENTIAL_REFUSED => failed(UpstreamError::CredentialRefused(status)),
        REDIRECT => failed(UpstreamError::Redirect(status)),
        TOO_LARGE => failed(UpstreamError::TooLarge),
        UNUSABLE => failed(UpstreamError::Unusable("as it was before")),
        OUTPUT_MISMATCH => failed(UpstreamError::OutputMismatch),
        CREDENTIAL_ECHOED => failed(UpstreamError::CredentialEchoed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Phase;

    fn answer(content: AnswerContent) -> Answer {
        Answer {
            content,
            status: 201,
            attempts: 1,
        }
    }

    fn failure(error: UpstreamError) -> CallResult {
        Err(CallError::Upstream(error))
    }

    #[test]
    fn what_is_final_is_said_again() {
        let json = |kind, text: &str| AnswerContent::Json {
            text: text.to_owned(),
            kind,
        };
        for result in [
            Ok(answer(json(JsonKind::Object, r#"{"a":1.10}"#))),
            Ok(answer(json(JsonKind::Other, "[1]"))),
            Ok(answer(AnswerContent::Text("paid \u{2713}".into()))),
            failure(UpstreamError::Status(422)),
            failure(UpstreamError::CredentialRefused(403)),
            failure(UpstreamError::Redirect(302)),
            failure(UpstreamError::TooLarge),
            failure(UpstreamError::OutputMismatch),
            failure(UpstreamError::CredentialEchoed),
        ] {
            let Outcome::Final(kept) = Outcome::of(&result) else {
                panic!("{result:?}");
            };
            assert_eq!(read(&kept), Some(result));
        }
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(
            Outcome::of(&Ok(answer(AnswerContent::Text(long)))),
            Outcome::Long
        );
        for odd in [&[][..], &[3, 0], &[0, 0, 0], &[3, 0, 200, 0xff]] {
            assert_eq!(read(odd), None);
        }
    }

    #[test]
    fn what_may_have_taken_effect_is_not_taken_for_a_refusal() {
        for error in [
            UpstreamError::Status(500),
            UpstreamError::TimedOut(Phase::FirstByte),
            UpstreamError::Broken,
            UpstreamError::Limited {
                status: 503,
                retry_after: None,
            },
        ] {
            assert_eq!(Outcome::of(&failure(error)), Outcome::Unknown, "{error}");
        }
        assert_eq!(Outcome::of(&Err(CallError::Deadline)), Outcome::Unknown);
        for error in [
            UpstreamError::Connect,
            UpstreamError::TimedOut(Phase::Connect),
            UpstreamError::CredentialRefused(401),
            UpstreamError::Limited {
                status: 429,
                retry_after: None,
            },
        ] {
            assert_eq!(Outcome::of(&failure(error)), Outcome::Nothing, "{error}");
        }
    }
}
