//! What a schema may cost, measured before anything is compiled. Never recurses deeper than the
//! limit it checks, because a schema may come from somebody else.

use std::collections::{HashMap, HashSet};

use jsonschema::{ValidationError, error::ValidationErrorKind};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    pattern,
    text::{cut, shown},
};

/// Most bytes of a schema, as JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of schemas, `$ref` followed.
pub const MAX_DEPTH: usize = 64;
/// Most schemas, each `$ref` counted as all it leads to.
pub const MAX_EXPANDED: u32 = 2_000;
/// Most entries of `$defs` and `definitions`.
pub const MAX_DEFINITIONS: usize = 64;
/// Most regular expressions.
pub const MAX_PATTERNS: usize = 64;

/// Deepest JSON nesting: two levels for each schema, and room for constants.
const MAX_JSON_DEPTH: usize = 2 * MAX_DEPTH + 16;

/// What is known of a schema before it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// What it is written in.
    pub dialect: Dialect,
    /// How many schemas it is made of, each reference counted as what it stands for.
    pub schemas: usize,
}

/// Which JSON Schema a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 2020-12, the default.
    Draft202012,
    /// draft-07.
    Draft7,
}

/// Why a schema is refused. Pointers are JSON Pointers (RFC 6901) into the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// `true`, `{}` or another root that lets anything in.
    #[error("the root must say `type: object`")]
    RootNotObject,
    /// `$schema` names something else than 2020-12 or draft-07.
    #[error("dialect not supported: `$schema` may name JSON Schema 2020-12 or draft-07")]
    Dialect,
    /// More than [`MAX_BYTES`].
    #[error("the schema is larger than 64 KiB")]
    TooLarge,
    /// More than [`MAX_DEPTH`].
    #[error("the schema is nested deeper than 64 levels, `$ref` followed")]
    TooDeep,
    /// More than [`MAX_EXPANDED`].
    #[error("the schema holds more than 2000 schemas, `$ref` followed")]
    TooManySchemas,
    /// More than [`MAX_DEFINITIONS`].
    #[error("the schema has more than 64 definitions")]
    TooManyDefinitions,
    /// More than [`MAX_PATTERNS`].
    #[error("the schema has more than 64 regular expressions")]
    TooManyPatterns,
    /// `$ref` that leaves the document.
    #[error("{pointer}: a reference must stay inside the schema: `#/…`")]
    RemoteReference {
        /// Where.
        pointer: String,
    },
    /// `$ref` to nothing.
    #[error("{pointer}: the reference leads nowhere")]
    DanglingReference {
        /// Where.
        pointer: String,
    },
    /// `$ref` that leads back to itself.
    #[error("{pointer}: the schema refers to itself")]
    Recursive {
        /// Where.
        pointer: String,
    },
    /// A keyword that changes what references mean, or that cannot be checked in linear time.
    #[error("{pointer}: `{keyword}` is not supported here")]
    Unsupported {
        /// Where.
        pointer: String,
        /// Which.
        keyword: &'static str,
    },
    /// A regular expression that does not compile in the linear engine.
    #[error(
        "{pointer}: not a regular expression that runs in linear time (no look-around, no \
         back-references, 1 MiB compiled)"
    )]
    Pattern {
        /// Where.
        pointer: String,
    },
    /// Not a schema of its dialect.
    #[error("{pointer}: `{keyword}` is not valid here")]
    Invalid {
        /// Where.
        pointer: String,
        /// The keyword of the dialect's own schema that refused.
        keyword: String,
    },
}

impl SchemaFault {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the kinds of another crate; every other one is a plain violation"
    )]
    pub(super) fn from_build(error: &ValidationError<'_>) -> Self {
        let pointer = show_pointer(error.instance_path().as_str());
        let is_pattern = |path: &str| path.ends_with("/pattern") || path.contains("/patternProp");
        match error.kind() {
            ValidationErrorKind::Format { format } if format == "regex" => {
                Self::Pattern { pointer }
            }
            ValidationErrorKind::Referencing(_) => Self::DanglingReference { pointer },
            _ if is_pattern(error.instance_path().as_str())
                || is_pattern(error.schema_path().as_str()) =>
            {
                Self::Pattern { pointer }
            }
            kind => Self::Invalid {
                pointer,
                keyword: cut(shown(kind.keyword(), 64), 64),
            },
        }
    }
}

