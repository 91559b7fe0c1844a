//! Where an argument goes: its name, its default, and how its value is written.

use std::{collections::BTreeSet, fmt::Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Number, Value};

use super::TemplateFault;
use crate::upstream::RequestFault;

/// Everything but the unreserved characters of RFC 3986 section 2.3.
pub(in crate::upstream) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Above this a number that came as a float need not be the integer that was written.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One use of an argument.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) name: Box<str>,
    default: Option<Value>,
}

impl Slot {
    /// The argument's value, or its default.
    pub(super) fn of<'a>(&'a self, arguments: &'a Map<String, Value>) -> Option<&'a Value> {
        arguments.get(&*self.name).or(self.default.as_ref())
    }

    pub(super) fn fault(&self, rule: &'static str) -> RequestFault {
        RequestFault {
            argument: self.name.to_string(),
            rule,
        }
    }
}

/// A text of the configuration: a literal, or an argument's name.
pub(super) enum Spelled<'a> {
    Literal(&'a str),
    Argument(&'a str),
}

/// `$name` is an argument, `$$…` a literal that begins with a dollar.
pub(super) fn spelled(text: &str) -> Spelled<'_> {
    match text.strip_prefix('$') {
        Some(rest) if rest.starts_with('$') => Spelled::Literal(rest),
        Some(name) => Spelled::Argument(name),
        None => Spelled::Literal(text),
    }
}

/// The properties of an input schema and which of them have been used.
pub(super) struct Scope<'a> {
    properties: Option<&'a Map<String, Value>>,
    required: BTreeSet<&'a str>,
    used: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(input: &'a Value) -> Self {
        let required = input.get("required").and_then(Value::as_array);
        Self {
            properties: input.get("properties").and_then(Value::as_object),
            required: required
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            used: BTreeSet::new(),
        }
    }

    pub(super) fn slot(&mut self, name: &str, place: &'static str) -> Result<Slot, TemplateFault> {
        let property = self.properties.and_then(|all| all.get(name));
        let Some(property) = property else {
            return Err(TemplateFault::UnknownArgument {
                argument: name.into(),
                place,
            });
        };
        self.used.insert(name.into());
        Ok(Slot {
            name: name.into(),
            default: property.get("default").cloned(),
        })
    }

    /// Is there always a value?
    pub(super) fn is_certain(&self, slot: &Slot) -> bool {
        slot.default.is_some() || self.required.contains(&*slot.name)
    }

    /// The schema's `type`, when it is one word.
    pub(super) fn type_of(&self, slot: &Slot) -> Option<&'a str> {
        self.properties?.get(&*slot.name)?.get("type")?.as_str()
    }

    pub(super) fn all_used(&self) -> Result<(), TemplateFault> {
        let mut names = self.properties.into_iter().flat_map(Map::keys);
        match names.find(|name| !self.used.contains(*name)) {
            Some(unused) => Err(TemplateFault::UnusedProperty(unused.clone())),
            None => Ok(()),
        }
    }
}

/// Writes `text` percent-encoded, all but unreserved characters.
pub(super) fn encode(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, RESERVED));
}

/// Does it hold C0 or C1 control characters or DEL?
pub(super) fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|b| b.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

/// Is this float an integer that has kept every digit?
pub(super) fn is_exact_integer(value: f64) -> bool {
    value.abs() <= EXACT && value.fract() == 0.0
}

/// Writes a number in its canonical text: no exponent, no `-0`, integers without a point.
/// Refuses what is not finite and integers that have lost digits.
pub(super) fn write_number(out: &mut String, number: &Number) -> Result<(), &'static str> {
    let written = if let Some(integer) = number.as_i64() {
        write!(out, "{integer}")
    } else if let Some(integer) = number.as_u64() {
        write!(out, "{integer}")
    } else {
        match number.as_f64() {
            Some(float) if is_exact_integer(float) => write!(out, "{:.0}", float + 0.0),
            Some(float) if float.is_finite() && float.abs() < EXACT => write!(out, "{float}"),
            _ => return Err("this number is too large to be written exactly"),
        }
    };
    written.map_err(|_| "this number cannot be written")
}
