//! The command line: what can be typed, and which file does it. Decides nothing itself.

pub mod bound;
pub mod check;
pub mod client;
pub mod completions;
pub mod config;
pub mod connection;
pub mod credential;
pub mod demo;
pub mod doctor;
pub mod failure;
pub mod health;
pub mod init;
pub mod key;
pub mod license;
pub mod loopback;
pub mod master_keys;
pub mod migrate;
pub mod new_file;
pub mod open;
pub mod output;
pub mod process;
pub mod reload;
pub mod replicas;
pub mod scope;
pub mod seal;
pub mod sealed;
pub mod serve;
pub mod session;
pub mod tool;
pub mod typed;
pub mod usage;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use self::{
    failure::Failure,
    open::Desk,
    output::{Format, Output},
};

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   failed
  2   the command line was not understood
  78  the configuration is wrong

Data goes to standard output, everything else to standard error.";

/// Options that every command takes.
const EVERYWHERE: &str = "Everywhere";

/// A standalone remote MCP gateway: license key in, upstream API call out, credentials never leave
/// the server.
#[derive(Debug, Parser)]
#[command(name = "wicketgate", version, about, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file. Default: the one `WICKETGATE_CONFIG` names, else `wicketgate.yaml`
    #[arg(short, long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,

    /// Print one JSON document instead of text for people
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Serve(serve::ServeArgs),
    Reload(reload::ReloadArgs),
    Replicas(replicas::ReplicasArgs),
    Demo(demo::DemoArgs),
    Migrate(migrate::MigrateArgs),
    #[command(subcommand)]
    License(license::LicenseCommand),
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    #[command(subcommand)]
    Session(session::SessionCommand),
    #[command(subcommand)]
    Client(client::ClientCommand),
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Seal(seal::SealArgs),
    Unseal(seal::UnsealArgs),
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Completions(completions::CompletionsArgs),
    Health(health::HealthArgs),
    Doctor(doctor::DoctorArgs),
}

/// The whole command line, for its documentation.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the program with these arguments, the program's name first.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments),
    };
    let format = if cli.json {
        Format::Json
    } else {
        Format::Human
    };
    let desk = Desk::new(Output::new(format), cli.config);
    match dispatch(&desk, cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            desk.output.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

async fn dispatch(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(desk, &args),
        Command::Check(args) => check::run(desk, &args),
        Command::Serve(args) => serve::run(desk, &args).await,
        Command::Reload(args) => reload::run(desk, &args).await,
        Command::Replicas(args) => replicas::run(desk, &args).await,
        Command::Demo(args) => demo::run(desk, &args).await,
        Command::Migrate(args) => migrate::run(desk, &args).await,
        Command::License(command) => license::run(desk, command).await,
        Command::Usage(command) => usage::run(desk, command).await,
        Command::Session(command) => session::run(desk, command).await,
        Command::Client(command) => client::run(desk, command).await,
        Command::Credential(command) => credential::run(desk, command).await,
        Command::Key(command) => key::run(desk, command).await,
        Command::Seal(args) => seal::seal(desk, args).await,
        Command::Unseal(args) => seal::unseal(desk, args).await,
        Command::Scope(command) => scope::run(desk, command).await,
        Command::Connection(command) => connection::run(desk, command).await,
        Command::Tool(command) => tool::run(desk, command).await,
        Command::Config(command) => config::run(desk, &command),
        Command::Completions(args) => completions::run(&args, command_line()),
        Command::Health(args) => health::run(desk, args).await,
        Command::Doctor(args) => doctor::run(desk, args).await,
    }
}

/// Help and version are data; anything else is a usage error.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // Help cut short by `| head` is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let format = if has("--json") {
        Format::Json
    } else {
        Format::Human
    };
    let output = Output::new(format);
    // The argument that is too much may be the secret itself: it is not repeated.
    let secret = error.kind() == ErrorKind::UnknownArgument && has("credential") && has("set");
    let failure = if secret {
        Failure::usage("`credential set` takes one argument, the upstream; the secret is never one")
            .fix("pipe the secret: wicketgate credential set UPSTREAM < secret.txt")
    } else if format == Format::Human {
        let _ = error.print();
        return ExitCode::from(failure::Exit::Usage.code());
    } else {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default();
        Failure::usage(message.trim_start_matches("error: ")).fix("see `wicketgate --help`")
    };
    output.failure(&failure);
    ExitCode::from(failure.exit.code())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap();
        for line in [
            "wicketgate -c a.yaml --json license list",
            "wicketgate license -c a.yaml list --json",
            "wicketgate license list --json -c a.yaml",
        ] {
            let cli = parse(line);
            assert_eq!(cli.config, Some(PathBuf::from("a.yaml")), "{line}");
            assert!(cli.json, "{line}");
        }
    }
}
