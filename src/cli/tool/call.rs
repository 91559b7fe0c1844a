//! `wicketgate tool call`: one call as the operator, past no license and no limit. Checks the
//! arguments exactly as the gateway does, and with `--dry-run` sends nothing.

use std::{fs, sync::Arc};

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::view::unknown;
use crate::{
    cli::{bound, failure::Failure, open::Desk, output::plain},
    config::{Config, UpstreamConfig, secrets::UpstreamSecrets},
    connect::buy_once,
    names::{ToolName, UpstreamName},
    schema::InputSchema,
    upstream::{
        Answer, AnswerContent, BoundTool, OpenedCredential, Prepared, Preview, Source,
        UpstreamError,
    },
    vault::{OperatorAct, Vault, VaultError},
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

/// Runs the command.
pub async fn run(desk: &Desk, args: CallArgs) -> Result<(), Failure> {
    let arguments = read_arguments(&args.args)?;
    if args.dry_run {
        let loaded = desk.load()?;
        let tool = find(desk, &loaded.config, &args.name, |_| {
            Ok(UpstreamSecrets::default())
        })?;
        let request = prepare(&tool, &arguments)?.preview();
        desk.output.show(&request, text_of(&request));
        return Ok(());
    }
    let opened = desk.open().await?;
    let config = &opened.loaded.config;
    let secrets = |upstream: &UpstreamName| desk.configured(config, upstream);
    let tool = find(desk, config, &args.name, secrets)?;
    let request = prepare(&tool, &arguments)?;
    let upstream = &tool.site.name;
    let credential = match &tool.site.source {
        Source::None => None,
        Source::Configured(configured) => Some(Arc::clone(configured)),
        Source::Minted(minted) => {
            let secret = match &minted.configured {
                Some(configured) => Arc::clone(configured),
                None => stored(&opened.vault, upstream).await?,
            };
            let bought =
                buy_once(OperatorAct::at_command_line(), minted, &secret, &desk.clock).await;
            Some(bought.map_err(Failure::failed)?)
        }
        Source::Account(_) => {
            return Err(Failure::failed(format_args!(
                "`{upstream}` is called with an account that a license connected"
            ))
            .fix("call the tool through the gateway, with the license's key"));
        }
        Source::Stored => Some(stored(&opened.vault, upstream).await?),
    };
    let most = config.limits.call_timeout.duration();
    let patience = tool.definition.timeout.map_or(most, |own| own.min(most));
    let answer = request
        .send(credential, Instant::now() + patience)
        .await
        .map_err(|error| explain(error, upstream))?;
    show(desk, &answer);
    Ok(())
}

async fn stored(vault: &Vault, upstream: &UpstreamName) -> Result<Arc<OpenedCredential>, Failure> {
    let act = OperatorAct::at_command_line();
    let stored = vault.operator_open(act, upstream).await;
    stored.map_err(|error| unopened(error, upstream))
}

fn find(
    desk: &Desk,
    config: &Config,
    name: &ToolName,
    secrets: impl FnOnce(&UpstreamName) -> Result<UpstreamSecrets, Failure>,
) -> Result<BoundTool, Failure> {
    let has = |upstream: &UpstreamConfig| {
        upstream
            .rest
            .iter()
            .flat_map(|rest| &rest.tools)
            .any(|tool| tool.name == *name)
    };
    let (site, upstream) = config
        .upstreams
        .iter()
        .find(|(_, upstream)| has(upstream))
        .ok_or_else(|| unknown(name))?;
    bound::tools(desk, config, (site, upstream), &secrets(site)?)
        .map_err(|fault| Failure::bad_configuration(format_args!("upstreams.{site}: {fault}")))?
        .into_iter()
        .find(|tool| tool.definition.name == *name)
        .ok_or_else(|| unknown(name))
}

fn prepare(tool: &BoundTool, arguments: &Value) -> Result<Box<dyn Prepared>, Failure> {
    check(tool, arguments)?;
    tool.target.prepare(arguments).map_err(Failure::failed)
}

fn unopened(error: VaultError, upstream: &UpstreamName) -> Failure {
    if matches!(error, VaultError::Missing) {
        Failure::failed(format_args!("no credential is stored for `{upstream}`"))
            .fix(format_args!("wicketgate credential set {upstream}"))
    } else {
        error.into()
    }
}

fn explain(error: UpstreamError, upstream: &UpstreamName) -> Failure {
    let failure = Failure::failed(format_args!("upstream `{upstream}`: {error}"));
    if matches!(error, UpstreamError::CredentialRefused(_)) {
        failure.fix(format_args!("wicketgate credential set {upstream}"))
    } else {
        failure
    }
}

/// The request as HTTP writes it.
fn text_of(request: &Preview) -> String {
    let mut lines = vec![format!("{} {}", request.method, request.url)];
    lines.extend(
        request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    if let Some(body) = &request.body {
        lines.push(String::new());
        lines.push(body.clone());
    }
    plain(&lines.join("\n"))
}

fn show(desk: &Desk, answer: &Answer) {
    let content = match &answer.content {
        AnswerContent::Json { text, .. } => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        AnswerContent::Text(text) => Value::String(text.clone()),
    };
    let human = match content.as_str() {
        Some(text) => plain(text),
        None => plain(&format!("{content:#}")),
    };
    desk.output.note(format_args!(
        "status {}, attempts {}",
        answer.status, answer.attempts
    ));
    desk.output.show(
        &json!({ "status": answer.status, "attempts": answer.attempts, "content": content }),
        human,
    );
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
