//! Sending a person to an address in the middle of a call (2026-07-28, MRTR and elicitation in URL
//! mode): what is asked, and what a retry brings back. Never asks for anything in a form.

use serde_json::{Map, Value, json};

use super::{
    era::META_CAPABILITIES, fault::ProtocolFault, jsonrpc::Id, jsonrpc::Params,
    lifecycle::META_JSON, version::Revision,
};

/// Can the client send a person to an address?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendsPeople {
    /// It says so in this request.
    Yes,
    /// It does not, or its revision has no word for it.
    No,
}

impl SendsPeople {
    /// From the capabilities of this request: `elicitation: {}` alone means forms (ELI).
    pub fn of(revision: Revision, params: &Params) -> Self {
        let declared = || {
            let capabilities = params.meta()?.get(META_CAPABILITIES)?;
            capabilities.get("elicitation")?.get("url")?.as_object()
        };
        match revision {
            Revision::V2026_07_28 if declared().is_some() => Self::Yes,
            Revision::V2026_07_28
            | Revision::V2025_11_25
            | Revision::V2025_06_18
            | Revision::V2025_03_26 => Self::No,
        }
    }
}

/// What a person did with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Agreed to open it; that is not to say that anything is done there.
    Accept,
    /// Said no.
    Decline,
    /// Went away.
    Cancel,
}

/// What a retry brings back besides the call itself. A stranger's words, all of them.
#[derive(Debug, Default, PartialEq)]
pub struct Retry {
    /// What we gave out, if this is it.
    pub state: Option<String>,
    answers: Map<String, Value>,
}

impl Retry {
    /// Takes it out of the call's parameters.
    pub fn take(params: &mut Map<String, Value>) -> Result<Self, ProtocolFault> {
        let invalid = |text| Err(ProtocolFault::InvalidParams(text));
        let state = match params.remove("requestState") {
            None => None,
            Some(Value::String(state)) => Some(state),
            Some(_) => return invalid("`requestState` must be a string"),
        };
        let answers = match params.remove("inputResponses") {
            None => Map::new(),
            Some(Value::Object(answers)) => answers,
            Some(_) => return invalid("`inputResponses` must be an object"),
        };
        Ok(Self { state, answers })
    }

    /// The answer to what was asked under this key; none where there is none. What was not asked is
    /// not looked at.
    pub fn answer(&self, key: &str) -> Result<Option<Did>, ProtocolFault> {
        let Some(answer) = self.answers.get(key) else {
            return Ok(None);
        };
        match answer.get("action").and_then(Value::as_str) {
            Some("accept") => Ok(Some(Did::Accept)),
            Some("decline") => Ok(Some(Did::Decline)),
            Some("cancel") => Ok(Some(Did::Cancel)),
            _ => Err(ProtocolFault::InvalidParams(
                "an answer in `inputResponses` must have the action `accept`, `decline` or `cancel`",
            )),
        }
    }
}

/// The result of a call that goes on when somebody has opened `url`.
pub fn input_required(id: &Id, key: &str, message: &str, url: &str, state: &str) -> String {
    let request = json!({
        "method": "elicitation/create",
        "params": { "mode": "url", "message": message, "url": url },
    });
    let meta: Value = serde_json::from_str(META_JSON).unwrap_or_default();
    let result = json!({
        "resultType": "input_required",
        "inputRequests": { key: request },
        "requestState": state,
        "_meta": meta,
    });
    super::tools::plain_result(id, &result)
}

/// `data` of the error that says the same to clients of 2025-11-25 (-32042).
pub fn elicitations(id: &str, message: &str, url: &str) -> Value {
    json!({ "elicitations":
        [{ "mode": "url", "elicitationId": id, "url": url, "message": message }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn t53_only_who_says_url_is_sent() {
        let sends = |revision, capabilities: Value| {
            let meta = json!({ "_meta": { META_CAPABILITIES: capabilities } });
            SendsPeople::of(revision, &Params::Object(params(&meta)))
        };
        let now = Revision::V2026_07_28;
        let url = json!({ "elicitation": { "url": {} } });
        assert_eq!(sends(now, url.clone()), SendsPeople::Yes);
        assert_eq!(sends(Revision::V2025_11_25, url), SendsPeople::No);
        for less in [
            json!({}),
            json!({ "elicitation": {} }),
            json!({ "elicitation": { "form": {} } }),
            json!({ "elicitation": { "url": true } }),
        ] {
            assert_eq!(sends(now, less.clone()), SendsPeople::No, "{less}");
        }
        assert_eq!(SendsPeople::of(now, &Params::Malformed), SendsPeople::No);
    }

    #[test]
    fn t56_answers_are_read_and_what_was_not_asked_is_passed_over() {
        let take = |value| Retry::take(&mut params(&value));
        let retry = take(json!({ "requestState": "s", "inputResponses": {
            "a": { "action": "accept", "content": {} }, "d": { "action": "decline" },
            "c": { "action": "cancel" }, "x": 7, "y": { "action": "maybe" } } }));
        let retry = retry.unwrap();
        assert_eq!(retry.state.as_deref(), Some("s"));
        assert_eq!(retry.answer("a"), Ok(Some(Did::Accept)));
        assert_eq!(retry.answer("d"), Ok(Some(Did::Decline)));
        assert_eq!(retry.answer("c"), Ok(Some(Did::Cancel)));
        assert_eq!(retry.answer("other"), Ok(None));
        assert!(retry.answer("x").is_err() && retry.answer("y").is_err());
        assert_eq!(take(json!({})), Ok(Retry::default()));
        assert!(take(json!({ "requestState": 7 })).is_err());
        assert!(take(json!({ "inputResponses": [] })).is_err());
    }
}
