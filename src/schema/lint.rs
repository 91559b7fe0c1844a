//! Where a schema is valid and yet lets in more than anybody meant. Judges; refuses nothing.

use serde_json::{Map, Value};

use super::{
    limits::escape,
    pattern::{is_anchored, is_bounded},
};

/// A place where a schema bounds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looseness {
    /// JSON Pointer (RFC 6901) into the schema.
    pub pointer: String,
    /// What is open.
    pub message: &'static str,
    /// What would close it.
    pub fix: &'static str,
}

/// Formats whose texts are short by themselves.
const SHORT_FORMATS: [&str; 9] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uuid",
];

/// Finds open objects, unbounded strings, arrays and numbers, unanchored patterns and missing
/// types. The schema must have passed [`super::InputSchema::compile`], which bounds its depth.
///
/// Branches of `anyOf`, `oneOf`, `allOf`, `not` and `if` narrow what stands beside them, so they
/// are looked at only for what they add as alternatives.
pub fn lint(schema: &Value) -> Vec<Looseness> {
    let mut found = Vec::new();
    visit(schema, "", &mut found);
    found
}

fn visit(schema: &Value, at: &str, found: &mut Vec<Looseness>) {
    let map = match schema {
        Value::Object(map) => map,
        Value::Bool(false) => return,
        Value::Null | Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            note(found, at, "anything is allowed", "say a `type`");
            return;
        }
    };
    for keyword in ["$defs", "definitions"] {
        each_entry(map, keyword, at, found);
    }
    if map.contains_key("$ref") || map.contains_key("enum") || map.contains_key("const") {
        return;
    }
    let alternatives = ["anyOf", "oneOf"];
    let types = types(map);
    if types.is_empty() {
        if alternatives
            .iter()
            .any(|keyword| map.contains_key(*keyword))
        {
            for keyword in alternatives {
                let list = map.get(keyword).and_then(Value::as_array);
                for (i, branch) in list.into_iter().flatten().enumerate() {
                    visit(branch, &format!("{at}/{keyword}/{i}"), found);
                }
            }
        } else if !map.contains_key("allOf") {
            note(found, at, "anything is allowed", "say a `type`");
        }
    }
    for kind in types {
        match kind {
            "object" => object(map, at, found),
            "array" => array(map, at, found),
            "string" => string(map, at, found),
            "number" | "integer" => number(map, at, found),
            _ => {}
        }
    }
}

fn types(map: &Map<String, Value>) -> Vec<&str> {
    match map.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn object(map: &Map<String, Value>, at: &str, found: &mut Vec<Looseness>) {
    let rest = map
        .get("additionalProperties")
        .or_else(|| map.get("unevaluatedProperties"));
    match rest {
        Some(Value::Bool(false)) => {}
        Some(schema @ Value::Object(_)) if map.contains_key("maxProperties") => {
            visit(schema, &format!("{at}/additionalProperties"), found);
        }
        Some(Value::Object(_)) => note(
            found,
            at,
            "any number of further properties is allowed",
            "add `maxProperties` or `additionalProperties: false`",
        ),
        _ => note(
            found,
            at,
            "unknown properties are allowed",
            "add `additionalProperties: false`",
        ),
    }
    each_entry(map, "properties", at, found);
    each_entry(map, "patternProperties", at, found);
}

fn each_entry(map: &Map<String, Value>, keyword: &str, at: &str, found: &mut Vec<Looseness>) {
    let entries = map.get(keyword).and_then(Value::as_object);
    for (name, schema) in entries.into_iter().flatten() {
        visit(schema, &format!("{at}/{keyword}/{}", escape(name)), found);
    }
}

fn array(map: &Map<String, Value>, at: &str, found: &mut Vec<Looseness>) {
    let prefix = map.get("prefixItems").and_then(Value::as_array);
    let closed = prefix.is_some() && map.get("items") == Some(&Value::Bool(false));
    if !map.contains_key("maxItems") && !closed {
        note(
            found,
            at,
            "a list of any length is allowed",
            "add `maxItems`",
        );
    }
    for (i, schema) in prefix.into_iter().flatten().enumerate() {
        visit(schema, &format!("{at}/prefixItems/{i}"), found);
    }
    match map.get("items") {
        Some(Value::Array(list)) => {
            for (i, schema) in list.iter().enumerate() {
                visit(schema, &format!("{at}/items/{i}"), found);
            }
        }
        Some(schema) => visit(schema, &format!("{at}/items"), found),
        None => note(found, at, "items of any kind are allowed", "add `items`"),
    }
}

fn string(map: &Map<String, Value>, at: &str, found: &mut Vec<Looseness>) {
    let pattern = map.get("pattern").and_then(Value::as_str);
    if pattern.is_some_and(|pattern| !is_anchored(pattern)) {
        note(
            found,
            at,
            "the pattern may match anywhere in the text",
            "write the pattern as `^…$`",
        );
    }
    let format = map.get("format").and_then(Value::as_str);
    let bounded = map.contains_key("maxLength")
        || format.is_some_and(|format| SHORT_FORMATS.contains(&format))
        || pattern.is_some_and(|pattern| is_anchored(pattern) && is_bounded(pattern));
    if !bounded {
        note(
            found,
            at,
            "a text of any length is allowed",
            "add `maxLength`, or an anchored pattern without `*` and `+`",
        );
    }
}

fn number(map: &Map<String, Value>, at: &str, found: &mut Vec<Looseness>) {
    let has = |one: &str, other: &str| map.contains_key(one) || map.contains_key(other);
    if !has("minimum", "exclusiveMinimum") || !has("maximum", "exclusiveMaximum") {
        note(
            found,
            at,
            "a number of any size is allowed",
            "add `minimum` and `maximum`",
        );
    }
}

fn note(found: &mut Vec<Looseness>, at: &str, message: &'static str, fix: &'static str) {
    found.push(Looseness {
        pointer: at.to_owned(),
        message,
        fix,
    });
}
