//! What is wrong with a configuration: where, what, and how to mend it.

use std::{fmt, path::PathBuf};

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing starts with this.
    Error,
    /// It works, but is likely not what was meant.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none when it concerns the file as a whole.
    pub line: Option<u32>,
    /// The place inside, dotted: `upstreams.crm.rest.tools[0].input`.
    pub path: String,
    /// What is wrong. Never repeats a value that may be a secret.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}\n  fix: {}", self.message, self.fix)
    }
}

/// A configuration that nothing starts with; holds every finding, never none.
#[derive(Debug, Clone, thiserror::Error)]
pub struct ConfigError {
    /// All of them, in file order.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
