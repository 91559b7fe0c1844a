//! `docs/config.md`, made from the documentation of the types, so that it cannot fall behind.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::published::config_schema;

/// Every key of the configuration as Markdown, a table for each section.
pub fn config_reference() -> String {
    let schema = config_schema();
    let mut pages = Pages {
        root: &schema,
        out: String::from(INTRODUCTION),
    };
    pages.section("", &schema, None);
    while pages.out.ends_with("\n\n") {
        pages.out.pop();
    }
    pages.out
}

const INTRODUCTION: &str = "# Configuration

One YAML file, `wicketgate.yaml`. Unknown keys and keys written twice are errors; `wicketgate
check` reports all of them at once. A secret is never written in the file: it is `{ env: NAME }`,
`{ file: PATH }` or in the credential store. Relative paths are relative to the file.

The environment replaces five values and nothing else: `WICKETGATE_PUBLIC_URL` (`public_url`),
`WICKETGATE_LISTEN` (`listen.public`), `DATABASE_URL` (`store.postgres.url`), `REDIS_URL`
(`shared.redis.url`) and `WICKETGATE_CONFIG` (the path of the file). `WICKETGATE_LOG` is the log
filter.

This page is generated from the program. A `NAME` in a heading is a name of your choice, `[]` each
entry of a list.

";

struct Pages<'a> {
    root: &'a Value,
    out: String,
}

impl<'a> Pages<'a> {
    fn section(&mut self, path: &str, schema: &'a Value, words: Option<&str>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        let title = if path.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`{path}`")
        };
        let words = words.or_else(|| text(schema)).unwrap_or_default();
        let _ = writeln!(self.out, "## {title}\n\n{}\n", line(words, Cell::No));
        self.out
            .push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for (name, value) in properties {
            self.row(name, value, schema);
        }
        self.out.push('\n');
        for (name, value) in properties {
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            self.below(&below, value);
        }
    }

    fn row(&mut self, name: &str, value: &Value, section: &Value) {
        let required = section
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|entry| entry == name));
        let default = match value.get("default") {
            _ if required => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(Value::Object(map)) if map.is_empty() => String::new(),
            Some(Value::Object(_)) => "see below".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let target = self.resolve(value);
        let words = text(value).or_else(|| text(target)).unwrap_or_default();
        let _ = writeln!(
            self.out,
            "| `{name}` | {} | {} | {} |",
            line(&self.kind(value), Cell::Yes),
            line(&default, Cell::Yes),
            line(words, Cell::Yes)
        );
    }

    fn below(&mut self, path: &str, value: &'a Value) {
        let target = self.resolve(value);
        if let Some(items) = target.get("items") {
            self.below(&format!("{path}[]"), items);
        } else if let Some(entries) = entries(target) {
            self.below(&format!("{path}.NAME"), entries);
        } else if let Some(forms) = target.get("oneOf").and_then(Value::as_array) {
            for form in forms {
                for (name, value) in form
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    self.section(&format!("{path}.{name}"), self.resolve(value), text(form));
                }
            }
        } else {
            self.section(path, target, None);
        }
    }

    /// Follows `$ref`, and the half of `anyOf` that is not null.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let inner = value
            .get("anyOf")
            .and_then(Value::as_array)
            .and_then(|list| list.iter().find(|form| form.get("$ref").is_some()))
            .unwrap_or(value);
        inner
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|path| self.root.pointer(path.trim_start_matches('#')))
            .unwrap_or(inner)
    }

    fn kind(&self, value: &Value) -> String {
        let named = |value: &Value| {
            let reference = value.get("$ref").and_then(Value::as_str)?;
            Some(match reference.rsplit('/').next()? {
                "Span" => "span of time".to_owned(),
                "ByteSize" => "size".to_owned(),
                "Rate" => "rate".to_owned(),
                "SecretSource" => "`{ env: NAME }` or `{ file: PATH }`".to_owned(),
                "ToolName" | "PlanName" | "UpstreamName" | "ProviderName" => "name".to_owned(),
                "ScopeName" => "scope".to_owned(),
                "ToolPattern" => "pattern".to_owned(),
                _ => {
                    let target = self.root.pointer(reference.trim_start_matches('#'))?;
                    words(target).unwrap_or_else(|| self.kind(target))
                }
            })
        };
        if let Some(found) = named(value) {
            return found;
        }
        if let Some(list) = value.get("anyOf").and_then(Value::as_array) {
            let kinds: Vec<String> = list
                .iter()
                .filter(|form| form.get("type").and_then(Value::as_str) != Some("null"))
                .map(|form| self.kind(form))
                .collect();
            return kinds.join(" or ");
        }
        let kind = match value.get("type") {
            Some(Value::String(one)) => one.as_str(),
            Some(Value::Array(many)) => many
                .iter()
                .filter_map(Value::as_str)
                .find(|one| *one != "null")
                .unwrap_or("any"),
            _ => "any",
        };
        match kind {
            "array" => {
                let items = value.get("items").map(|items| self.kind(items));
                format!("list of {}", items.unwrap_or_else(|| "any".to_owned()))
            }
            "object" if entries(value).is_some() => "mapping".to_owned(),
            "object" => "section".to_owned(),
            "string" => match value.get("format").and_then(Value::as_str) {
                Some("uri") => "URL".to_owned(),
                Some("ip-network") => "network".to_owned(),
                Some("ip-address-and-port") => "address".to_owned(),
                _ => "text".to_owned(),
            },
            "any" if value.get("oneOf").is_some() => "section".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// The words of an enumeration: `GET`, `POST`.
fn words(schema: &Value) -> Option<String> {
    let forms = schema.get("oneOf")?.as_array()?;
    let constants: Option<Vec<String>> = forms
        .iter()
        .map(|form| Some(format!("`{}`", form.get("const")?.as_str()?)))
        .collect();
    constants.map(|list| list.join(", "))
}

/// What the values of a mapping with free names are.
fn entries(schema: &Value) -> Option<&Value> {
    if schema.get("properties").is_some() {
        return None;
    }
    let by_pattern = schema
        .get("patternProperties")
        .and_then(Value::as_object)
        .and_then(|map: &Map<String, Value>| map.values().next());
    by_pattern.or_else(|| schema.get("additionalProperties").filter(|v| v.is_object()))
}

fn text(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

/// Is the text inside a table?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Yes,
    No,
}

fn line(text: &str, cell: Cell) -> String {
    let joined = text.replace("\n\n", " ").replace('\n', " ");
    if cell == Cell::Yes {
        joined.replace('|', "\\|")
    } else {
        joined
    }
}
