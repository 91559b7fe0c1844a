//! What types cannot say about a configuration: cross references, dangerous combinations, missing
//! secrets. Collects everything; changes nothing.

mod auth;
mod base_url;
mod branding;
mod credential;
mod gateway;
mod header;
mod issuer;
mod keys;
mod once;
mod provider;
mod request;
mod scopes;
mod tool;
mod upstream;

use std::path::Path;

use super::{
    Config, Environment, SecretSource,
    findings::{Findings, Source, Spot},
    secrets::resolve_secret,
};
use crate::schema::text::is_deceptive;

/// Was the whole configuration read, or were parts left out because of their shape?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    Whole,
    Parts,
}

/// What the checks need besides the configuration.
pub(super) struct Scope<'a> {
    pub(super) main: &'a Source,
    /// Which file each upstream stands in.
    pub(super) homes: &'a [(String, &'a Source)],
    pub(super) base_dir: &'a Path,
    pub(super) environment: &'a Environment,
    pub(super) coverage: Coverage,
}

/// Adds everything that is wrong with the configuration.
pub(super) fn config(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    gateway::check(config, scope, findings);
    auth::check(config, scope, findings);
    branding::check(config, scope, findings);
    provider::check_all(config, scope, findings);
    upstream::check_all(config, scope, findings);
}

fn secret(source: &SecretSource, at: &Spot<'_>, scope: &Scope<'_>, findings: &mut Findings) {
    if let Err(error) = resolve_secret(source, scope.base_dir, scope.environment) {
        let fix = match source {
            SecretSource::Env(_) => "set it, or use `{ file: PATH }`",
            SecretSource::File(_) => "create the file, readable by the gateway's user",
        };
        findings.error(at, error.to_string(), fix);
    }
}

/// Text that people and models read: no hidden characters.
fn visible(text: &str, at: &Spot<'_>, findings: &mut Findings) {
    let hidden: Vec<String> = text
        .chars()
        .filter(|c| is_deceptive(*c) && *c != '\n' && *c != '\t')
        .take(3)
        .map(|c| format!("U+{:04X}", u32::from(c)))
        .collect();
    if !hidden.is_empty() {
        findings.error(
            at,
            format!(
                "holds characters that cannot be seen: {}",
                hidden.join(", ")
            ),
            "remove them",
        );
    }
}
