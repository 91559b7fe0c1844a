//! One tool: its texts, schemas and times.

use super::{
    super::{
        Config, ToolConfig,
        findings::{Findings, Spot},
        rest::{MethodConfig, ReadOnly, RestConfig},
    },
    once, request, upstream, visible,
};
use crate::schema::{InputSchema, OutputSchema, lint};

/// Longest description.
const MAX_DESCRIPTION: usize = 1024;
/// Most open places named for one schema.
const MAX_LOOSE: usize = 10;

pub(super) fn check(
    tool: &ToolConfig,
    rest: &RestConfig,
    config: &Config,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    texts(tool, at, findings);
    let input = InputSchema::compile(&tool.input);
    match &input {
        Err(fault) => findings.error(
            &at.key("input"),
            fault.to_string(),
            "write a JSON Schema (2020-12) of an object",
        ),
        Ok(_) => looseness(tool, &at.key("input"), findings),
    }
    if let Some(Err(fault)) = tool.output.as_ref().map(OutputSchema::compile) {
        findings.error(
            &at.key("output"),
            fault.to_string(),
            "write a JSON Schema (2020-12)",
        );
    }
    request::check(tool, rest, &at.key("request"), findings);
    once::check(tool, rest, at, findings);
    if let Some(span) = tool.timeout {
        upstream::timeout(span, config, &at.key("timeout"), findings);
    }
    let writes = matches!(
        tool.request.method,
        MethodConfig::Put | MethodConfig::Patch | MethodConfig::Delete
    );
    if writes && tool.read_only == ReadOnly::Yes {
        findings.warning(
            &at.key("read_only"),
            "`read_only` although the method writes",
            "remove `read_only`, or use another method",
        );
    }
    pointers(tool, &at.key("response"), findings);
}

fn texts(tool: &ToolConfig, at: &Spot<'_>, findings: &mut Findings) {
    if let Some(title) = &tool.title {
        visible(title, &at.key("title"), findings);
    }
    let at = at.key("description");
    let length = tool.description.chars().count();
    if tool.description.trim().is_empty() || length > MAX_DESCRIPTION {
        findings.error(
            &at,
            "must have 1 to 1024 characters",
            "say what the tool does, what it returns and when to use it",
        );
    }
    visible(&tool.description, &at, findings);
}

fn looseness(tool: &ToolConfig, at: &Spot<'_>, findings: &mut Findings) {
    if let Some(reason) = &tool.loose_schema_because {
        if reason.trim().is_empty() {
            findings.error(at, "`loose_schema_because` gives no reason", "write why");
        }
        return;
    }
    for loose in lint(&tool.input).into_iter().take(MAX_LOOSE) {
        findings.error(
            &at.pointer(&loose.pointer),
            loose.message,
            format!("{}; or say why not in `loose_schema_because`", loose.fix),
        );
    }
}

fn pointers(tool: &ToolConfig, at: &Spot<'_>, findings: &mut Findings) {
    let is_pointer = |text: &str| text.is_empty() || text.starts_with('/');
    let fix = "begin with a slash: `/data/rows`";
    if tool
        .response
        .select
        .as_deref()
        .is_some_and(|text| !is_pointer(text))
    {
        findings.error(&at.key("select"), "not a JSON Pointer", fix);
    }
    for (i, keep) in tool.response.keep.iter().flatten().enumerate() {
        if !is_pointer(keep) {
            findings.error(&at.key("keep").index(i), "not a JSON Pointer", fix);
        }
    }
}
