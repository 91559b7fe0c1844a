//! `wicketgate check`: every finding in the configuration and its tool schemas at once.

use clap::Args;
use serde_json::json;

use super::{bound, failure::Failure, open::Desk, output};

/// Check the configuration and the tool schemas; reports every finding with its line and a fix
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

/// Runs the command.
pub fn run(desk: &Desk, args: &CheckArgs) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let faults = bound::faults(desk, &loaded.config);
    if !faults.is_empty() {
        return Err(
            Failure::bad_configuration(faults.join("; ")).fix("see `wicketgate config reference`")
        );
    }
    // What `serve` would refuse: a key file that others can read, or that holds no key.
    desk.keyring(&loaded.config)?;
    let warnings = &loaded.warnings;
    if args.strict && !warnings.is_empty() {
        let mut failure = Failure::bad_configuration(format_args!(
            "{} in {} and --strict",
            plural(warnings.len(), "warning"),
            desk.config.display(),
        ));
        failure.problems.clone_from(warnings);
        return Err(failure);
    }
    for warning in warnings {
        desk.output.note(output::finding(warning));
    }
    let config = &loaded.config;
    let tools: usize = config
        .upstreams
        .values()
        .filter_map(|upstream| upstream.rest.as_ref())
        .map(|rest| rest.tools.len())
        .sum();
    desk.output.show(
        &json!({
            "ok": true,
            "config": desk.config,
            "connector_url": config.connector_url(),
            "upstreams": config.upstreams.len(),
            "tools": tools,
            "plans": config.plans.len(),
            "problems": warnings,
        }),
        format_args!(
            "{}: ok ({}, {}, {}{})",
            desk.config.display(),
            plural(config.upstreams.len(), "upstream"),
            plural(tools, "tool"),
            plural(config.plans.len(), "plan"),
            if warnings.is_empty() {
                String::new()
            } else {
                format!("; {}", plural(warnings.len(), "warning"))
            },
        ),
    );
    Ok(())
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