/// Is the value within so many values and so deep? Looks at no more than that.
pub fn fits(value: &Value, nodes: usize, depth: usize) -> bool {
    let mut left = nodes;
    let mut stack = vec![(value, 1_usize)];
    while let Some((value, level)) = stack.pop() {
        if level > depth || left == 0 {
            return false;
        }
        left -= 1;
        match value {
            Value::Array(items) if items.len() <= left => {
                stack.extend(items.iter().map(|item| (item, level + 1)));
            }
            Value::Object(map) if map.len() <= left => {
                stack.extend(map.values().map(|item| (item, level + 1)));
            }
            Value::Array(_) | Value::Object(_) => return false,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    true
}

/// Refuses what is too large, too deep, too wide, self-referring or remote; otherwise says which
/// dialect it is.
pub fn measure(schema: &Value) -> Result<Measured, SchemaFault> {
    check_bytes(schema)?;
    let Value::Object(map) = schema else {
        return Err(SchemaFault::RootNotObject);
    };
    let dialect = dialect(map)?;
    let mut walk = Walk {
        root: schema,
        done: HashMap::new(),
        open: HashSet::new(),
        definitions: 0,
        patterns: 0,
    };
    let size = walk.visit(schema, "", 1)?;
    Ok(Measured {
        dialect,
        schemas: usize::try_from(size.schemas).unwrap_or(usize::MAX),
    })
}

fn check_bytes(schema: &Value) -> Result<(), SchemaFault> {
    let mut bytes = 0_usize;
    let mut stack = vec![(schema, 1_usize)];
    while let Some((value, depth)) = stack.pop() {
        if depth > MAX_JSON_DEPTH {
            return Err(SchemaFault::TooDeep);
        }
        bytes += match value {
            Value::Null | Value::Bool(_) => 5,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 3,
            Value::Array(items) => {
                stack.extend(items.iter().map(|item| (item, depth + 1)));
                items.len() + 2
            }
            Value::Object(map) => {
                stack.extend(map.values().map(|item| (item, depth + 1)));
                map.keys().map(|key| key.len() + 4).sum::<usize>() + 2
            }
        };
        if bytes > MAX_BYTES {
            return Err(SchemaFault::TooLarge);
        }
    }
    Ok(())
}

fn dialect(root: &Map<String, Value>) -> Result<Dialect, SchemaFault> {
    let Some(named) = root.get("$schema") else {
        return Ok(Dialect::Draft202012);
    };
    let named = named.as_str().ok_or(SchemaFault::Dialect)?;
    match named.strip_suffix('#').unwrap_or(named) {
        "https://json-schema.org/draft/2020-12/schema" => Ok(Dialect::Draft202012),
        "http://json-schema.org/draft-07/schema" | "https://json-schema.org/draft-07/schema" => {
            Ok(Dialect::Draft7)
        }
        _ => Err(SchemaFault::Dialect),
    }
}

#[derive(Debug, Clone, Copy)]
struct Size {
    schemas: u32,
    height: usize,
}

struct Walk<'a> {
    root: &'a Value,
    /// By address: a `$ref` to a schema met before costs no second walk.
    done: HashMap<*const Value, Size>,
    open: HashSet<*const Value>,
    definitions: usize,
    patterns: usize,
}

const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
const MAPS: [&str; 6] = [
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// The last one asks clients to mirror an argument into a header, which the server must then compare
/// (2026-07-28, SEP-2243). The gateway reads bodies anyway, so it promises no such thing.
const REFUSED: [&str; 6] = [
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "x-mcp-header",
];

impl<'a> Walk<'a> {
    fn visit(&mut self, at: &'a Value, pointer: &str, depth: usize) -> Result<Size, SchemaFault> {
        let mut size = Size {
            schemas: 1,
            height: 1,
        };
        if depth > MAX_DEPTH {
            return Err(SchemaFault::TooDeep);
        }
        let Value::Object(map) = at else {
            return Ok(size);
        };
        let address = std::ptr::from_ref(at);
        if let Some(known) = self.done.get(&address) {
            return if depth + known.height - 1 > MAX_DEPTH {
                Err(SchemaFault::TooDeep)
            } else {
                Ok(*known)
            };
        }
        if !self.open.insert(address) {
            return Err(SchemaFault::Recursive {
                pointer: show_pointer(pointer),
            });
        }
        self.check_keywords(map, pointer)?;
        for (child, at) in children(map) {
            let below = self.visit(child, &format!("{pointer}{at}"), depth + 1)?;
            size.add(below)?;
        }
        if let Some(reference) = map.get("$ref") {
            let place = format!("{pointer}/$ref");
            let target = self.resolve(reference, &place)?;
            let below = self.visit(target, &place, depth + 1)?;
            size.add(below)?;
        }
        self.open.remove(&address);
        self.done.insert(address, size);
        Ok(size)
    }

    fn check_keywords(&mut self, map: &Map<String, Value>, at: &str) -> Result<(), SchemaFault> {
        let unsupported = |keyword| SchemaFault::Unsupported {
            pointer: show_pointer(at),
            keyword,
        };
        if let Some(keyword) = REFUSED.into_iter().find(|k| map.contains_key(*k)) {
            return Err(unsupported(keyword));
        }
        // Below the root these two would give `#/…` another meaning.
        if let Some(keyword) = ["$id", "$schema"]
            .into_iter()
            .find(|keyword| !at.is_empty() && map.contains_key(*keyword))
        {
            return Err(unsupported(keyword));
        }
        // The check would compile an expression that the caller wrote.
        if map.get("format").and_then(Value::as_str) == Some("regex") {
            return Err(unsupported("format: regex"));
        }
        for keyword in ["$defs", "definitions"] {
            self.definitions += map
                .get(keyword)
                .and_then(Value::as_object)
                .map_or(0, Map::len);
        }
        if self.definitions > MAX_DEFINITIONS {
            return Err(SchemaFault::TooManyDefinitions);
        }
        let own = map.get("pattern").and_then(Value::as_str);
        let named = map.get("patternProperties").and_then(Value::as_object);
        for text in own
            .into_iter()
            .chain(named.into_iter().flat_map(Map::keys).map(String::as_str))
        {
            self.patterns += 1;
            if pattern::cost(text) > pattern::MAX_COST {
                return Err(SchemaFault::Pattern {
                    pointer: show_pointer(at),
                });
            }
        }
        if self.patterns > MAX_PATTERNS {
            return Err(SchemaFault::TooManyPatterns);
        }
        Ok(())
    }

    fn resolve(&self, reference: &Value, place: &str) -> Result<&'a Value, SchemaFault> {
        let remote = || SchemaFault::RemoteReference {
            pointer: show_pointer(place),
        };
        let dangling = || SchemaFault::DanglingReference {
            pointer: show_pointer(place),
        };
        let fragment = reference
            .as_str()
            .and_then(|text| text.strip_prefix('#'))
            .ok_or_else(remote)?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return Err(remote());
        }
        let fragment = percent_decode_str(fragment)
            .decode_utf8()
            .map_err(|_| dangling())?;
        self.root.pointer(&fragment).ok_or_else(dangling)
    }
}

