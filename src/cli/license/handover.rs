//! A new key on its way to the operator: shown once, or written once to a closed file.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::recipes::Connector;
use crate::{
    cli::{failure::Failure, new_file},
    clock::Timestamp,
    crypto::{LicenseKey, Pepper},
    store::KeyRecord,
};

/// Where a new key goes.
#[derive(Debug, Args)]
pub struct Handover {
    /// Write the key to this new file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Handover {
    /// Writes the key to the file, if it goes to one. Before the store knows the key: a file that
    /// cannot be made must not leave a license whose key nobody has.
    pub fn prepare(&self, key: &LicenseKey) -> Result<(), Failure> {
        match &self.key_file {
            Some(path) => new_file::create(path, 0o600, &format!("{}\n", key.expose())),
            None => Ok(()),
        }
    }

    /// Removes the file again: the store refused the key, which is worth nothing now.
    pub fn take_back(&self) {
        if let Some(path) = &self.key_file {
            // It stays behind at worst, with a key that opens nothing.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The key for `--json`: itself, or the file it is in.
    pub fn json(&self, key: &LicenseKey) -> (&'static str, Value) {
        match &self.key_file {
            Some(path) => ("key_file", json!(path)),
            None => ("key", json!(key.expose())),
        }
    }

    /// The key for people, and what a customer pastes.
    pub fn text(&self, key: &LicenseKey, connector: &Connector) -> String {
        let (line, shown) = match &self.key_file {
            Some(path) => (
                format!("license key   in {}", path.display()),
                "LICENSE_KEY",
            ),
            None => (
                format!(
                    "license key   {}   (shown this once: only its digest is kept)",
                    key.expose()
                ),
                key.expose(),
            ),
        };
        format!("{line}\n{}", connector.handed_over(shown))
    }
}

/// The key as the store keeps it.
pub fn key_record(key: &LicenseKey, pepper: &Pepper, now: Timestamp) -> KeyRecord {
    KeyRecord {
        digest: pepper.digest(key),
        hint: key.hint(),
        created: now,
        expires: None,
    }
}
