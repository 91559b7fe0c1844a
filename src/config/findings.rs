//! Collecting problems while going over a configuration, so that all come at once.

use std::path::PathBuf;

use super::{
    problem::{Problem, Severity},
    tree::{Place, Tree},
};

/// A file that was read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) tree: Tree,
}

/// A place in one of the files.
#[derive(Debug, Clone)]
pub(super) struct Spot<'a> {
    pub(super) source: &'a Source,
    pub(super) place: Place,
}

impl<'a> Spot<'a> {
    pub(super) const fn root(source: &'a Source) -> Self {
        Self {
            source,
            place: Place(Vec::new()),
        }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        Self {
            source: self.source,
            place: self.place.key(key),
        }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self {
            source: self.source,
            place: self.place.index(index),
        }
    }

    /// A JSON Pointer below this spot.
    pub(super) fn pointer(&self, pointer: &str) -> Self {
        let mut whole = String::new();
        for step in &self.place.0 {
            match step {
                super::tree::Step::Key(key) => {
                    whole.push('/');
                    whole.push_str(&crate::schema::limits::escape(key));
                }
                super::tree::Step::Index(index) => {
                    whole.push('/');
                    whole.push_str(&index.to_string());
                }
            }
        }
        whole.push_str(pointer);
        Self {
            source: self.source,
            place: self.source.tree.place(&whole),
        }
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Problem>);

impl Findings {
    pub(super) fn error(
        &mut self,
        at: &Spot<'_>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Error, at, message.into(), fix.into());
    }

    pub(super) fn warning(
        &mut self,
        at: &Spot<'_>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Warning, at, message.into(), fix.into());
    }

    fn add(&mut self, severity: Severity, at: &Spot<'_>, message: String, fix: String) {
        self.0.push(Problem {
            severity,
            file: at.source.path.clone(),
            line: Some(at.source.tree.line(&at.place)),
            path: at.place.to_string(),
            message,
            fix,
        });
    }

    /// A file, or a value from outside all files.
    pub(super) fn whole(
        &mut self,
        file: &std::path::Path,
        line: Option<u32>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            line,
            path: String::new(),
            message: message.into(),
            fix: fix.into(),
        });
    }
}
