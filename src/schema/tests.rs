//! The hostile schemas and values, each by the id of the threat table.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn refused(schema: &Value) -> SchemaFault {
    InputSchema::compile(schema).expect_err("the schema must be refused")
}

fn with_property(property: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": { "p": property } })
}

fn violations(property: &Value, value: &Value) -> Vec<String> {
    let schema = InputSchema::compile(&with_property(property)).unwrap();
    schema
        .check(&json!({ "p": value }))
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "measures how long work takes")]
fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[test]
fn v_01_an_extra_property_is_refused_by_name() {
    let schema = InputSchema::compile(&with_property(&json!({ "type": "string" }))).unwrap();
    let found = schema
        .check(&json!({ "p": "a", "x/\u{202e}": 1 }))
        .unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "/x~1\u{fffd} unknown property");
    assert!(schema.check(&json!({ "p": "a" })).is_ok());
}

#[test]
fn v_02_a_back_reference_is_refused() {
    let fault = refused(&with_property(
        &json!({ "type": "string", "pattern": "^((a+)\\2?)+$" }),
    ));
    assert!(matches!(fault, SchemaFault::Pattern { .. }), "{fault:?}");
}

#[test]
fn v_03_a_nested_repetition_runs_in_linear_time() {
    let schema = InputSchema::compile(&with_property(
        &json!({ "type": "string", "pattern": "^(a+)+$" }),
    ))
    .unwrap();
    let text = json!({ "p": "a".repeat(1_000_000) + "!" });
    let mut outcome = Ok(());
    let spent = took(|| outcome = schema.check(&text));
    assert!(outcome.is_err());
    assert!(spent < Duration::from_secs(2), "{spent:?}");
}

#[test]
fn v_04_look_around_in_not_is_refused() {
    let fault = refused(&with_property(
        &json!({ "not": { "pattern": "^(?=(x+))\\1$" } }),
    ));
    assert!(matches!(fault, SchemaFault::Pattern { .. }), "{fault:?}");
    let named = json!({ "type": "object", "patternProperties": { "(?=x)": false } });
    assert!(matches!(refused(&named), SchemaFault::Pattern { .. }));
}

#[test]
fn v_05_an_exploding_pattern_is_refused() {
    let schema = with_property(&json!({ "type": "string", "pattern": "(.{0,1000}){0,1000}x" }));
    let spent = took(|| assert!(matches!(refused(&schema), SchemaFault::Pattern { .. })));
    assert!(spent < Duration::from_millis(500), "{spent:?}");
    // What the engine itself must refuse, because the text looks small.
    let schema = with_property(&json!({ "type": "string", "pattern": "^\\p{L}{0,9000}x$" }));
    let spent = took(|| assert!(matches!(refused(&schema), SchemaFault::Pattern { .. })));
    assert!(spent < Duration::from_secs(5), "{spent:?}");
}

#[test]
fn v_06_all_of_doubling_is_refused() {
    let mut definitions = serde_json::Map::new();
    definitions.insert("a0".into(), json!({ "type": "string" }));
    for level in 1..=30 {
        let below = format!("#/$defs/a{}", level - 1);
        let twice = json!({ "allOf": [{ "$ref": below }, { "$ref": below }] });
        definitions.insert(format!("a{level}"), twice);
    }
    let schema = json!({
        "type": "object",
        "properties": { "p": { "$ref": "#/$defs/a30" } },
        "$defs": definitions,
    });
    let spent = took(|| {
        assert!(matches!(
            refused(&schema),
            SchemaFault::TooManySchemas | SchemaFault::TooDeep
        ));
    });
    assert!(spent < Duration::from_millis(500), "{spent:?}");
}

#[test]
fn v_07_deep_and_wide_schemas_are_refused_and_the_process_lives() {
    let nested = |levels: usize| {
        let mut schema = json!({ "type": "string" });
        for _ in 2..levels {
            let mut outer = serde_json::Map::new();
            outer.insert("type".into(), "array".into());
            outer.insert("items".into(), schema);
            schema = Value::Object(outer);
        }
        let mut properties = serde_json::Map::new();
        properties.insert("p".into(), schema);
        let mut root = serde_json::Map::new();
        root.insert("type".into(), "object".into());
        root.insert("properties".into(), Value::Object(properties));
        Value::Object(root)
    };
    assert!(InputSchema::compile(&nested(64)).is_ok());
    assert_eq!(refused(&nested(65)), SchemaFault::TooDeep);
    // Dropping 5,000 levels recurses too, so it happens on a thread with room for it.
    let deep = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            let schema = nested(5_000);
            (refused(&schema), lint_is_bounded(&schema))
        })
        .unwrap();
    assert_eq!(deep.join().unwrap(), (SchemaFault::TooDeep, ()));
    let wide: serde_json::Map<String, Value> =
        (0..5_000).map(|i| (i.to_string(), json!(true))).collect();
    let wide = json!({ "type": "object", "properties": wide });
    assert_eq!(refused(&wide), SchemaFault::TooManySchemas);
    let definitions: serde_json::Map<String, Value> =
        (0..65).map(|i| (i.to_string(), json!(true))).collect();
    let many = json!({ "type": "object", "$defs": definitions });
    assert_eq!(refused(&many), SchemaFault::TooManyDefinitions);
}

