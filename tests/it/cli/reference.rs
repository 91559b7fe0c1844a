//! `docs/cli.md`: every command, written from the command line's own description.
//!
//! `WICKETGATE_REGENERATE=1 cargo test --test it reference` writes it.

use std::fmt::Write as _;

use clap::{Arg, Command};

const PREFACE: &str = "\
# The command line

Every command with its arguments. This page is generated from the program; `wicketgate help` and
`--help` after any command say the same.

Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 the
command line was not understood, 78 the configuration is wrong.

A license is named by its id, the beginning of its id, or its name. `NO_COLOR=1` turns colours off;
nothing is coloured that does not go to a terminal.
";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for the developer, not for the program"
)]
fn the_reference_of_the_command_line_is_up_to_date() {
    let mut program = wicketgate::cli::command_line();
    program.build();
    let mut wanted = format!("{PREFACE}\n## Everywhere\n\n");
    options(&mut wanted, program.get_arguments());
    for command in commands(&program) {
        describe(&mut wanted, command, "wicketgate", 2);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    if std::env::var("WICKETGATE_REGENERATE").is_ok() {
        std::fs::write(path, &wanted).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == wanted,
        "docs/cli.md is out of date: WICKETGATE_REGENERATE=1 cargo test --test it reference"
    );
}

fn commands(parent: &Command) -> impl Iterator<Item = &Command> {
    parent
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
}

fn describe(text: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let about = sentence(about.trim());
    write!(text, "\n{} `{name}`\n\n{about}\n", "#".repeat(level)).unwrap();
    let own = command.get_arguments().filter(|arg| !arg.is_global_set());
    let mut list = String::new();
    options(&mut list, own);
    if !list.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        write!(text, "\n```text\n{usage}\n```\n\n{list}").unwrap();
    }
    for inner in commands(command) {
        describe(text, inner, &name, level + 1);
    }
}

fn options<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    for argument in arguments.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
        let help = argument.get_help().map(ToString::to_string);
        let help = sentence(help.unwrap_or_default().trim());
        let default = argument.get_default_values();
        let default = match default
            .first()
            .filter(|_| argument.get_num_args().is_some_and(|n| n.takes_values()))
        {
            Some(value) => format!(" Default: `{}`.", value.to_string_lossy()),
            None => String::new(),
        };
        let values = argument.get_possible_values();
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let one_of = if values.len() > 2 && !help.contains(values[0].trim_matches('`')) {
            format!(" One of {}.", values.join(", "))
        } else {
            String::new()
        };
        let spelled = spelled(argument);
        writeln!(text, "- `{spelled}`: {help}{one_of}{default}").unwrap();
    }
}

fn spelled(argument: &Arg) -> String {
    let value = argument.get_value_names().and_then(|names| names.first());
    let takes = argument.get_action().takes_values();
    let value = value
        .filter(|_| takes)
        .map(ToString::to_string)
        .unwrap_or_default();
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("--{long} {value}"),
        _ => value,
    }
    .trim_end()
    .to_owned()
}

/// Each paragraph with a full stop, unless it has one.
fn sentence(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let end = if paragraph.is_empty() || paragraph.ends_with('.') {
            ""
        } else {
            "."
        };
        format!("{paragraph}{end}")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
