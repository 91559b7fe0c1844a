//! `wicketgate doctor`: plays each client's real way to a connection against any gateway URL and
//! says who connects, or the exact fix. It ends the sessions it begins and calls no tool by itself.

pub mod calls;
pub mod challenge;
pub mod clients;
pub mod discovery;
pub mod findings;
pub mod first;
pub mod forms;
pub mod jar;
pub mod journey;
pub mod message;
pub mod play;
pub mod probe;
pub mod registration;
pub mod report;
pub mod server;
pub mod sign_in;
pub mod token_answer;
pub mod tokens;

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use url::Url;

use self::{
    clients::{ClientName, table::CLIENTS},
    findings::Check,
    play::{Play, Reached, ToolCall},
    probe::Web,
    report::{Outcome, Report},
};
use super::{failure::Failure, open::Desk, typed};
use crate::secret::{Secret, SecretString};

/// Play each client's way to a connection against a gateway URL, anybody's: one line a client, pass
/// or the exact fix
///
/// Without a license key it goes up to the sign-in page. With one it types the key there, lists the
/// tools, refreshes, refreshes twice at once, replays and revokes; what it signed in is signed out.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The connector URL, exactly as users paste it
    #[arg(value_name = "CONNECTOR-URL")]
    url: String,
    /// A file with a license key, to go through to tokens and a call
    #[arg(long, value_name = "FILE", conflicts_with = "license_key")]
    license_key_file: Option<PathBuf>,
    /// The same, `-` for standard input; a key written out is visible to other users of the machine
    #[arg(long, value_name = "KEY|-")]
    license_key: Option<String>,
    /// Only this client; may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    client: Vec<ClientName>,
    /// A tool to call once signed in, for each client; it is called for real
    #[arg(long, value_name = "TOOL")]
    tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool")]
    arguments: Option<String>,
}

/// Runs the command.
pub async fn run(desk: &Desk, args: DoctorArgs) -> Result<(), Failure> {
    let connector = Url::parse(&args.url).map_err(|error| {
        Failure::usage(format_args!("the connector URL is none: {error}"))
            .fix("such as https://gw.example.com/mcp")
    })?;
    if !connector.username().is_empty() || connector.password().is_some() {
        return Err(
            Failure::usage("the connector URL holds a user name or password")
                .fix("leave it out: clients are given the bare URL"),
        );
    }
    let web = Web::new(&connector)?;
    let call = call_of(args.tool, args.arguments.as_deref())?;
    let key = key_of(desk, args.license_key_file, args.license_key)?;
    if call.is_some() && key.is_none() {
        return Err(
            Failure::usage("--tool needs a license key").fix("name a file with --license-key-file")
        );
    }
    let wanted = |name| args.client.is_empty() || args.client.contains(&name);
    let mut clients = Vec::new();
    let mut key = key.as_ref();
    let signed_in = key.is_some();
    for profile in CLIENTS.iter().filter(|profile| wanted(profile.name)) {
        let mut play = Play {
            profile,
            web: &web,
            pasted: &args.url,
            connector: &connector,
            key,
            call: call.as_ref(),
            entropy: &*desk.entropy,
            reached: Reached::Start,
            findings: Vec::new(),
        };
        play.whole().await;
        let outcome = Outcome::new(profile.name, profile.title, play.reached, play.findings);
        if outcome.has(Check::KeyRefused) {
            // Typed again for each client, a wrong key would look like a search for one.
            key = None;
        }
        desk.output
            .note(format_args!("{}: {}", outcome.title, outcome.word()));
        clients.push(outcome);
    }
    desk.output.note("");
    let all = clients.len();
    let failing = clients.iter().filter(|outcome| !outcome.passed).count();
    let report = Report {
        connector: args.url,
        signed_in,
        passed: failing == 0,
        clients,
    };
    desk.output.show(&report, report.text());
    if failing == 0 {
        return Ok(());
    }
    Err(Failure::failed(format_args!(
        "{failing} of {all} clients do not connect"
    )))
}

fn call_of(tool: Option<String>, arguments: Option<&str>) -> Result<Option<ToolCall>, Failure> {
    let Some(name) = tool else {
        return Ok(None);
    };
    let text = arguments.unwrap_or("{}");
    match serde_json::from_str(text) {
        Ok(arguments @ Value::Object(_)) => Ok(Some(ToolCall { name, arguments })),
        _ => Err(Failure::usage("--arguments is not a JSON object")
            .fix("such as --arguments '{\"id\":\"7\"}'")),
    }
}

fn key_of(
    desk: &Desk,
    file: Option<PathBuf>,
    written: Option<String>,
) -> Result<Option<SecretString>, Failure> {
    match (file, written) {
        (Some(file), _) => typed::read_secret(Some(&file), "license key").map(Some),
        (None, Some(dash)) if dash == "-" => typed::read_secret(None, "license key").map(Some),
        (None, Some(key)) => {
            desk.output.note(
                "warning: a license key in the arguments is visible to other users of this \
                 machine and stays in the shell's history; use --license-key-file",
            );
            Ok(Some(Secret::new(key)))
        }
        (None, None) => Ok(None),
    }
}
