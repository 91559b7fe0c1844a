//! JSON Schema as a boundary: compiled once, bounded, linear-time, its errors masked.
//!
//! Follows JSON Schema 2020-12 and, where `$schema` says so, draft-07. It never fetches anything,
//! never repeats an offending value and refuses schemas that refer to themselves.

pub mod limits;
pub mod lint;
pub mod pattern;
pub mod text;
pub mod violation;

#[cfg(test)]
mod tests;

use jsonschema::{Draft, PatternOptions, ValidationOptions, Validator};
use serde_json::Value;

pub use self::{
    limits::SchemaFault,
    lint::{Looseness, lint},
    violation::Violation,
};

/// Most violations that one check reports.
pub const MAX_VIOLATIONS: usize = 5;

/// Most JSON values inside the arguments of one call.
const MAX_ARGUMENT_NODES: usize = 10_000;

/// Most JSON values inside one answer; the answer's size is limited before.
const MAX_ANSWER_NODES: usize = 1_000_000;

/// Most single checks, values times schemas, that one call may cost. A bound that counts holds on
/// any machine; one in milliseconds would refuse by the neighbours' load.
const MAX_ARGUMENT_CHECKS: usize = 1_000_000;

/// The same for one answer.
const MAX_ANSWER_CHECKS: usize = 20_000_000;

/// Deepest arguments; deeper ones would let recursive code run out of stack.
const MAX_ARGUMENT_DEPTH: usize = 64;

/// Deepest answer: what `serde_json` reads.
const MAX_ANSWER_DEPTH: usize = 128;

/// Largest program, in bytes, that one regular expression may become.
const PATTERN_BYTES: usize = 1 << 20;

/// The compiled schema of a tool's arguments. Its root is an object.
#[derive(Debug)]
pub struct InputSchema(Compiled);

/// The compiled schema of a tool's answer. Its root is anything.
#[derive(Debug)]
pub struct OutputSchema(Compiled);

#[derive(Debug)]
struct Compiled {
    json: Value,
    validator: Validator,
    /// So many values that checking each against every schema stays affordable.
    most_nodes: usize,
}

impl InputSchema {
    /// Compiles the schema of a tool's arguments, formats asserted.
    ///
    /// `format: uri` is narrower here than in RFC 3986: `http` and `https` only, because
    /// `javascript:` and `file:` are URIs too.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let measured = limits::measure(schema)?;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SchemaFault::RootNotObject);
        }
        let options = options(measured.dialect).with_format("uri", is_web_address);
        Compiled::build(schema, &options, measured, MAX_ARGUMENT_CHECKS).map(Self)
    }

    /// Are these arguments what the schema allows? At most [`MAX_VIOLATIONS`] reasons why not.
    pub fn check(&self, arguments: &Value) -> Result<(), Vec<Violation>> {
        self.0
            .check(arguments, MAX_ARGUMENT_NODES, MAX_ARGUMENT_DEPTH)
    }

    /// The schema as it was written.
    pub const fn json(&self) -> &Value {
        &self.0.json
    }
}

impl OutputSchema {
    /// Compiles the schema of a tool's answer, formats asserted.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let measured = limits::measure(schema)?;
        let options = options(measured.dialect);
        Compiled::build(schema, &options, measured, MAX_ANSWER_CHECKS).map(Self)
    }

    /// Is this answer what the schema allows? At most [`MAX_VIOLATIONS`] reasons why not.
    pub fn check(&self, answer: &Value) -> Result<(), Vec<Violation>> {
        self.0.check(answer, MAX_ANSWER_NODES, MAX_ANSWER_DEPTH)
    }

    /// The schema as it was written.
    pub const fn json(&self) -> &Value {
        &self.0.json
    }
}

impl Compiled {
    fn build(
        schema: &Value,
        options: &ValidationOptions<'_>,
        measured: limits::Measured,
        checks: usize,
    ) -> Result<Self, SchemaFault> {
        let validator = options
            .build(schema)
            .map_err(|error| SchemaFault::from_build(&error))?;
        Ok(Self {
            json: schema.clone(),
            validator,
            most_nodes: checks / measured.schemas.max(1),
        })
    }

    fn check(&self, value: &Value, nodes: usize, depth: usize) -> Result<(), Vec<Violation>> {
        if !limits::fits(value, nodes.min(self.most_nodes), depth) {
            return Err(vec![Violation::too_large()]);
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let mut found = Vec::with_capacity(MAX_VIOLATIONS);
        for error in self.validator.iter_errors(value) {
            violation::push(&mut found, &error);
            if found.len() >= MAX_VIOLATIONS {
                break;
            }
        }
        if found.is_empty() {
            found.push(Violation::unexplained());
        }
        Err(found)
    }
}

fn options<'a>(dialect: limits::Dialect) -> ValidationOptions<'a> {
    let draft = match dialect {
        limits::Dialect::Draft202012 => Draft::Draft202012,
        limits::Dialect::Draft7 => Draft::Draft7,
    };
    // The default engine backtracks, and counts a pattern it gave up on as "no match", which
    // turns `not: {pattern}` into "valid".
    jsonschema::options()
        .with_draft(draft)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
}

fn is_web_address(text: &str) -> bool {
    let clean = !text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    clean
        && url::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
