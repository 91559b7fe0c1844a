//! Placeholders: every one has a property, every property has its placeholder, and none stands
//! where it could change the host.

use std::collections::BTreeSet;

use http::HeaderValue;
use serde_json::Value;

use super::{
    super::{
        ToolConfig,
        findings::{Findings, Spot},
        rest::{MethodConfig, QueryConfig, RestConfig},
    },
    header,
};
use crate::schema::text::shown;

pub(super) fn check(tool: &ToolConfig, rest: &RestConfig, at: &Spot<'_>, findings: &mut Findings) {
    let mut used = Used {
        tool,
        names: BTreeSet::new(),
        findings,
    };
    used.path(&at.key("path"));
    used.query(rest, &at.key("query"));
    used.headers(rest, &at.key("headers"));
    if let Some(body) = &tool.request.body {
        let at = at.key("body");
        if tool.request.method == MethodConfig::Get {
            used.findings
                .error(&at, "GET has no body", "use `query`, or another method");
        }
        used.body(body, &at);
    }
    let names = used.names;
    unused(tool, &names, at, findings);
}

/// The placeholders met so far.
struct Used<'a, 'f> {
    tool: &'a ToolConfig,
    names: BTreeSet<String>,
    findings: &'f mut Findings,
}

impl Used<'_, '_> {
    fn path(&mut self, at: &Spot<'_>) {
        let path = self.tool.request.path.as_str();
        let fix = "write `/fixed/{argument}`";
        if !path.starts_with('/') || path.starts_with("//") {
            self.findings.error(at, "must begin with one slash", fix);
        }
        let odd = |c: char| matches!(c, '?' | '#' | '\\') || c.is_whitespace() || c.is_control();
        if path.contains(odd) {
            self.findings.error(
                at,
                "holds `?`, `#`, a backslash, a space or a control character",
                "parameters go into `query`",
            );
        }
        let climbs = path.split('/').any(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part == "." || part == ".."
        });
        if climbs {
            self.findings.error(at, "holds `.` or `..`", fix);
        }
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else {
                rest = after;
                self.findings.error(at, "a brace is not closed", fix);
                break;
            };
            if before.contains('}') {
                self.findings.error(at, "a brace is not opened", fix);
            }
            let name = name.strip_suffix('*').unwrap_or(name);
            self.argument(name, at);
            self.always_there(name, at);
            rest = tail;
        }
        if rest.contains('}') {
            self.findings.error(at, "a brace is not opened", fix);
        }
    }

    /// A path cannot be built without it.
    fn always_there(&mut self, name: &str, at: &Spot<'_>) {
        let input = &self.tool.input;
        let required = input.get("required").and_then(Value::as_array);
        let is_required = required
            .into_iter()
            .flatten()
            .any(|entry| entry.as_str() == Some(name));
        let property = input.get("properties").and_then(|all| all.get(name));
        let has_default = property.is_some_and(|schema| schema.get("default").is_some());
        if property.is_some() && !is_required && !has_default {
            self.findings.error(
                at,
                format!(
                    "`{}` may be left out, and the path needs it",
                    shown(name, 64)
                ),
                "add it to `input.required`, or give it a `default`",
            );
        }
    }

    fn query(&mut self, rest: &RestConfig, at: &Spot<'_>) {
        let secret = rest.credential.as_ref().and_then(|c| c.query.as_deref());
        for (name, value) in &self.tool.request.query {
            let at = at.key(name);
            if secret == Some(name.as_str()) {
                self.findings.error(
                    &at,
                    "the credential is sent in this parameter",
                    "remove it here",
                );
            }
            match value {
                QueryConfig::Plain(text) => self.text(text, &at),
                QueryConfig::List(list) => self.argument(&list.argument, &at.key("argument")),
            }
        }
    }

    fn headers(&mut self, rest: &RestConfig, at: &Spot<'_>) {
        let secret = rest.credential.as_ref().and_then(|c| c.header.as_deref());
        for (name, value) in &self.tool.request.headers {
            let at = at.key(name);
            if let Some(fault) = header::tool_fault(name) {
                self.findings.error(&at, fault, "remove it");
            } else if secret.is_some_and(|secret| secret.eq_ignore_ascii_case(name)) {
                self.findings.error(
                    &at,
                    "the credential is sent in this header",
                    "remove it here",
                );
            }
            if HeaderValue::from_str(value).is_err() {
                self.findings.error(
                    &at,
                    "not a header value",
                    "write visible ASCII characters in one line",
                );
            }
            self.text(value, &at);
        }
    }

    fn body(&mut self, body: &Value, at: &Spot<'_>) {
        match body {
            Value::String(text) => self.text(text, at),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.body(item, &at.index(i));
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    self.body(item, &at.key(key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, at: &Spot<'_>) {
        if let Some(name) = text.strip_prefix('$')
            && !name.starts_with('$')
        {
            self.argument(name, at);
        }
    }

    fn argument(&mut self, name: &str, at: &Spot<'_>) {
        let properties = self.tool.input.get("properties");
        if name.is_empty() || name.contains(['{', '}', '$', '*', '/']) {
            self.findings.error(
                at,
                "not a placeholder",
                "write `{name}` in a path, `$name` elsewhere, `$$` for a dollar",
            );
        } else if properties.and_then(|all| all.get(name)).is_none() {
            self.findings.error(
                at,
                format!("the placeholder `{}` has no property", shown(name, 64)),
                "add it to `input.properties`",
            );
        }
        self.names.insert(name.to_owned());
    }
}

fn unused(tool: &ToolConfig, used: &BTreeSet<String>, request: &Spot<'_>, findings: &mut Findings) {
    let properties = tool.input.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flat_map(|map| map.keys()) {
        if !used.contains(name) {
            findings.error(
                request,
                format!(
                    "the property `{}` is used nowhere in the request",
                    shown(name, 64)
                ),
                "use it as a placeholder, or remove it from `input.properties`",
            );
        }
    }
}
