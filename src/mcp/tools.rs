//! Tool definitions and call results as each revision writes them.

use serde_json::{Map, Value, json};

use super::{jsonrpc::Id, lifecycle::META_JSON, version::Revision};

/// Where in a call's `_meta` a client may name what must not be done twice, for tools that offer it.
pub const META_IDEMPOTENCY_KEY: &str = "wicketgate/idempotency-key";

/// What `tools/list` says about one tool, independent of revision.
#[derive(Debug, Clone)]
pub struct ToolText<'a> {
    /// What clients call.
    pub name: &'a str,
    /// A name for people.
    pub title: Option<&'a str>,
    /// What the model is told.
    pub description: &'a str,
    /// JSON Schema of the arguments.
    pub input: &'a Value,
    /// JSON Schema of the answer.
    pub output: Option<&'a Value>,
    /// It changes nothing.
    pub effect: Effect,
}

/// What calling a tool does, for `annotations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads only.
    Reads,
    /// Changes something; twice is the same as once.
    ChangesIdempotently,
    /// Changes something each time.
    Changes,
}

impl ToolText<'_> {
    /// The definition as JSON text in the shape of `revision` (L18).
    pub fn render(&self, revision: Revision) -> String {
        let mut tool = Map::new();
        tool.insert("name".into(), json!(self.name));
        if let Some(title) = self.title.filter(|_| revision >= Revision::V2025_06_18) {
            tool.insert("title".into(), json!(title));
        }
        tool.insert("description".into(), json!(self.description));
        tool.insert("inputSchema".into(), self.input.clone());
        if let Some(output) = self.output.filter(|schema| takes_output(revision, schema)) {
            tool.insert("outputSchema".into(), output.clone());
        }
        let (read_only, idempotent) = match self.effect {
            Effect::Reads => (true, true),
            Effect::ChangesIdempotently => (false, true),
            Effect::Changes => (false, false),
        };
        let annotations = json!({
            "readOnlyHint": read_only,
            "destructiveHint": !read_only,
            "idempotentHint": idempotent,
            "openWorldHint": true,
        });
        tool.insert("annotations".into(), annotations);
        Value::Object(tool).to_string()
    }
}

/// Output schemas came with 2025-06-18; before 2026-07-28 their root must be an object.
fn takes_output(revision: Revision, schema: &Value) -> bool {
    match revision {
        Revision::V2025_03_26 => false,
        Revision::V2025_06_18 | Revision::V2025_11_25 => schema["type"] == "object",
        Revision::V2026_07_28 => true,
    }
}

/// Did the tool do what it was asked?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolOutcome {
    /// It did.
    Success,
    /// It did not; the text says why, for the model.
    Error,
}

