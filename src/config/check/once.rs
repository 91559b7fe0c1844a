//! `once`: only where a repetition would do harm, and beside names that nobody else uses.

use super::{
    super::{
        ToolConfig,
        findings::{Findings, Spot},
        rest::{ONCE_ARGUMENT, ReadOnly, Repeat, RestConfig},
    },
    header,
};

pub(super) fn check(tool: &ToolConfig, rest: &RestConfig, at: &Spot<'_>, findings: &mut Findings) {
    let Some(once) = &tool.once else { return };
    let here = at.key("once");
    if tool.read_only == ReadOnly::Yes || tool.repeat == Repeat::Idempotent {
        findings.error(
            &here,
            "calling this tool twice does no harm, says `read_only` or `repeat`",
            "remove `once`, or those",
        );
    }
    if tool.input["properties"].get(ONCE_ARGUMENT).is_some() {
        findings.error(
            &at.key("input").key("properties").key(ONCE_ARGUMENT),
            "this argument is the gateway's where there is `once`",
            "rename it; `once.header` sends the API a key",
        );
    }
    let account = rest.credential.as_ref().and_then(|c| c.account.as_ref());
    if account.and_then(|account| account.choose_by.as_deref()) == Some(ONCE_ARGUMENT) {
        findings.error(
            &here,
            "`credential.account.choose_by` uses the name `idempotency_key`",
            "choose another name there",
        );
    }
    let Some(name) = &once.header else { return };
    let here = here.key("header");
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    let secret = rest.credential.as_ref().and_then(|c| c.header.as_deref());
    if let Some(fault) = header::tool_fault(name) {
        findings.error(&here, fault, "write a name such as `Idempotency-Key`");
    } else if secret.is_some_and(same) {
        findings.error(
            &here,
            "the credential is sent in this header",
            "write the one that the API takes such keys in",
        );
    } else if tool.request.headers.keys().any(|other| same(other)) {
        findings.error(
            &here,
            "`request.headers` sets this header",
            "remove it there",
        );
    }
}