impl Size {
    fn add(&mut self, below: Self) -> Result<(), SchemaFault> {
        self.schemas = self.schemas.saturating_add(below.schemas);
        self.height = self.height.max(below.height + 1);
        if self.schemas > MAX_EXPANDED {
            return Err(SchemaFault::TooManySchemas);
        }
        Ok(())
    }
}

/// The schemas directly inside, each with the pointer from here.
fn children(map: &Map<String, Value>) -> Vec<(&Value, String)> {
    let mut found = Vec::new();
    for keyword in ONE {
        if let Some(schema) = map.get(keyword).filter(|value| !value.is_array()) {
            found.push((schema, format!("/{keyword}")));
        }
    }
    for keyword in LISTS {
        if let Some(list) = map.get(keyword).and_then(Value::as_array) {
            let each = list.iter().enumerate();
            found.extend(each.map(|(i, schema)| (schema, format!("/{keyword}/{i}"))));
        }
    }
    for keyword in MAPS {
        if let Some(schemas) = map.get(keyword).and_then(Value::as_object) {
            found.extend(
                schemas
                    .iter()
                    .map(|(name, schema)| (schema, format!("/{keyword}/{}", escape(name)))),
            );
        }
    }
    found
}

/// A name as a part of a JSON Pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn show_pointer(pointer: &str) -> String {
    if pointer.is_empty() {
        "the root".to_owned()
    } else {
        cut(shown(pointer, 128), 256)
    }
}
