//! The path: literal text, `{name}` for one segment, `{name*}` for several.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    BaseUrl, TemplateFault,
    slot::{Scope, Slot, encode, has_control, write_number},
};
use crate::upstream::RequestFault;

const PLACE: &str = "path";

/// How often a value is decoded to see what an upstream might make of it.
const ROUNDS: usize = 3;

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Segment(Slot),
    Segments(Slot),
}

/// A path with holes.
#[derive(Debug, Clone)]
pub(super) struct PathTemplate {
    parts: Vec<Part>,
    prefix: String,
}

impl PathTemplate {
    pub(super) fn compile(
        path: &str,
        base: &BaseUrl,
        scope: &mut Scope<'_>,
    ) -> Result<Self, TemplateFault> {
        if !path.is_empty() && !path.starts_with('/') {
            return Err(TemplateFault::Path("it begins with a slash"));
        }
        let mut parts = Vec::new();
        let mut outline = String::with_capacity(path.len());
        let mut rest = path;
        while let Some(open) = rest.find('{') {
            let (literal, tail) = rest.split_at(open);
            let close = tail
                .find('}')
                .ok_or(TemplateFault::Path("a placeholder is not closed"))?;
            let name = &tail[1..close];
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            rest = &tail[close + 1..];
            let before = literal.ends_with('/');
            parts.push(if let Some(name) = name.strip_suffix('*') {
                if !before || !(rest.is_empty() || rest.starts_with('/')) {
                    return Err(TemplateFault::Path("`{name*}` stands between slashes"));
                }
                Part::Segments(slot_of(name, scope)?)
            } else {
                Part::Segment(slot_of(name, scope)?)
            });
            outline.push_str(literal);
            outline.push('x');
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        outline.push_str(rest);
        check_literal(&outline)?;
        let literal = match parts.first() {
            Some(Part::Literal(literal)) => literal,
            _ => "",
        };
        let prefix = format!("{}{literal}", base.path());
        Ok(Self { parts, prefix })
    }

    /// How every path of this template begins.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn write(
        &self,
        out: &mut String,
        arguments: &Map<String, Value>,
    ) -> Result<(), RequestFault> {
        if self.parts.is_empty() && !out[out.find("://").map_or(0, |at| at + 3)..].contains('/') {
            // `https://host` is spelled `https://host/` by every URL parser.
            out.push('/');
        }
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Segment(slot) => {
                    let text = text_of(slot, arguments)?;
                    check_segment(&text).map_err(|rule| slot.fault(rule))?;
                    encode(out, &text);
                }
                Part::Segments(slot) => {
                    let text = text_of(slot, arguments)?;
                    for (i, segment) in text.split('/').enumerate() {
                        check_segment(segment).map_err(|rule| slot.fault(rule))?;
                        if i > 0 {
                            out.push('/');
                        }
                        encode(out, segment);
                    }
                }
            }
        }
        Ok(())
    }
}

fn slot_of(name: &str, scope: &mut Scope<'_>) -> Result<Slot, TemplateFault> {
    let slot = scope.slot(name, PLACE)?;
    if !scope.is_certain(&slot) {
        return Err(TemplateFault::OptionalInPath(name.into()));
    }
    match scope.type_of(&slot) {
        None | Some("string" | "integer" | "number") => Ok(slot),
        Some(_) => Err(TemplateFault::WrongType {
            argument: name.into(),
            place: PLACE,
            rule: "strings and numbers only",
        }),
    }
}

/// The literal text of a path, each placeholder written as `x`.
fn check_literal(outline: &str) -> Result<(), TemplateFault> {
    let fault = |rule| Err(TemplateFault::Path(rule));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b);
    if !outline.bytes().all(plain) {
        return fault("letters, digits and -._~!$&'()*+,;=:@ only; a query goes under `query`");
    }
    let inner = outline.strip_prefix('/').unwrap_or_default();
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        let slash_at_end = segment.is_empty() && segments.peek().is_none();
        if !slash_at_end && check_segment(segment).is_err() {
            return fault("no empty or dot segment, no encoded separator");
        }
    }
    let mut tail = outline;
    while let Some(at) = tail.find('%') {
        tail = &tail[at + 1..];
        if tail.len() < 2 || !tail.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit) {
            return fault("a percent sign is written %25");
        }
    }
    Ok(())
}

fn text_of<'a>(
    slot: &'a Slot,
    arguments: &'a Map<String, Value>,
) -> Result<Cow<'a, str>, RequestFault> {
    match slot.of(arguments) {
        Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
        Some(Value::Number(number)) => {
            let mut text = String::new();
            write_number(&mut text, number).map_err(|rule| slot.fault(rule))?;
            Ok(Cow::Owned(text))
        }
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(slot.fault("only text and numbers can go into a path"))
        }
        None => Err(slot.fault("it is missing and the path needs it")),
    }
}

/// Is this one segment, whatever decodes it, up to [`ROUNDS`] times?
fn check_segment(value: &str) -> Result<(), &'static str> {
    let mut text = Cow::Borrowed(value);
    for round in 0..=ROUNDS {
        if text.is_empty() {
            return Err("it is empty");
        }
        // Some servers drop `;…` from a segment before they look at it.
        if matches!(text.split(';').next(), Some("." | "..")) {
            return Err("it is a dot segment");
        }
        if text.contains(['/', '\\']) {
            return Err("it holds a path separator");
        }
        if has_control(&text) {
            return Err("it holds control characters");
        }
        if !text.contains('%') {
            return Ok(());
        }
        let decoded = percent_decode_str(&text)
            .decode_utf8()
            .map_err(|_| "its percent-encoding is no text")?;
        if decoded == text {
            return Ok(());
        }
        if round == ROUNDS {
            break;
        }
        text = Cow::Owned(decoded.into_owned());
    }
    Err("it is percent-encoded too often")
}
