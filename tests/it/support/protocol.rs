//! The protocol's own published schemas: is an answer what its revision says?

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use jsonschema::Validator;
use serde_json::{Value, json};

const FILES: [(&str, &str); 4] = [
    (
        "2025-03-26",
        include_str!("../data/mcp-schema/2025-03-26.json"),
    ),
    (
        "2025-06-18",
        include_str!("../data/mcp-schema/2025-06-18.json"),
    ),
    (
        "2025-11-25",
        include_str!("../data/mcp-schema/2025-11-25.json"),
    ),
    (
        "2026-07-28",
        include_str!("../data/mcp-schema/2026-07-28.json"),
    ),
];

static COMPILED: LazyLock<Mutex<HashMap<(String, String), &'static Validator>>> =
    LazyLock::new(Mutex::default);

fn validator(revision: &str, definition: &str) -> &'static Validator {
    let mut compiled = COMPILED.lock().unwrap();
    let key = (revision.to_owned(), definition.to_owned());
    compiled.entry(key).or_insert_with(|| {
        let (_, text) = FILES.iter().find(|(name, _)| *name == revision).unwrap();
        let mut schema: Value = serde_json::from_str(text).unwrap();
        let place = ["$defs", "definitions"]
            .into_iter()
            .find(|place| schema[*place].get(definition).is_some())
            .unwrap_or_else(|| panic!("{revision} has no {definition}"));
        schema["$ref"] = json!(format!("#/{place}/{definition}"));
        Box::leak(Box::new(jsonschema::validator_for(&schema).unwrap()))
    })
}

/// Fails unless `value` is what `definition` of this revision says.
#[track_caller]
pub(crate) fn fits(revision: &str, definition: &str, value: &Value) {
    let errors: Vec<String> = validator(revision, definition)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        errors.is_empty(),
        "{revision} {definition}: {errors:?} in {value}"
    );
}

/// Fails unless it is a JSON-RPC answer with a result of this definition.
#[track_caller]
pub(crate) fn result(revision: &str, definition: &str, answer: &Value) {
    let whole = match revision {
        "2025-03-26" | "2025-06-18" => "JSONRPCResponse",
        _ => "JSONRPCResultResponse",
    };
    fits(revision, whole, answer);
    fits(revision, definition, &answer["result"]);
}

/// Fails unless it is a JSON-RPC error with this code, and says nothing that the revision does not.
#[track_caller]
pub(crate) fn error(revision: &str, code: i64, answer: &Value) {
    let whole = match revision {
        "2025-03-26" | "2025-06-18" => "JSONRPCError",
        _ => "JSONRPCErrorResponse",
    };
    fits(revision, whole, answer);
    assert_eq!(answer["error"]["code"], code, "{answer}");
}
