//! The JSON body: a tree from the configuration with arguments in it, written node by node.

use std::io;

use serde::Serialize as _;
use serde_json::{
    Map, Value,
    ser::{Formatter, Serializer},
};

use super::{
    TemplateFault,
    slot::{Scope, Slot, Spelled, is_exact_integer, spelled},
};

const PLACE: &str = "body";

/// A body with holes.
#[derive(Debug, Clone)]
pub(super) enum BodyTemplate {
    /// JSON text.
    Literal(Vec<u8>),
    Argument(Slot),
    /// Each member's name as JSON text with its colon.
    Object(Vec<(Vec<u8>, Self)>),
    Array(Vec<Self>),
}

impl BodyTemplate {
    pub(super) fn compile(body: &Value, scope: &mut Scope<'_>) -> Result<Self, TemplateFault> {
        Ok(match body {
            Value::String(text) => match spelled(text) {
                Spelled::Argument(name) => Self::Argument(scope.slot(name, PLACE)?),
                Spelled::Literal(text) => Self::literal(&Value::String(text.into())),
            },
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, member)| {
                        let mut key = json(&Value::String(name.clone()));
                        key.push(b':');
                        Ok((key, Self::compile(member, scope)?))
                    })
                    .collect::<Result<_, TemplateFault>>()?,
            ),
            Value::Array(list) => Self::Array(
                list.iter()
                    .map(|element| Self::compile(element, scope))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::literal(body),
        })
    }

    fn literal(value: &Value) -> Self {
        Self::Literal(json(value))
    }

    /// The body; none when it is nothing but an argument that is absent.
    pub(super) fn fill(&self, arguments: &Map<String, Value>) -> Option<Vec<u8>> {
        if self.is_absent(arguments) {
            return None;
        }
        let mut out = Vec::with_capacity(256);
        self.write(&mut out, arguments);
        Some(out)
    }

    fn is_absent(&self, arguments: &Map<String, Value>) -> bool {
        match self {
            Self::Argument(slot) => slot.of(arguments).is_none(),
            Self::Literal(_) | Self::Object(_) | Self::Array(_) => false,
        }
    }

    fn write(&self, out: &mut Vec<u8>, arguments: &Map<String, Value>) {
        match self {
            Self::Literal(text) => out.extend_from_slice(text),
            Self::Argument(slot) => {
                if let Some(value) = slot.of(arguments) {
                    write_json(out, value);
                }
            }
            Self::Object(members) => {
                let here = members
                    .iter()
                    .filter(|(_, node)| !node.is_absent(arguments));
                out.push(b'{');
                for (i, (key, node)) in here.enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key);
                    node.write(out, arguments);
                }
                out.push(b'}');
            }
            Self::Array(list) => {
                let here = list.iter().filter(|node| !node.is_absent(arguments));
                out.push(b'[');
                for (i, node) in here.enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    node.write(out, arguments);
                }
                out.push(b']');
            }
        }
    }
}

fn json(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_json(&mut out, value);
    out
}

/// A value always has a JSON text and memory takes every byte.
fn write_json(out: &mut Vec<u8>, value: &Value) {
    let written = value.serialize(&mut Serializer::with_formatter(out, Canonical));
    debug_assert!(written.is_ok(), "memory takes every byte");
}

/// Compact JSON whose integers look like integers: `1`, not `1.0` or `1e0`.
struct Canonical;

impl Formatter for Canonical {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if is_exact_integer(value) {
            write!(writer, "{:.0}", value + 0.0)
        } else {
            write!(writer, "{}", serde_json::Value::from(value))
        }
    }
}
