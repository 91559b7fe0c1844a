//! The real binary: what it prints, where, with which exit code, and what it never prints.

mod clients;
mod config;
mod connections;
mod credentials;
mod demo;
mod help;
mod keys;
mod licenses;
mod reference;
mod serving;
mod sessions;
mod start;
mod tools;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A directory to run in, and nothing of the environment.
pub(crate) struct Place {
    dir: TempDir,
}

/// How one run ended.
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Place {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A directory in which `init` has run.
    pub(crate) fn initialised() -> Self {
        let place = Self::empty();
        place.run("init").done();
        place
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces text in its configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("wicketgate.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// Runs a command line; words are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(&line.split(' ').collect::<Vec<_>>(), "")
    }

    /// Runs with these arguments and this standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_as(arguments, &[], input)
    }

    /// The same with this environment.
    pub(crate) fn run_as(
        &self,
        arguments: &[&str],
        environment: &[(String, String)],
        input: &str,
    ) -> Ran {
        run_in(self.dir.path(), arguments, environment, input)
    }

    /// Every byte in every file below the directory, for searches.
    pub(crate) fn all_bytes(&self) -> Vec<u8> {
        fn collect(dir: &Path, bytes: &mut Vec<u8>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, bytes);
                } else {
                    bytes.extend(fs::read(path).unwrap());
                }
            }
        }
        let mut bytes = Vec::new();
        collect(self.dir.path(), &mut bytes);
        bytes
    }
}

impl Ran {
    /// The run, which must have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// The run, which must have ended with this code and printed no data.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        assert_eq!(self.out, "");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// `error` of the JSON on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {}", self.err));
        value["error"].clone()
    }

    /// Does either stream hold this text?
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.out.contains(text) || self.err.contains(text)
    }
}

fn run_in(dir: &Path, arguments: &[&str], environment: &[(String, String)], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wicketgate"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may have closed the pipe already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
