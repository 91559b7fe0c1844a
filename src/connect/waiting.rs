//! A call that waits for an account, as its client carries it for us: sealed, for this caller, this
//! call and ten minutes. What comes back counts only when all three are the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Connections;
use crate::{
    auth::Principal,
    crypto::{HandleKind, Handled},
    names::UpstreamName,
};

/// How long a client may take to come back.
const LIFE: std::time::Duration = std::time::Duration::from_mins(10);

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    upstream: UpstreamName,
    /// The keyed digest of the call.
    call: String,
}

/// Why a text that came back does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateFault {
    /// Nothing of ours, or not this caller's.
    #[error("not given to this caller")]
    Foreign,
    /// It was this caller's, and it is too old.
    #[error("over")]
    Over,
    /// It was for another tool or other arguments.
    #[error("for another call")]
    OtherCall,
}

impl Connections {
    /// What the client is given to carry, for a call of this tool with these arguments that waits for
    /// an account at this upstream.
    pub fn waiting(
        &self,
        caller: &Principal,
        tool: &str,
        arguments: &Value,
        upstream: &UpstreamName,
    ) -> String {
        let sealed = Sealed {
            upstream: upstream.clone(),
            call: self.digest(tool, arguments),
        };
        // A struct of a name and a text always becomes JSON.
        let content = serde_json::to_vec(&sealed).unwrap_or_default();
        let ends = self.clock.now().plus(LIFE);
        self.handle_key().seal(
            HandleKind::RequestState,
            &audience(caller),
            &content,
            ends,
            &*self.entropy,
        )
    }

    /// The upstream whose account the call waits for, from what came back with it.
    pub fn waited(
        &self,
        caller: &Principal,
        tool: &str,
        arguments: &Value,
        text: &str,
    ) -> Result<UpstreamName, StateFault> {
        let (kind, now) = (HandleKind::RequestState, self.clock.now());
        let content = match self.handle_key().open(kind, &audience(caller), text, now) {
            Some(Handled::Open(content)) => content,
            Some(Handled::Over) => return Err(StateFault::Over),
            None => return Err(StateFault::Foreign),
        };
        let sealed: Sealed =
            serde_json::from_slice(content.expose()).map_err(|_| StateFault::Foreign)?;
        if sealed.call != self.digest(tool, arguments) {
            return Err(StateFault::OtherCall);
        }
        Ok(sealed.upstream)
    }

    fn digest(&self, tool: &str, arguments: &Value) -> String {
        let mut text = String::from("tools/call\0");
        text.push_str(tool);
        text.push('\0');
        text.push_str(&sorted(arguments).to_string());
        let digest = self.handle_key().digest("call", &text);
        data_encoding::BASE64URL_NOPAD.encode(digest.as_bytes())
    }
}

/// A license and the session of it: what another client of the same license was given is not this
/// one's.
fn audience(caller: &Principal) -> String {
    let session = data_encoding::HEXLOWER.encode(&caller.session().to_bytes());
    format!("{} {session}", caller.license_id())
}

/// The same value with its members in one order: a client may write them down anew. The parser has
/// bounded the depth.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let pairs = members
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_members_does_not_count_and_that_of_items_does() {
        let text = |value: Value| sorted(&value).to_string();
        assert_eq!(
            text(json!({ "b": { "d": 1, "c": 2 }, "a": 3 })),
            text(json!({ "a": 3, "b": { "c": 2, "d": 1 } }))
        );
        assert_ne!(text(json!([1, 2])), text(json!([2, 1])));
        assert_ne!(text(json!({ "a": "1" })), text(json!({ "a": 1 })));
    }
}
