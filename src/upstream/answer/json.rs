//! JSON as text: checked, and cut by JSON Pointer (RFC 6901), without building a tree.

use std::{borrow::Cow, collections::HashSet, fmt};

use memchr::memchr2;
use serde::{
    Deserialize,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::AnswerFault;

/// Deepest nesting that is passed on.
const MAX_DEPTH: usize = 64;

/// Is this one JSON text, not nested too deeply?
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if is_too_deep(text.as_bytes()) {
        return Err("it is nested too deeply");
    }
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(_) => Err("it is not well-formed JSON"),
    }
}

fn is_too_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(text, at + 1),
            _ => {}
        }
        at += 1;
    }
    false
}

/// The place of the quote that ends the string beginning at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(rest) = text.get(at..) {
        match memchr2(b'"', b'\\', rest) {
            Some(found) if rest[found] == b'"' => return at + found,
            Some(found) => at += found + 2,
            None => break,
        }
    }
    text.len()
}

/// Without white space at its ends.
pub(super) fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    let start = text.len() - text.trim_start().len();
    if start > 0 {
        text.drain(..start);
    }
    text
}

/// The value, unless an object in it has two members of one name: then readers could differ.
pub(super) fn unambiguous(text: &str) -> Result<Value, &'static str> {
    const WHY: &str = "it is not unambiguous JSON";
    serde_json::from_str::<Unambiguous>(text).map_err(|_| WHY)?;
    serde_json::from_str(text).map_err(|_| WHY)
}

/// A JSON Pointer.
#[derive(Debug, Clone)]
pub(super) struct Pointer(Vec<String>);

impl Pointer {
    pub(super) fn parse(text: &str) -> Result<Self, AnswerFault> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let fault = AnswerFault("a JSON Pointer is written `/a/b`, with ~0 for ~ and ~1 for /");
        let tokens = text.strip_prefix('/').ok_or(fault)?.split('/');
        let tokens = tokens.map(|token| {
            let bad = token.split('~').skip(1);
            let mut bad = bad.filter(|rest| !rest.starts_with(['0', '1']));
            if bad.next().is_some() {
                return Err(fault);
            }
            Ok(token.replace("~1", "/").replace("~0", "~"))
        });
        Ok(Self(tokens.collect::<Result<_, _>>()?))
    }

    /// The part of a well-formed text that the pointer points at.
    pub(super) fn part_of(&self, text: &str) -> Result<String, &'static str> {
        const MISSING: &str = "the selected part is missing";
        let mut part = text;
        for token in &self.0 {
            part = match part.as_bytes().first() {
                Some(b'{') => {
                    let mut found = members(part)?.into_iter().filter(|(name, _)| name == token);
                    let (_, value) = found.next().ok_or(MISSING)?;
                    if found.next().is_some() {
                        return Err("the selected part is there twice");
                    }
                    value.get()
                }
                Some(b'[') => {
                    let index = token.parse::<usize>().map_err(|_| MISSING)?;
                    let list: Vec<&RawValue> = serde_json::from_str(part).map_err(|_| MISSING)?;
                    list.get(index).ok_or(MISSING)?.get()
                }
                _ => return Err(MISSING),
            };
        }
        Ok(part.to_owned())
    }
}

/// The members to keep.
#[derive(Debug, Clone, Default)]
pub(super) struct KeepTree {
    extent: Extent,
    inner: Vec<(String, Self)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Extent {
    Whole,
    #[default]
    InnerMembers,
}

impl KeepTree {
    pub(super) fn parse(pointers: &[String]) -> Result<Self, AnswerFault> {
        let mut root = Self::default();
        for pointer in pointers {
            let tokens = Pointer::parse(pointer)?.0;
            if tokens.is_empty() {
                return Err(AnswerFault("`keep` names members: `/rows`"));
            }
            let mut node = &mut root;
            for token in tokens {
                let known = node.inner.iter().position(|(name, _)| *name == token);
                let at = known.unwrap_or_else(|| {
                    node.inner.push((token, Self::default()));
                    node.inner.len() - 1
                });
                node = &mut node.inner[at].1;
            }
            node.extent = Extent::Whole;
        }
        if root.inner.is_empty() {
            return Err(AnswerFault("`keep` is empty: nothing would be left"));
        }
        Ok(root)
    }

    /// A well-formed object with the kept members only, in their order.
    pub(super) fn cut(&self, text: &str) -> Result<String, &'static str> {
        if !text.starts_with('{') {
            return Err("there is no object to keep members of");
        }
        let mut out = String::with_capacity(text.len());
        self.write(&mut out, text)?;
        Ok(out)
    }

    fn write(&self, out: &mut String, object: &str) -> Result<(), &'static str> {
        out.push('{');
        let mut separator = "";
        for (name, value) in members(object)? {
            let Some((_, tree)) = self.inner.iter().find(|(kept, _)| *kept == name) else {
                continue;
            };
            let inner = tree.extent == Extent::InnerMembers;
            if inner && !value.get().starts_with('{') {
                continue;
            }
            out.push_str(separator);
            separator = ",";
            out.push_str(&Value::from(&*name).to_string());
            out.push(':');
            if inner {
                tree.write(out, value.get())?;
            } else {
                out.push_str(value.get());
            }
        }
        out.push('}');
        Ok(())
    }
}

fn members(object: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, &'static str> {
    match serde_json::from_str::<Members<'_>>(object) {
        Ok(Members(members)) => Ok(members),
        Err(_) => Err("an object in it cannot be read"),
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Any value whose objects have no name twice.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without double names")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            if !names.insert(name) {
                return Err(de::Error::custom("a name is there twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}
