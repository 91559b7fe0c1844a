//! How a command fails: what went wrong, what to do, and the exit code. Holds no secret.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    config::{ConfigError, Problem},
    store::StoreError,
};

/// The documented exit codes besides 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command was understood and did not succeed.
    Failed,
    /// The command was not understood.
    Usage,
    /// The configuration is wrong (`EX_CONFIG` of sysexits).
    BadConfiguration,
}

impl Exit {
    /// The number the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::BadConfiguration => 78,
        }
    }

    /// The word in `--json` errors.
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::BadConfiguration => "bad_configuration",
        }
    }
}

/// Why a command did not succeed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong; one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Findings in the configuration, when that is what is wrong.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// The command was understood and did not succeed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command was not understood.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The configuration is wrong.
    pub fn bad_configuration(message: impl fmt::Display) -> Self {
        Self::new(Exit::BadConfiguration, message)
    }

    /// The same with a hint.
    #[must_use]
    pub fn fix(mut self, fix: impl fmt::Display) -> Self {
        self.fix = Some(fix.to_string());
        self
    }

    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            fix: None,
            problems: Vec::new(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let count = error.problems.len();
        let finding = if count == 1 { "finding" } else { "findings" };
        Self {
            problems: error.problems,
            ..Self::bad_configuration(format_args!("bad configuration: {count} {finding}"))
        }
    }
}

impl Serialize for Failure {
    /// `{ "code", "message", "fix"?, "problems"? }`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.exit.word())?;
        map.serialize_entry("message", &self.message)?;
        if let Some(fix) = &self.fix {
            map.serialize_entry("fix", fix)?;
        }
        if !self.problems.is_empty() {
            map.serialize_entry("problems", &self.problems)?;
        }
        map.end()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let fix = match &error {
            StoreError::SchemaTooNew { .. } => "use the newer `wicketgate` that migrated it",
            StoreError::Unavailable(_) => "is the database running, and reachable from here?",
            StoreError::Conflict => "somebody else changed it meanwhile: try again",
            StoreError::Target(_) => "see `store:` in `wicketgate config reference`",
            StoreError::Corrupt(_) | StoreError::Refused(_) => "restore a backup of the database",
        };
        Self::failed(error).fix(fix)
    }
}
