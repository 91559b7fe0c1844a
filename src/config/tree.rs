//! YAML as a tree that remembers lines. Knows nothing of what the values mean.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};

/// Deepest nesting of a file; a schema takes up to 144 levels of it.
const MAX_DEPTH: usize = 176;

/// Room for a file as deep as allowed.
const STACK_BYTES: usize = 32 << 20;

/// A value and the line it begins on.
#[derive(Debug)]
pub struct Tree {
    line: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    line: u32,
    value: Tree,
}

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// Where in a file: `upstreams.crm.rest.tools[0].input`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// One key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// One list entry further.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let dot = if i == 0 { "" } else { "." };
                    write!(f, "{dot}{}", crate::schema::text::shown(key, 64))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Why a file is not YAML that we read. Holds nothing of the file's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, when known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: &'static str,
}

impl Tree {
    /// Reads YAML: no duplicate keys, `yes` and `no` are text, aliases and depth limited.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        const FAILED: Unreadable = Unreadable {
            line: None,
            message: "the file could not be read",
        };
        // The reader recurses, in a build without optimisation some 15 KiB for each level.
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || {
                    serde_saphyr::from_str_with_options(text, options())
                        .map_err(|error| unreadable(&error))
                })
                .map_err(|_| FAILED)?
                .join()
                .map_err(|_| FAILED)?
        })
    }

    /// As JSON.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// The line of a place, or of the nearest place above it.
    pub fn line(&self, place: &Place) -> u32 {
        let mut at = self;
        let mut line = self.line;
        for step in &place.0 {
            let below = match (step, &at.kind) {
                (Step::Key(key), Kind::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == *key)
                    .map(|entry| (entry.line, &entry.value)),
                (Step::Index(index), Kind::List(items)) => {
                    items.get(*index).map(|item| (item.line, item))
                }
                _ => None,
            };
            let Some((found, next)) = below else {
                break;
            };
            (line, at) = (found, next);
        }
        line
    }

    /// A JSON Pointer into this tree as a place.
    pub fn place(&self, pointer: &str) -> Place {
        let mut at = Some(self);
        let mut place = Place::default();
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let list = at.and_then(|tree| match &tree.kind {
                Kind::List(items) => Some(items),
                Kind::Scalar(_) | Kind::Map(_) => None,
            });
            if let (Some(items), Ok(index)) = (list, part.parse::<usize>()) {
                place.0.push(Step::Index(index));
                at = items.get(index);
            } else {
                at = at.and_then(|tree| tree.entry(&part));
                place.0.push(Step::Key(part));
            }
        }
        place
    }

    fn entry(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            Kind::Scalar(_) | Kind::List(_) => None,
        }
    }
}

fn options() -> Options {
    let mut options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_anchors: 1_000,
            max_aliases: 1_000,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
    };
    // A snippet prints neighbouring lines, and somebody may have pasted a secret there.
    options.with_snippet = false;
    options
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of another crate; its texts may repeat the file's, so none is passed on"
)]
fn unreadable(error: &serde_saphyr::Error) -> Unreadable {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let message = match error {
        Error::DuplicateMappingKey { .. } => "the same key stands twice in one mapping",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => "the file is too deep or too large",
        Error::AliasError { .. } => "an alias expands to too much",
        Error::Eof { .. } => "the file is empty",
        Error::MultipleDocuments { .. } => "the file holds more than one document",
        Error::UnknownAnchor { .. } => "an alias without its anchor",
        _ => "not valid YAML from here on",
    };
    let line = error
        .location()
        .and_then(|location| u32::try_from(location.line()).ok())
        .filter(|line| *line > 0);
    Unreadable { line, message }
}

fn line_of<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            line: line_of(&spanned),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> de::Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Kind::Scalar(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                line: line_of(&key),
                key: key.value,
                value: map.next_value()?,
            });
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_values_are_kept() {
        let tree = Tree::parse("a:\n  - b: no\n    c: 1_000\n  - {d: 1.5, e: ~}\n").unwrap();
        assert_eq!(
            tree.to_value(),
            serde_json::json!({ "a": [{ "b": "no", "c": 1000 }, { "d": 1.5, "e": null }] })
        );
        assert_eq!(tree.line(&tree.place("/a/0/c")), 3);
        assert_eq!(tree.line(&tree.place("/a/1/e")), 4);
        assert_eq!(tree.line(&tree.place("/a/1/none")), 4);
        assert_eq!(tree.place("/a/0/c~1d").to_string(), "a[0].c/d");
    }

    #[test]
    fn bombs_and_doubles_are_refused_without_their_text() {
        let twice = Tree::parse("a: 1\nb: 2\na: CANARY\n").unwrap_err();
        assert_eq!(twice.line, Some(3));
        assert_eq!(twice.message, "the same key stands twice in one mapping");
        let deep = Tree::parse(&format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)));
        assert!(deep.is_err());
        let fits = format!("{}1{}", "[".repeat(150), "]".repeat(150));
        assert!(Tree::parse(&fits).is_ok());
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 9].join(", ");
            let line = format!("a{level}: &a{level} [{below}]\n");
            bomb.push_str(&line);
        }
        assert_eq!(
            Tree::parse(&bomb).unwrap_err().message,
            "an alias expands to too much"
        );
    }
}
