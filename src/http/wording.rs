//! What a model or a person reads when a call has no answer: what was wrong, and what to do.
//!
//! Built from constants, names of our configuration, schema rules and numbers. No byte of an
//! upstream's answer and no value of an argument can get in here.

use std::fmt::Write as _;

use crate::{
    call::{CallError, Repeated},
    connect::{ConnectionNeeded, Reason},
    ids::RequestId,
    names::{Label, ToolName},
    quota::{Exhausted, Tier},
    schema::Violation,
    upstream::{GateRefusal, UpstreamError},
};

/// Most characters of a text made from violations.
const MAX_TEXT: usize = 2_000;

/// The text of a tool result with `isError`, or of a JSON-RPC error's message.
pub fn call_text(error: &CallError, tool: Option<&ToolName>, request: RequestId) -> String {
    let tool = tool.map_or("the tool", ToolName::as_str);
    match error {
        CallError::Limited(exhausted) => limited(exhausted),
        CallError::UnknownTool => "Unknown tool: there is none of this name that this license may \
                                   use. `tools/list` names those it may."
            .to_owned(),
        CallError::InsufficientScope => format!(
            "This connection may only call tools that read, and {tool} does more. Connect again and \
             approve all tools."
        ),
        CallError::InvalidArguments(violations) => rejected(tool, violations),
        CallError::UnsafeArgument(fault) => format!(
            "Arguments rejected for {tool}: /{}: {}. Fix and call again.",
            fault.argument, fault.rule
        ),
        CallError::NoSlot(refusal) => no_slot(tool, *refusal),
        CallError::Upstream(error) => format!("{} Reference: {request}.", upstream(tool, *error)),
        CallError::Repeated(why) => repeated(tool, *why, request),
        CallError::Deadline => format!(
            "{tool} did not answer in time. It may still have taken effect. Reference: {request}."
        ),
        CallError::CredentialMissing => format!(
            "{tool} is not set up: the gateway holds no credential for its API yet. Its operator \
             must store one. Reference: {request}."
        ),
        CallError::ConnectionNeeded(needed) => connect(needed),
        CallError::ConnectionDeclined => format!(
            "The user declined to connect the account that {tool} needs. Do not call it again unless \
             the user asks for it."
        ),
        CallError::AccountAmbiguous(labels) => format!(
            "Several accounts are connected. Say which one by its label: {}. Call again.",
            listed(labels)
        ),
        CallError::AccountUnknown(labels) => format!(
            "No account of that label is connected. There are: {}. Call again with one of these; \
             the user connects further accounts on the gateway's account page.",
            listed(labels)
        ),
        CallError::ScopeWithheld => format!(
            "The account's provider did not grant what {tool} needs, although it was asked several \
             times. Somebody who may has to allow it there; then connect the account again on the \
             gateway's account page."
        ),
        CallError::CredentialUnavailable => format!(
            "{tool} cannot sign in to its API at the moment. Try again shortly. Reference: {request}."
        ),
        CallError::Sealed => {
            "The gateway's operator has stopped all calls for now. Try again later.".to_owned()
        }
        CallError::Cancelled => "Cancelled by the client.".to_owned(),
        CallError::StoreUnavailable | CallError::LimitsUnavailable => {
            "The gateway cannot answer at the moment. Try again shortly.".to_owned()
        }
        CallError::Internal => format!("Internal error. Reference: {request}."),
    }
}

/// A call that is not sent a second time.
fn repeated(tool: &str, why: Repeated, request: RequestId) -> String {
    match why {
        Repeated::OtherArguments => format!(
            "Not sent: `idempotency_key` was used within the last day for a call of {tool} with \
             other arguments. A new call needs a new key; a repetition needs the same arguments."
        ),
        Repeated::UnderWay => format!(
            "A call of {tool} with this `idempotency_key` is under way, and is not sent a second \
             time. Ask again with the same key."
        ),
        Repeated::Unknown => format!(
            "A call of {tool} with this `idempotency_key` was sent, and its outcome is not known: it \
             may have taken effect. It is not sent again. Check first whether it did; only if not, \
             call with a new key. Reference: {request}."
        ),
        Repeated::NotKept => format!(
            "{tool} was called with this `idempotency_key` before, and that was done. Its answer is \
             not kept, and it is not called again."
        ),
    }
}

fn listed(labels: &[Label]) -> String {
    let labels: Vec<_> = labels.iter().map(Label::as_str).collect();
    labels.join(", ")
}

/// What to tell a person who has to connect an account.
fn connect(needed: &ConnectionNeeded) -> String {
    format!(
        "{} Ask the user to open {} and to connect it there. Then call again.",
        missing(needed),
        needed.link
    )
}

/// The same to the person, who is shown the address besides.
pub fn please_connect(needed: &ConnectionNeeded) -> String {
    format!(
        "{} Open the page, sign in with your license key, and connect it there.",
        missing(needed)
    )
}

fn missing(needed: &ConnectionNeeded) -> String {
    let title = &needed.title;
    match needed.reason {
        Reason::NotConnected => format!("No {title} account is connected yet."),
        Reason::Ended => format!("The connected {title} account must be connected again."),
        Reason::MoreScopes => {
            format!("The connected {title} account must allow more for this tool.")
        }
    }
}

