//! The query: names from the configuration, values encoded, lists in the declared style.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    TemplateFault,
    slot::{Scope, Slot, Spelled, encode, has_control, spelled, write_number},
};
use crate::{
    config::rest::{ListStyle, QueryConfig},
    upstream::RequestFault,
};

const PLACE: &str = "query";

/// Most elements of a list.
const MAX_LIST: usize = 100;

#[derive(Debug, Clone)]
enum Source {
    /// Encoded.
    Literal(String),
    One(Slot),
    Many(Slot, ListStyle),
}

/// A query with holes.
#[derive(Debug, Clone)]
pub(super) struct QueryTemplate {
    /// Name as written, name encoded, value.
    pairs: Vec<(String, String, Source)>,
}

impl QueryTemplate {
    pub(super) fn compile(
        query: &BTreeMap<String, QueryConfig>,
        scope: &mut Scope<'_>,
    ) -> Result<Self, TemplateFault> {
        let mut pairs = Vec::with_capacity(query.len());
        for (name, config) in query {
            let mut key = String::new();
            encode(&mut key, name);
            pairs.push((name.clone(), key, source_of(name, config, scope)?));
        }
        Ok(Self { pairs })
    }

    pub(super) fn sets(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, ..)| key == name)
    }

    pub(super) fn write(
        &self,
        out: &mut String,
        arguments: &Map<String, Value>,
    ) -> Result<(), RequestFault> {
        let mut separator = '?';
        let mut start = |out: &mut String, key: &str| {
            out.push(separator);
            separator = '&';
            out.push_str(key);
            out.push('=');
        };
        for (_, key, source) in &self.pairs {
            match source {
                Source::Literal(text) => {
                    start(out, key);
                    out.push_str(text);
                }
                Source::One(slot) => match slot.of(arguments) {
                    None | Some(Value::Null) => {}
                    Some(value) => {
                        start(out, key);
                        write_scalar(out, value).map_err(|rule| slot.fault(rule))?;
                    }
                },
                Source::Many(slot, style) => {
                    let Some(list) = list_of(slot, arguments)? else {
                        continue;
                    };
                    for (i, value) in list.iter().enumerate() {
                        match style {
                            ListStyle::Comma if i > 0 => out.push(','),
                            ListStyle::Comma | ListStyle::Repeat => start(out, key),
                        }
                        write_scalar(out, value).map_err(|rule| slot.fault(rule))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn source_of(
    name: &str,
    config: &QueryConfig,
    scope: &mut Scope<'_>,
) -> Result<Source, TemplateFault> {
    let wrong = |slot: &Slot, rule| TemplateFault::WrongType {
        argument: slot.name.to_string(),
        place: PLACE,
        rule,
    };
    if has_control(name) {
        return Err(TemplateFault::Query(name.into()));
    }
    match config {
        QueryConfig::Plain(text) => match spelled(text) {
            Spelled::Literal(text) if has_control(text) => Err(TemplateFault::Query(name.into())),
            Spelled::Literal(text) => {
                let mut encoded = String::new();
                encode(&mut encoded, text);
                Ok(Source::Literal(encoded))
            }
            Spelled::Argument(argument) => {
                let slot = scope.slot(argument, PLACE)?;
                match scope.type_of(&slot) {
                    Some("array") => Err(wrong(
                        &slot,
                        "a list is written `{ argument: name, style: repeat }`",
                    )),
                    Some("object") => Err(wrong(&slot, "an object has no one spelling there")),
                    _ => Ok(Source::One(slot)),
                }
            }
        },
        QueryConfig::List(list) => {
            let slot = scope.slot(&list.argument, PLACE)?;
            match scope.type_of(&slot) {
                None | Some("array") => Ok(Source::Many(slot, list.style)),
                Some(_) => Err(wrong(&slot, "a style is for lists")),
            }
        }
    }
}

fn list_of<'a>(
    slot: &'a Slot,
    arguments: &'a Map<String, Value>,
) -> Result<Option<&'a [Value]>, RequestFault> {
    match slot.of(arguments) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if list.len() <= MAX_LIST => Ok(Some(list)),
        Some(Value::Array(_)) => Err(slot.fault("the list has more than 100 elements")),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Err(slot.fault("only a list can go here"))
        }
    }
}

fn write_scalar(out: &mut String, value: &Value) -> Result<(), &'static str> {
    match value {
        Value::String(text) if has_control(text) => Err("it holds control characters"),
        Value::String(text) => {
            encode(out, text);
            Ok(())
        }
        Value::Number(number) => write_number(out, number),
        Value::Bool(yes) => {
            out.push_str(if *yes { "true" } else { "false" });
            Ok(())
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err("only text, numbers and booleans can go into a query")
        }
    }
}
