//! The JSON Schema of the configuration, as editors and `wicketgate config schema` use it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use super::{Config, UpstreamConfig};
use crate::names::UpstreamName;

/// A file named by `include`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Included {
    /// The APIs behind the gateway and the tools made from them.
    upstreams: BTreeMap<UpstreamName, UpstreamConfig>,
}

/// The JSON Schema (2020-12) of a configuration file.
pub fn config_schema() -> Value {
    let mut schema = bounded(schema_for!(Config).to_value());
    schema["title"] = json!("Wicketgate configuration");
    schema
}

/// The JSON Schema of a file named by `include`.
pub(super) fn included_schema() -> Value {
    bounded(schema_for!(Included).to_value())
}

/// Adds what the types check and the generator does not say: spellings and the top of `u32`.
fn bounded(mut schema: Value) -> Value {
    for (name, format) in [
        ("Rate", "rate"),
        ("Span", "span"),
        ("ByteSize", "byte-size"),
    ] {
        if let Some(Value::Object(spelling)) = schema.pointer_mut(&format!("/$defs/{name}")) {
            spelling.insert("format".into(), format.into());
        }
    }
    bound_integers(&mut schema);
    schema
}

fn bound_integers(at: &mut Value) {
    match at {
        Value::Object(map) => {
            if map.get("format").and_then(Value::as_str) == Some("uint32") {
                map.remove("format");
                map.entry("maximum").or_insert_with(|| u32::MAX.into());
            }
            map.values_mut().for_each(bound_integers);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
