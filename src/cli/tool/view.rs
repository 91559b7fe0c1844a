//! `wicketgate tool list|show`: tools as the configuration describes them. Opens no credential.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{failure::Failure, license::select, open::Desk, output},
    config::{
        Config, ToolConfig,
        rest::{ListStyle, MethodConfig, QueryConfig, ReadOnly, Repeat, RequestConfig, RestConfig},
    },
    license::License,
    names::{ToolName, ToolPattern, UpstreamName},
};

/// List the tools, or those that one license may use
#[derive(Debug, Args)]
pub struct ListArgs {
    /// A license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
}

/// Show one tool: what clients are told, and the request that a call becomes
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The tool
    name: ToolName,
}

/// One tool and where it stands.
struct Place<'a> {
    upstream: &'a UpstreamName,
    rest: &'a RestConfig,
    tool: &'a ToolConfig,
}

fn all(config: &Config) -> impl Iterator<Item = Place<'_>> {
    config.upstreams.iter().flat_map(|(upstream, kind)| {
        kind.rest.iter().flat_map(move |rest| {
            rest.tools.iter().map(move |tool| Place {
                upstream,
                rest,
                tool,
            })
        })
    })
}

impl Place<'_> {
    /// May the license use it? By its plan, and by its own narrower list when it has one.
    fn is_open_to(&self, license: &License, config: &Config) -> bool {
        let covers = |patterns: &[ToolPattern]| {
            patterns
                .iter()
                .any(|pattern| pattern.covers(self.upstream, &self.tool.name))
        };
        let plan = config.plans.get(&license.plan);
        plan.is_some_and(|plan| covers(&plan.tools)) && license.tools.as_deref().is_none_or(covers)
    }

    fn effect(&self) -> &'static str {
        match (self.tool.read_only, self.tool.repeat) {
            (ReadOnly::Yes, _) => "reads",
            (ReadOnly::No, Repeat::Idempotent) => "changes (idempotent)",
            (ReadOnly::No, Repeat::Unsafe) => "changes",
        }
    }
}

/// The list.
pub async fn list(desk: &Desk, args: ListArgs) -> Result<(), Failure> {
    let (loaded, license) = match &args.license {
        Some(wanted) => {
            let opened = desk.open().await?;
            let license = select::find(&opened.store, wanted).await?;
            (opened.loaded, Some(license))
        }
        None => (desk.load()?, None),
    };
    let config = &loaded.config;
    let open = |place: &Place<'_>| {
        license
            .as_ref()
            .is_none_or(|license| place.is_open_to(license, config))
    };
    let mut tools: Vec<_> = all(config).filter(open).collect();
    tools.sort_by(|a, b| a.tool.name.cmp(&b.tool.name));
    let machine: Vec<_> = tools
        .iter()
        .map(|place| {
            json!({
                "name": place.tool.name,
                "title": place.tool.title,
                "upstream": place.upstream,
                "read_only": place.tool.read_only == ReadOnly::Yes,
                "description": place.tool.description,
            })
        })
        .collect();
    let rows = tools.iter().map(|place| {
        [
            place.tool.name.to_string(),
            place.upstream.to_string(),
            place.effect().to_owned(),
            place.tool.description.clone(),
        ]
    });
    desk.output.show(
        &machine,
        output::table(["name", "upstream", "effect", "description"], rows),
    );
    Ok(())
}

/// One tool.
pub fn show(desk: &Desk, args: &ShowArgs) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let place = all(&loaded.config)
        .find(|place| place.tool.name == args.name)
        .ok_or_else(|| unknown(&args.name))?;
    let tool = place.tool;
    let request = template(place.rest, &tool.request);
    let machine = json!({
        "name": tool.name,
        "title": tool.title,
        "upstream": place.upstream,
        "description": tool.description,
        "read_only": tool.read_only == ReadOnly::Yes,
        "input": tool.input,
        "output": tool.output,
        "request": request,
    });
    let head = output::pairs([
        ["name".to_owned(), tool.name.to_string()],
        ["upstream".to_owned(), place.upstream.to_string()],
        ["effect".to_owned(), place.effect().to_owned()],
        ["description".to_owned(), tool.description.clone()],
    ]);
    let human = format!("{head}\n\ninput\n{:#}\n\nrequest\n{request:#}", tool.input);
    desk.output.show(&machine, human);
    Ok(())
}

/// There is no such tool.
pub fn unknown(name: &ToolName) -> Failure {
    Failure::failed(format_args!("no tool `{name}` in the configuration"))
        .fix("see `wicketgate tool list`")
}

fn template(rest: &RestConfig, request: &RequestConfig) -> Value {
    let query: serde_json::Map<String, Value> = request
        .query
        .iter()
        .map(|(name, value)| {
            let shown = match value {
                QueryConfig::Plain(text) => json!(text),
                QueryConfig::List(list) => json!({
                    "argument": list.argument,
                    "style": match list.style {
                        ListStyle::Repeat => "repeat",
                        ListStyle::Comma => "comma",
                    },
                }),
            };
            (name.clone(), shown)
        })
        .collect();
    let method = match request.method {
        MethodConfig::Get => "GET",
        MethodConfig::Post => "POST",
        MethodConfig::Put => "PUT",
        MethodConfig::Patch => "PATCH",
        MethodConfig::Delete => "DELETE",
    };
    json!({
        "method": method,
        "url": format!("{}{}", rest.base_url.trim_end_matches('/'), request.path),
        "query": query,
        "headers": request.headers,
        "body": request.body,
    })
}
