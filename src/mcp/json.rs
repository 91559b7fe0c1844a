//! JSON from strangers, read once: duplicate keys refused, nesting and size bounded.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting that is kept; a tool's arguments start at level three.
const MAX_DEPTH: u32 = 67;
/// Most values, keys not counted.
const MAX_NODES: u32 = 10_000;
/// Most keys in one object.
const MAX_KEYS: usize = 1_024;
/// From here on a float cannot tell neighbouring integers apart.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Is this float so large that it may stand for several integers?
pub fn loses_digits(value: f64) -> bool {
    value.abs() >= MAX_EXACT_FLOAT
}

/// The bytes are no document that may be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not JSON (RFC 8259) in UTF-8, or something behind it.
    Syntax,
    /// An object names a key twice: two readers would see two documents.
    DuplicateKey,
}

/// The document is larger in some way than what is read; the rest was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Nested too deep.
    Depth,
    /// Too many values, or too many keys in one object.
    Count,
    /// A number that would lose digits.
    Number,
    /// A text with a NUL character: many an upstream ends its reading there.
    Nul,
}

/// A document and whether some of it had to be skipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What was read.
    pub value: Value,
    /// Why it is not the whole; nothing may be executed then.
    pub excess: Option<Excess>,
}

/// Reads one document and nothing behind it.
pub fn parse(bytes: &[u8]) -> Result<Parsed, JsonFault> {
    let state = State {
        nodes: Cell::new(0),
        duplicate: Cell::new(false),
        excess: Cell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Node {
        depth: 0,
        state: &state,
    }
    .deserialize(&mut deserializer);
    if state.duplicate.get() {
        return Err(JsonFault::DuplicateKey);
    }
    let value = read.map_err(|_| JsonFault::Syntax)?;
    deserializer.end().map_err(|_| JsonFault::Syntax)?;
    Ok(Parsed {
        value,
        excess: state.excess.get(),
    })
}

struct State {
    nodes: Cell<u32>,
    duplicate: Cell<bool>,
    excess: Cell<Option<Excess>>,
}

impl State {
    fn note(&self, excess: Excess) {
        if self.excess.get().is_none() {
            self.excess.set(Some(excess));
        }
    }
}

#[derive(Clone, Copy)]
struct Node<'s> {
    depth: u32,
    state: &'s State,
}

impl Node<'_> {
    /// One level further down, or nothing when that is too deep or too much.
    fn child(self) -> Option<Self> {
        let nodes = self.state.nodes.get() + 1;
        self.state.nodes.set(nodes);
        if self.depth >= MAX_DEPTH {
            self.state.note(Excess::Depth);
            None
        } else if nodes > MAX_NODES {
            self.state.note(Excess::Count);
            None
        } else {
            Some(Self {
                depth: self.depth + 1,
                state: self.state,
            })
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if loses_digits(value) {
            self.state.note(Excess::Number);
        }
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        if value.as_bytes().contains(&0) {
            self.state.note(Excess::Nul);
        }
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        self.visit_str(&value)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(child) = self.child() {
            match items.next_element_seed(child)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.len() >= MAX_KEYS {
                self.state.note(Excess::Count);
            }
            let child = if map.len() < MAX_KEYS {
                self.child()
            } else {
                None
            };
            let value = match child {
                Some(child) => entries.next_value_seed(child)?,
                None => entries.next_value::<IgnoredAny>().map(|_| Value::Null)?,
            };
            if map.len() < MAX_KEYS && map.insert(key, value).is_some() {
                self.state.duplicate.set(true);
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn excess(text: &str) -> Option<Excess> {
        parse(text.as_bytes()).unwrap().excess
    }

    #[test]
    fn an_ordinary_document_is_read_whole() {
        let text = r#"{"a":[1,-2,2.5,"x",null,true],"b":{"c":9007199254740993}}"#;
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.excess, None);
        assert_eq!(
            parsed.value,
            json!({"a":[1,-2,2.5,"x",null,true],"b":{"c":9_007_199_254_740_993_u64}}),
        );
    }

    #[test]
    fn j_01_j_12_j_18_what_is_not_one_document_is_refused() {
        let lone_surrogate = b"\"\\ud800\"".as_slice();
        let raw_surrogate = b"\"\xed\xa0\x80\"".as_slice();
        let bom = b"\xef\xbb\xbf{}".as_slice();
        let utf16 = b"\xff\xfe{\0}\0".as_slice();
        for bad in [
            b"{".as_slice(),
            b"",
            b"{} {}",
            b"nul",
            lone_surrogate,
            raw_surrogate,
            bom,
            utf16,
        ] {
            assert_eq!(parse(bad), Err(JsonFault::Syntax), "{bad:?}");
        }
    }

    #[test]
    fn j_02_deep_brackets_end_as_a_syntax_fault() {
        assert_eq!(
            parse("[".repeat(100_000).as_bytes()),
            Err(JsonFault::Syntax)
        );
    }

    #[test]
    fn j_03_nesting_beyond_the_bound_is_skipped_and_said() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(excess(&nested(67)), None);
        assert_eq!(excess(&nested(68)), Some(Excess::Depth));
        assert_eq!(excess(&nested(100_000)), Some(Excess::Depth));
    }

    #[test]
    fn j_04_j_05_a_key_named_twice_is_refused_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"p":{"x":[{"id":"a","id":"../b"}]}}"#,
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(JsonFault::DuplicateKey));
        }
    }

    #[test]
    fn j_13_a_number_that_loses_digits_is_said() {
        assert_eq!(
            excess(r#"{"qty":123456789012345678901234567890}"#),
            Some(Excess::Number)
        );
        assert_eq!(excess(r#"{"qty":1e2,"b":1.0,"c":-0}"#), None);
        assert_eq!(parse(b"1e400"), Err(JsonFault::Syntax));
    }

    #[test]
    fn j_15_a_nul_character_is_said() {
        assert_eq!(excess(r#"{"name":"a\u0000b"}"#), Some(Excess::Nul));
        assert_eq!(excess(r#"{"name":"a\u0001b\n"}"#), None);
    }

    #[test]
    fn j_16_too_many_values_are_skipped_and_said() {
        let list = format!("[{}1]", "1,".repeat(10_001));
        assert_eq!(excess(&list), Some(Excess::Count));
        let keys: Vec<String> = (0..1_025).map(|i| format!("\"k{i}\":1")).collect();
        assert_eq!(
            excess(&format!("{{{}}}", keys.join(","))),
            Some(Excess::Count)
        );
    }
}
