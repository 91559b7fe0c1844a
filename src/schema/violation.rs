//! What is wrong with a value, in words made only of the schema's own constants.
//!
//! Never repeats the offending value: it may be a secret, and the words go to a model.

use std::fmt;

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use super::{
    MAX_VIOLATIONS,
    limits::escape,
    text::{cut, shown},
};

/// Longest pointer, in bytes.
const POINTER_BYTES: usize = 128;
/// Longest rule, in bytes; five of both stay under 2 KiB.
const RULE_BYTES: usize = 240;
/// Longest property name that is repeated.
const NAME_CHARS: usize = 64;

/// One way in which a value is not what the schema allows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) into the value, deceptive characters replaced, at most 128 bytes.
    pub pointer: String,
    /// The broken rule: a keyword and its constants.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "the whole {}", self.rule)
        } else {
            write!(f, "{} {}", self.pointer, self.rule)
        }
    }
}

impl Violation {
    pub(super) fn too_large() -> Self {
        Self {
            pointer: String::new(),
            rule: "must be smaller: too many values or too deep".to_owned(),
        }
    }

    /// A rule that no schema states is broken at this pointer; empty: by the whole.
    pub fn at(pointer: &str, rule: &'static str) -> Self {
        Self::new(pointer, rule.to_owned())
    }

    pub(super) fn unexplained() -> Self {
        Self {
            pointer: String::new(),
            rule: "must match the schema".to_owned(),
        }
    }

    fn new(path: &str, rule: String) -> Self {
        Self {
            pointer: cut(shown(path, POINTER_BYTES), POINTER_BYTES),
            rule: cut(rule, RULE_BYTES),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another crate; `rule` lists all of them"
)]
/// Adds what the error says, never more than [`MAX_VIOLATIONS`] in all.
pub(super) fn push(found: &mut Vec<Violation>, error: &ValidationError<'_>) {
    use ValidationErrorKind as Kind;
    let path = error.instance_path().as_str();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                if found.len() >= MAX_VIOLATIONS {
                    return;
                }
                found.push(named(path, name, "unknown property"));
            }
        }
        Kind::Required { property } => {
            found.push(named(
                path,
                property.as_str().unwrap_or_default(),
                "required",
            ));
        }
        kind => found.push(Violation::new(path, rule(kind))),
    }
}

/// The name goes last and is kept whole where possible: it is what the caller must change.
fn named(path: &str, name: &str, rule: &str) -> Violation {
    let quoted = serde_json::to_string(&escape(name)).unwrap_or_default();
    let name = shown(quoted.trim_matches('"'), NAME_CHARS);
    let path = cut(shown(path, POINTER_BYTES), POINTER_BYTES / 2);
    Violation::new(&format!("{path}/{name}"), rule.to_owned())
}

fn rule(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items"),
        Kind::UnevaluatedItems { .. } => "must have no further items".to_owned(),
        Kind::AnyOf { .. } => "must match one of the alternatives in anyOf".to_owned(),
        Kind::OneOfNotValid { .. } => "must match one of the alternatives in oneOf".to_owned(),
        Kind::OneOfMultipleValid { .. } => {
            "must match exactly one of the alternatives in oneOf".to_owned()
        }
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Contains => "must contain a matching item".to_owned(),
        Kind::ContentEncoding { content_encoding } => {
            format!("must be encoded as {content_encoding}")
        }
        Kind::FromUtf8 { .. } => "must be UTF-8 once decoded".to_owned(),
        Kind::ContentMediaType { content_media_type } => {
            format!("must be of the media type {content_media_type}")
        }
        Kind::Enum { options } => one_of(options),
        Kind::ExclusiveMaximum { limit } => format!("must be < {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be > {limit}"),
        Kind::Maximum { limit } => format!("must be <= {limit}"),
        Kind::Minimum { limit } => format!("must be >= {limit}"),
        Kind::FalseSchema => "must be left out".to_owned(),
        Kind::Format { format } => format!("must have the format {format}"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} properties"),
        Kind::MinProperties { limit } => format!("must have at least {limit} properties"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Not { .. } => "must not match the schema in not".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::PropertyNames { error } => format!("property names {}", rule(error.kind())),
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::UniqueItems => "must have no item twice".to_owned(),
        Kind::BacktrackLimitExceeded { .. }
        | Kind::RegexEngineFailure { .. }
        | Kind::Custom { .. }
        | Kind::Referencing(_)
        | Kind::AdditionalProperties { .. }
        | Kind::UnevaluatedProperties { .. }
        | Kind::Required { .. } => "must match the schema".to_owned(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => {
            let names: Vec<String> = many.iter().map(|one| one.to_string()).collect();
            names.join(" or ")
        }
    }
}

fn one_of(options: &Value) -> String {
    let mut text = "must be one of ".to_owned();
    for (i, option) in options.as_array().into_iter().flatten().enumerate() {
        let option = option.to_string();
        if text.len() + option.len() + 5 > RULE_BYTES {
            text.push('…');
            break;
        }
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(&option);
    }
    text
}