/// Structured content that goes beside the text.
#[derive(Debug, Clone, Copy)]
pub enum Structured<'a> {
    /// None.
    None,
    /// An object, as JSON text: known since 2025-06-18.
    Object(&'a str),
    /// Another value, as JSON text: known since 2026-07-28.
    Other(&'a str),
}

/// The answer to `tools/call` as JSON text.
pub fn call_result(
    id: &Id,
    revision: Revision,
    text: &str,
    structured: Structured<'_>,
    outcome: ToolOutcome,
) -> String {
    let structured = match structured {
        Structured::Object(json) if revision >= Revision::V2025_06_18 => Some(json),
        Structured::Other(json) if revision >= Revision::V2026_07_28 => Some(json),
        Structured::None | Structured::Object(_) | Structured::Other(_) => None,
    };
    let room = text.len() + text.len() / 8 + structured.map_or(0, str::len) + 320;
    let mut out = Answer::begin(id, revision, room);
    out.raw(r#""content":[{"type":"text","text":"#);
    out.text(text);
    out.raw("}]");
    if let Some(json) = structured {
        out.raw(r#","structuredContent":"#);
        out.raw(json);
    }
    out.raw(match outcome {
        ToolOutcome::Success => r#","isError":false"#,
        ToolOutcome::Error => r#","isError":true"#,
    });
    out.end(revision)
}

/// The answer to `tools/list` as JSON text; `tools` is the ready inside of the array.
pub fn list_result(id: &Id, revision: Revision, tools: &str, next: Option<&str>) -> String {
    let mut out = Answer::begin(id, revision, tools.len() + 320);
    if revision >= Revision::V2026_07_28 {
        out.raw(r#""ttlMs":60000,"cacheScope":"private","#);
    }
    out.raw(r#""tools":["#);
    out.raw(tools);
    out.raw("]");
    if let Some(cursor) = next {
        out.raw(r#","nextCursor":"#);
        out.text(cursor);
    }
    out.end(revision)
}

/// Any other result as JSON text.
pub fn plain_result(id: &Id, result: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

struct Answer(Vec<u8>);

impl Answer {
    fn begin(id: &Id, revision: Revision, room: usize) -> Self {
        let mut out = Self(Vec::with_capacity(room));
        out.raw(r#"{"jsonrpc":"2.0","id":"#);
        match id {
            Id::Number(number) => out.raw(number.to_string().as_str()),
            Id::Text(text) => out.text(text),
        }
        out.raw(r#","result":{"#);
        if revision >= Revision::V2026_07_28 {
            out.raw(r#""resultType":"complete","#);
        }
        out
    }

    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// `text` as a JSON string.
    fn text(&mut self, text: &str) {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    fn end(mut self, revision: Revision) -> String {
        if revision >= Revision::V2026_07_28 {
            self.raw(r#","_meta":"#);
            self.raw(META_JSON);
        }
        self.raw("}}");
        // Built from `str`s and serde_json's output only.
        String::from_utf8(self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn l_18_structured_content_fits_the_revision() {
        let id = Id::Text("a\"b".into());
        let shape = |revision, structured| {
            let text = call_result(&id, revision, "{\"n\":1}", structured, ToolOutcome::Success);
            parse(&text)
        };
        let object = Structured::Object("{\"n\":1}");
        let other = Structured::Other("[1]");
        assert_eq!(
            shape(Revision::V2025_03_26, object)["result"]["structuredContent"],
            Value::Null
        );
        assert_eq!(
            shape(Revision::V2025_06_18, object)["result"]["structuredContent"]["n"],
            1
        );
        assert_eq!(
            shape(Revision::V2025_11_25, other)["result"]["structuredContent"],
            Value::Null
        );
        let modern = shape(Revision::V2026_07_28, other);
        assert_eq!(modern["result"]["structuredContent"], json!([1]));
        assert_eq!(modern["result"]["resultType"], "complete");
        assert_eq!(modern["id"], "a\"b");
        assert_eq!(modern["result"]["content"][0]["text"], "{\"n\":1}");
        assert_eq!(modern["result"]["isError"], false);
    }

    #[test]
    fn definitions_hold_what_the_revision_knows() {
        let (input, array) = (json!({"type":"object"}), json!({"type":"array"}));
        let tool = ToolText {
            name: "t",
            title: Some("T"),
            description: "d",
            input: &input,
            output: Some(&array),
            effect: Effect::Reads,
        };
        let old = parse(&tool.render(Revision::V2025_03_26));
        assert_eq!((old.get("title"), old.get("outputSchema")), (None, None));
        let middle = parse(&tool.render(Revision::V2025_11_25));
        assert_eq!(
            (middle["title"].as_str(), middle.get("outputSchema")),
            (Some("T"), None)
        );
        let new = parse(&tool.render(Revision::V2026_07_28));
        assert_eq!(new["outputSchema"], array);
        assert_eq!(new["annotations"]["readOnlyHint"], true);
    }

    #[test]
    fn lists_name_their_next_page() {
        let id = Id::Number(7.into());
        let list = parse(&list_result(
            &id,
            Revision::V2026_07_28,
            r#"{"name":"a"}"#,
            Some("c"),
        ));
        assert_eq!(list["result"]["tools"][0]["name"], "a");
        assert_eq!(list["result"]["nextCursor"], "c");
        assert_eq!(list["result"]["cacheScope"], "private");
        let list = parse(&list_result(&id, Revision::V2025_06_18, "", None));
        assert_eq!(list["result"], json!({"tools": []}));
    }
}