/// A value too deep never reaches recursive code.
fn lint_is_bounded(value: &Value) {
    assert!(!limits::fits(value, 1_000_000, 128));
}

#[test]
fn v_08_a_remote_reference_is_refused() {
    for target in [
        "http://127.0.0.1:9/s.json",
        "file:///etc/hostname",
        "//evil/s",
        "other.json",
        "urn:x",
        "#anchor",
    ] {
        let fault = refused(&with_property(&json!({ "$ref": target })));
        assert!(
            matches!(fault, SchemaFault::RemoteReference { .. }),
            "{target}"
        );
    }
    let nowhere = refused(&with_property(&json!({ "$ref": "#/$defs/none" })));
    assert!(matches!(nowhere, SchemaFault::DanglingReference { .. }));
    let rebased = json!({ "$id": "http://evil/", "type": "string" });
    assert!(matches!(
        refused(&with_property(&rebased)),
        SchemaFault::Unsupported { .. }
    ));
}

#[test]
fn v_09_a_reference_cycle_is_refused() {
    let cycle = json!({
        "type": "object",
        "properties": { "p": { "$ref": "#/$defs/a" } },
        "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } },
    });
    assert!(matches!(refused(&cycle), SchemaFault::Recursive { .. }));
    let itself = with_property(&json!({ "$ref": "#" }));
    assert!(matches!(refused(&itself), SchemaFault::Recursive { .. }));
}

#[test]
fn v_10_other_dialects_are_refused() {
    for dialect in [
        "http://json-schema.org/draft-04/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://example.com/mine",
        "",
    ] {
        let fault = refused(&json!({ "$schema": dialect, "type": "object" }));
        assert!(
            fault.to_string().contains("dialect not supported"),
            "{dialect}"
        );
    }
    for dialect in [
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
    ] {
        let schema = json!({ "$schema": dialect, "type": "object" });
        assert!(InputSchema::compile(&schema).is_ok(), "{dialect}");
    }
}

#[test]
fn v_11_formats_are_asserted() {
    for (format, bad) in [
        ("email", "a@b\r\nBcc: x"),
        ("uri", "javascript:alert(1)"),
        ("uri", "file:///etc/passwd"),
        ("uri", "https://a\r\nb"),
        ("ipv4", "127.1"),
        ("date", "2026-02-30"),
        ("uuid", "%%% not it"),
    ] {
        let found = violations(&json!({ "type": "string", "format": format }), &json!(bad));
        assert_eq!(found, [format!("/p must have the format {format}")]);
    }
    let fine = violations(
        &json!({ "type": "string", "format": "uri" }),
        &json!("https://example.com/a?b"),
    );
    assert!(fine.is_empty());
    let unknown = refused(&with_property(
        &json!({ "type": "string", "format": "phone" }),
    ));
    assert!(
        matches!(unknown, SchemaFault::Invalid { .. }),
        "{unknown:?}"
    );
}

#[test]
fn v_12_unique_items_over_many_objects_is_refused_by_size() {
    let schema = json!({ "type": "array", "uniqueItems": true });
    let items: Vec<Value> = (0..100_000).map(|i| json!({ "a": { "b": i } })).collect();
    let items = Value::Array(items);
    let mut found = Vec::new();
    let schema = InputSchema::compile(&with_property(&schema)).unwrap();
    let arguments = json!({ "p": items });
    let spent = took(|| found = schema.check(&arguments).unwrap_err());
    assert_eq!(found, [Violation::too_large()]);
    assert!(spent < Duration::from_secs(1), "{spent:?}");
}

#[test]
fn v_13_few_errors_and_little_text() {
    let schema = json!({ "type": "array", "items": { "enum": ["x".repeat(300), "é".repeat(90)] } });
    let found = violations(&schema, &json!(vec![1; 9_000]));
    assert_eq!(found.len(), MAX_VIOLATIONS);
    assert!(found.join("\n").len() <= 2048);
    let names: serde_json::Map<String, Value> = (0..9_000)
        .map(|i| (format!("{i}{}", "語".repeat(500)), json!(1)))
        .collect();
    let schema = InputSchema::compile(&with_property(&json!(true))).unwrap();
    let found = schema.check(&Value::Object(names)).unwrap_err();
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), MAX_VIOLATIONS);
    assert!(text.join("\n").len() <= 2048);
    let large = violations(
        &json!({ "items": { "type": "string" } }),
        &json!(vec![1; 200_000]),
    );
    assert_eq!(large.len(), 1);
}

