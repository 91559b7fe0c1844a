//! `wicketgate config …`: the configuration's schema, reference, an example, and what is in force.

pub mod show;

use clap::{Args, Subcommand};

use super::{failure::Failure, open::Desk, output};
use crate::config;

/// Every key, commented; tested to be without findings.
const EXAMPLE: &str = include_str!("../../config/wicketgate.example.yaml");

/// Explain and show the configuration
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    Schema(SchemaArgs),
    Reference(ReferenceArgs),
    Example(ExampleArgs),
    Show(show::ShowArgs),
}

/// Print the JSON Schema of the configuration, for editors
#[derive(Debug, Args)]
pub struct SchemaArgs {}

/// Print every key with its meaning and default, as Markdown
#[derive(Debug, Args)]
pub struct ReferenceArgs {}

/// Print a commented configuration with every key; `init` writes a smaller one
#[derive(Debug, Args)]
pub struct ExampleArgs {}

/// Runs the command.
pub fn run(desk: &Desk, command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Schema(_) => {
            let schema = config::config_schema();
            desk.output.show(&schema, format_args!("{schema:#}"));
        }
        ConfigCommand::Reference(_) => output::document(&config::config_reference()),
        ConfigCommand::Example(_) => output::document(EXAMPLE),
        ConfigCommand::Show(_) => show::run(desk)?,
    }
    Ok(())
}
