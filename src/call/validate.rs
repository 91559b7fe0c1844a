//! Arguments against the tool's schema, then into a request. No credential, no upstream yet.

use std::{fmt::Write as _, sync::Arc};

use serde_json::Value;

use super::{Call, CallError, once::ClientKey, policy::Policy};
use crate::{
    mcp::json::{Excess, loses_digits},
    schema::{Violation, limits::escape},
    upstream::Once,
};

/// Checks the arguments and prepares the request that they become.
#[derive(Clone)]
pub struct Validate;

impl Policy for Validate {
    fn admit(&self, call: &mut Call) -> Result<(), CallError> {
        if let Some(violation) = call
            .excess
            .and_then(|excess| explain(excess, &call.arguments))
        {
            return Err(CallError::InvalidArguments(vec![violation]));
        }
        let tool = Arc::clone(call.tool()?);
        tool.input
            .check(&call.arguments)
            .map_err(CallError::InvalidArguments)?;
        let (site, target) = (Arc::clone(&tool.bound.site), Arc::clone(&tool.bound.target));
        // Ours, not the upstream's; the schema has checked its form.
        let chosen = site.source.chosen_by();
        let chosen = chosen.and_then(|name| call.arguments.as_object_mut()?.remove(name));
        call.account = chosen.and_then(|label| label.as_str()?.parse().ok());
        if tool.bound.definition.once == Once::Offered {
            call.once = ClientKey::take(&mut call.arguments, call.named.take())?;
        }
        let prepared = target.prepare(&call.arguments);
        call.prepared = Some(prepared.map_err(CallError::UnsafeArgument)?);
        Ok(())
    }
}

/// What is wrong with the arguments; nothing when the message was odd elsewhere, as in `_meta`.
fn explain(excess: Excess, arguments: &Value) -> Option<Violation> {
    let somewhere = |is: fn(&Value) -> bool, rule| {
        let mut pointer = String::new();
        find(arguments, is, &mut pointer).then(|| Violation::at(&pointer, rule))
    };
    match excess {
        // What was skipped is not there to be found.
        Excess::Depth => Some(Violation::at("", "is nested too deep; at most 64 levels")),
        Excess::Count => Some(Violation::at(
            "",
            "holds too many values; at most 10,000, and 1,024 keys an object",
        )),
        Excess::Nul => somewhere(
            |value| value.as_str().is_some_and(|text| text.contains('\0')),
            "must not hold a NUL character",
        ),
        Excess::Number => somewhere(
            |value| value.as_f64().is_some_and(loses_digits) && !value.is_i64() && !value.is_u64(),
            "is a number beyond 2^53 that would lose digits; send it as text",
        ),
    }
}

/// The JSON Pointer (RFC 6901) of the first such value. The parser has bounded the depth.
fn find(value: &Value, is: fn(&Value) -> bool, pointer: &mut String) -> bool {
    let length = pointer.len();
    let mut below = |name: &dyn std::fmt::Display, value| {
        // Writing to memory does not fail.
        let _ = write!(pointer, "/{name}");
        let found = find(value, is, pointer);
        if !found {
            pointer.truncate(length);
        }
        found
    };
    match value {
        Value::Array(items) => items.iter().enumerate().any(|(at, item)| below(&at, item)),
        Value::Object(map) => map.iter().any(|(name, item)| below(&escape(name), item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => is(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_odd_is_named_where_it_is() {
        let said = |excess, arguments| explain(excess, &arguments).map(|v| v.pointer);
        let odd = json!({ "a": [1, { "b/c": "x\0y" }] });
        assert_eq!(said(Excess::Nul, odd).as_deref(), Some("/a/1/b~1c"));
        assert_eq!(
            said(Excess::Nul, json!({ "a": "x" })),
            None,
            "it was elsewhere"
        );
        assert_eq!(
            said(Excess::Number, json!({ "n": 1e21 })).as_deref(),
            Some("/n")
        );
        assert_eq!(said(Excess::Number, json!({ "n": u64::MAX })), None);
        assert_eq!(said(Excess::Depth, json!({})).as_deref(), Some(""));
    }
}