#[test]
fn v_14_the_value_is_never_repeated() {
    let secret = json!("SECRET-VALUE-123");
    for rule in [
        json!({ "type": "integer" }),
        json!({ "enum": [1, 2] }),
        json!({ "const": 1 }),
        json!({ "type": "string", "maxLength": 3 }),
        json!({ "type": "string", "pattern": "^[0-9]+$" }),
        json!({ "type": "string", "format": "date" }),
        json!({ "anyOf": [{ "type": "integer" }, { "maxLength": 1 }] }),
        json!({ "oneOf": [{ "type": "integer" }, { "maxLength": 1 }] }),
        json!({ "not": { "type": "string" } }),
        json!(false),
    ] {
        let found = violations(&rule, &secret);
        assert_eq!(found.len(), 1, "{rule}");
        assert!(!found[0].contains("SECRET"), "{rule}: {found:?}");
    }
}

#[test]
fn v_15_a_schema_over_64_kib_is_refused() {
    let members: Vec<String> = (0..50_000).map(|i| format!("{i:01024}")).collect();
    assert_eq!(
        refused(&with_property(&json!({ "enum": members }))),
        SchemaFault::TooLarge
    );
}

#[test]
fn v_18_missing_null_and_empty_are_refused() {
    let schema = InputSchema::compile(&json!({
        "type": "object",
        "required": ["days", "name"],
        "properties": {
            "days": { "type": "integer", "maximum": 90 },
            "name": { "type": "string", "minLength": 1 },
        },
    }))
    .unwrap();
    let say = |value: Value| -> Vec<String> {
        schema
            .check(&value)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(say(json!({ "name": "a" })), ["/days required"]);
    assert_eq!(
        say(json!({ "days": 91, "name": "a" })),
        ["/days must be <= 90"]
    );
    assert_eq!(
        say(json!({ "days": 1, "name": null })),
        ["/name must be string"]
    );
    assert_eq!(
        say(json!({ "days": 1, "name": "" })),
        ["/name must have at least 1 characters"]
    );
    assert_eq!(say(json!([])), ["the whole must be object"]);
}

#[test]
fn v_19_open_roots_are_refused() {
    for schema in [
        json!(true),
        json!({}),
        json!({ "type": ["object", "null"] }),
    ] {
        assert_eq!(refused(&schema), SchemaFault::RootNotObject);
    }
    assert!(OutputSchema::compile(&json!({ "type": "array" })).is_ok());
}

#[test]
fn lint_names_what_is_open() {
    let looseness = |property: Value| -> Vec<String> {
        lint(&with_property(&property))
            .into_iter()
            .map(|loose| format!("{} {}", loose.pointer, loose.message))
            .collect()
    };
    for tight in [
        json!({ "type": "string", "maxLength": 5 }),
        json!({ "type": "string", "pattern": "^(ab|c)[0-9+]{1,20}$" }),
        json!({ "type": "string", "format": "date" }),
        json!({ "enum": ["a"] }),
        json!({ "type": ["integer", "null"], "minimum": 1, "exclusiveMaximum": 9 }),
        json!({ "type": "array", "maxItems": 2, "items": { "type": "boolean" } }),
        json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "maxLength": 1 }] }),
    ] {
        assert!(looseness(tight.clone()).is_empty(), "{tight}");
    }
    for (open, message) in [
        (json!({}), "/properties/p anything is allowed"),
        (
            json!({ "type": "string" }),
            "/properties/p a text of any length is allowed",
        ),
        (
            json!({ "type": "string", "pattern": "^a+$" }),
            "/properties/p a text of any length is allowed",
        ),
        (
            json!({ "type": "string", "maxLength": 9, "pattern": "^a|b$" }),
            "/properties/p the pattern may match anywhere in the text",
        ),
        (
            json!({ "type": "integer", "minimum": 1 }),
            "/properties/p a number of any size is allowed",
        ),
        (
            json!({ "type": "array", "items": { "type": "null" } }),
            "/properties/p a list of any length is allowed",
        ),
        (
            json!({ "type": "object" }),
            "/properties/p unknown properties are allowed",
        ),
    ] {
        assert_eq!(looseness(open.clone()), [message], "{open}");
    }
}