fn seconds(exhausted: &Exhausted) -> String {
    match exhausted.retry_after_seconds() {
        1 => "1 second".to_owned(),
        seconds if seconds < 7_200 => format!("{seconds} seconds"),
        seconds => format!("{} hours ({seconds} seconds)", seconds.div_ceil(3_600)),
    }
}

/// A limit of session, license or address.
pub fn limited(exhausted: &Exhausted) -> String {
    let wait = seconds(exhausted);
    match exhausted.tier {
        Tier::Session => {
            format!("This session has made its calls for the minute. Wait {wait}, then call again.")
        }
        Tier::List => {
            format!(
                "This session has listed often enough for the minute. Wait {wait}, then list again."
            )
        }
        Tier::Exchange => {
            format!(
                "This license has begun its sessions for the minute. Wait {wait}, then try again."
            )
        }
        Tier::LicenseAtOnce => format!(
            "This license has as many calls under way as it may. Wait {wait}, or for one of them to end, then call again."
        ),
        Tier::LicenseMinute => {
            format!("This license has made its calls for the minute. Wait {wait}, then call again.")
        }
        Tier::LicenseDay => format!(
            "This license has used its calls for today (UTC). Wait {wait}, or ask for a larger plan."
        ),
        Tier::LicenseMonth => format!(
            "This license has used its calls for this month (UTC). Wait {wait}, or ask for a larger \
             plan."
        ),
        Tier::LicenseCost => format!(
            "This call costs more than this license has left for today (UTC). Wait {wait}, or ask \
             for a larger plan."
        ),
        Tier::Upstream => {
            format!("The API behind this tool is busy. Wait {wait}, then call again.")
        }
        Tier::Address => format!("Too many refused credentials. Wait {wait}, then try again."),
        Tier::Registration => format!("Too many registrations. Wait {wait}, then try again."),
        Tier::Messages => format!(
            "This session sends too many messages that are no calls, or cannot be read. Wait {wait}, \
             then go on."
        ),
    }
}

/// Too many open subscriptions of all licenses.
pub const STREAMS: &str = "The gateway holds as many subscriptions open as it can. Try again as \
                           `Retry-After` says, or list tools now and then instead.";

/// Too many open subscriptions of one license.
pub fn subscriptions(most: u32) -> String {
    format!(
        "This license holds {most} subscriptions open, which is all it may. Close one, then try again."
    )
}

fn no_slot(tool: &str, refusal: GateRefusal) -> String {
    let wait = seconds(&refusal.exhausted());
    match refusal {
        GateRefusal::Rate(_) | GateRefusal::Queue(_) => {
            format!("The API behind {tool} is busy. Wait {wait}, then call again.")
        }
        GateRefusal::Paused(_) => {
            format!("The API behind {tool} asked for a pause. Wait {wait}, then call again.")
        }
        GateRefusal::CircuitOpen(_) => format!(
            "The API behind {tool} is failing and is left alone for a while. Wait {wait}, then \
             call again."
        ),
    }
}

fn rejected(tool: &str, violations: &[Violation]) -> String {
    let mut text = format!("Arguments rejected for {tool}: ");
    for (position, violation) in violations.iter().enumerate() {
        if text.len() > MAX_TEXT {
            text.push_str("; and more");
            break;
        }
        // Writing to memory does not fail.
        let _ = write!(text, "{}{violation}", if position == 0 { "" } else { "; " });
    }
    text.push_str(". Fix and call again.");
    text
}

fn upstream(tool: &str, error: UpstreamError) -> String {
    match error {
        UpstreamError::Connect | UpstreamError::TimedOut(crate::upstream::Phase::Connect) => {
            format!("The API behind {tool} cannot be reached. Try again later.")
        }
        UpstreamError::AddressRefused => {
            format!("The API behind {tool} is at an address that the gateway does not call.")
        }
        UpstreamError::TimedOut(_) => {
            format!("The API behind {tool} did not answer in time. It may still have taken effect.")
        }
        UpstreamError::Broken => {
            format!("The API behind {tool} broke off its answer. Try again later.")
        }
        UpstreamError::Status(status) if status < 500 => format!(
            "The API behind {tool} refused the request (status {status}). Check the arguments."
        ),
        UpstreamError::Status(status) => {
            format!("The API behind {tool} failed (status {status}). Try again later.")
        }
        UpstreamError::CredentialRefused(_) | UpstreamError::CredentialUnusable => format!(
            "{tool} is not available: its API does not accept the gateway's credential. Its \
             operator must renew it."
        ),
        UpstreamError::Redirect(_) => format!(
            "The API behind {tool} has moved. The gateway does not follow redirects; its operator \
             must correct the address."
        ),
        UpstreamError::Limited { retry_after, .. } => match retry_after {
            Some(retry_after) => format!(
                "The API behind {tool} is limiting calls. Wait {}, then call again.",
                seconds(&Exhausted {
                    tier: Tier::Upstream,
                    retry_after
                })
            ),
            None => format!("The API behind {tool} is limiting calls. Wait, then call again."),
        },
        UpstreamError::TooLarge => format!(
            "The answer of the API behind {tool} is too large. Ask for less, by a filter or limit."
        ),
        UpstreamError::Unusable(_)
        | UpstreamError::OutputMismatch
        | UpstreamError::CredentialEchoed => {
            format!("The API behind {tool} answered with something that cannot be passed on.")
        }
    }
}
