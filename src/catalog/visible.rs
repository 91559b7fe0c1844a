//! What one kind of license sees: a set for the call, ready pages for the list.

use std::sync::{Arc, OnceLock};

use super::CatalogTool;
use crate::mcp::Revision;

/// One page of `tools/list`: the inside of the array, and where the next page starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Definitions, separated by commas.
    pub tools: String,
    /// The position of the next page's first tool; none on the last page.
    pub next: Option<usize>,
}

/// The tools that a license may use, in the order of their names.
pub struct Visible {
    tools: Vec<Arc<CatalogTool>>,
    bits: Vec<u64>,
    page_size: usize,
    /// Made when first asked for, one list of pages a revision.
    pages: [OnceLock<Vec<Page>>; 4],
}

impl Visible {
    pub(super) fn new(
        all: &[Arc<CatalogTool>],
        page_size: usize,
        may_use: impl Fn(&CatalogTool) -> bool,
    ) -> Self {
        let mut bits = vec![0; all.len().div_ceil(64)];
        let tools: Vec<_> = all.iter().filter(|tool| may_use(tool)).cloned().collect();
        for tool in &tools {
            bits[tool.index / 64] |= 1_u64 << (tool.index % 64);
        }
        Self {
            tools,
            bits,
            page_size: page_size.max(1),
            pages: Default::default(),
        }
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.bits
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// The tools themselves.
    pub fn tools(&self) -> &[Arc<CatalogTool>] {
        &self.tools
    }

    /// The page that begins with the tool at `start`; none when no page begins there.
    pub fn page(&self, revision: Revision, start: usize) -> Option<&Page> {
        let pages = self.pages[revision.index()].get_or_init(|| self.render(revision));
        if start.is_multiple_of(self.page_size) {
            pages.get(start / self.page_size)
        } else {
            None
        }
    }

    fn render(&self, revision: Revision) -> Vec<Page> {
        let page = |(number, tools): (usize, &[Arc<CatalogTool>])| {
            let texts: Vec<&str> = tools.iter().map(|tool| tool.text(revision)).collect();
            let end = (number + 1) * self.page_size;
            Page {
                tools: texts.join(","),
                next: (end < self.tools.len()).then_some(end),
            }
        };
        if self.tools.is_empty() {
            return vec![Page {
                tools: String::new(),
                next: None,
            }];
        }
        self.tools
            .chunks(self.page_size)
            .enumerate()
            .map(page)
            .collect()
    }

    /// Do both show the same definitions in the same order?
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        let texts = |visible: &Self| {
            let newest = Revision::V2026_07_28;
            visible
                .tools
                .iter()
                .map(|tool| tool.text(newest).to_owned())
                .collect::<Vec<_>>()
        };
        self.tools.len() == other.tools.len() && texts(self) == texts(other)
    }
}
