//! The immutable set of tools being served, and who may see which.

pub mod cursor;
pub mod visible;

use std::{collections::HashMap, sync::Arc};

use quick_cache::sync::Cache;

pub use self::visible::{Page, Visible};
use crate::{
    config::rest::{ReadOnly, Repeat},
    license::License,
    mcp::{
        Revision,
        tools::{Effect, ToolText},
    },
    names::{PlanName, ToolPattern},
    schema::{InputSchema, SchemaFault},
    upstream::BoundTool,
};

/// Most distinct narrowings of a plan that are kept ready.
const MAX_NARROWED: usize = 1_024;

/// One tool, ready to be called and listed.
pub struct CatalogTool {
    /// Its place in the catalogue.
    index: usize,
    /// What it is and what a call becomes.
    pub bound: BoundTool,
    /// Its compiled input schema.
    pub input: InputSchema,
    /// Its definition, one text a revision.
    texts: [String; 4],
}

impl CatalogTool {
    /// Its definition as JSON text.
    pub fn text(&self, revision: Revision) -> &str {
        &self.texts[revision.index()]
    }
}

/// A snapshot: made once at start and at each reload, never changed.
pub struct Catalog {
    /// By name, in order.
    tools: Vec<Arc<CatalogTool>>,
    by_name: HashMap<String, usize>,
    by_plan: HashMap<PlanName, Arc<Visible>>,
    narrowed: Cache<(PlanName, Vec<ToolPattern>), Arc<Visible>>,
    page_size: usize,
}

/// A tool whose schema cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("tool `{tool}`: {fault}")]
pub struct CatalogError {
    /// Its name.
    pub tool: String,
    /// What is wrong with its schema.
    pub fault: SchemaFault,
}

impl Catalog {
    /// Orders the tools by name and makes every text that lists them.
    pub fn build(
        mut bound: Vec<BoundTool>,
        plans: &HashMap<PlanName, Vec<ToolPattern>>,
        page_size: usize,
    ) -> Result<Self, CatalogError> {
        bound.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        let tools = bound
            .into_iter()
            .enumerate()
            .map(|(index, bound)| tool(index, bound));
        let tools: Vec<_> = tools.collect::<Result<_, _>>()?;
        let by_name = tools
            .iter()
            .map(|t| (t.bound.definition.name.as_str().to_owned(), t.index))
            .collect();
        let by_plan = plans
            .iter()
            .map(|(plan, patterns)| {
                let visible = Visible::new(&tools, page_size, |tool| covers(patterns, tool));
                (plan.clone(), Arc::new(visible))
            })
            .collect();
        Ok(Self {
            tools,
            by_name,
            by_plan,
            narrowed: Cache::new(MAX_NARROWED),
            page_size,
        })
    }

    /// The tool of this name, whoever asks.
    pub fn find(&self, name: &str) -> Option<&Arc<CatalogTool>> {
        self.by_name
            .get(name)
            .and_then(|index| self.tools.get(*index))
    }

    /// The tool of this name, if the license may use it. Unknown and not entitled are one answer.
    pub fn resolve(&self, license: &License, name: &str) -> Option<&Arc<CatalogTool>> {
        let tool = self.find(name)?;
        self.visible(license)?.contains(tool.index).then_some(tool)
    }

    /// What the license may use; nothing when its plan is not in the configuration.
    pub fn visible(&self, license: &License) -> Option<Arc<Visible>> {
        let plan = self.by_plan.get(&license.plan)?;
        let Some(patterns) = &license.tools else {
            return Some(Arc::clone(plan));
        };
        let key = (license.plan.clone(), patterns.clone());
        if let Some(narrowed) = self.narrowed.get(&key) {
            return Some(narrowed);
        }
        let narrowed = Arc::new(Visible::new(&self.tools, self.page_size, |tool| {
            plan.contains(tool.index) && covers(patterns, tool)
        }));
        self.narrowed.insert(key, Arc::clone(&narrowed));
        Some(narrowed)
    }

    /// All tools, by name.
    pub fn tools(&self) -> &[Arc<CatalogTool>] {
        &self.tools
    }
}

fn covers(patterns: &[ToolPattern], tool: &CatalogTool) -> bool {
    let (site, name) = (&tool.bound.site.name, &tool.bound.definition.name);
    patterns.iter().any(|pattern| pattern.covers(site, name))
}

fn tool(index: usize, bound: BoundTool) -> Result<Arc<CatalogTool>, CatalogError> {
    let definition = &bound.definition;
    let input = InputSchema::compile(&definition.input).map_err(|fault| CatalogError {
        tool: definition.name.to_string(),
        fault,
    })?;
    let text = ToolText {
        name: definition.name.as_str(),
        title: definition.title.as_deref(),
        description: &definition.description,
        input: &definition.input,
        output: definition.output.as_ref(),
        effect: match (definition.read_only, definition.repeat) {
            (ReadOnly::Yes, _) => Effect::Reads,
            (ReadOnly::No, Repeat::Idempotent) => Effect::ChangesIdempotently,
            (ReadOnly::No, Repeat::Unsafe) => Effect::Changes,
        },
    };
    let mut texts: [String; 4] = Default::default();
    for revision in Revision::ALL {
        texts[revision.index()] = text.render(revision);
    }
    Ok(Arc::new(CatalogTool {
        index,
        bound,
        input,
        texts,
    }))
}
