//! `wicketgate completions SHELL`: a completion script on stdout.

use clap::{Args, Command};
use clap_complete::Shell;

use super::{failure::Failure, output};

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command; `program` is the whole command line.
pub fn run(args: &CompletionsArgs, mut program: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "wicketgate", &mut script);
    let script = String::from_utf8(script).map_err(Failure::failed)?;
    output::document(&script);
    Ok(())
}
