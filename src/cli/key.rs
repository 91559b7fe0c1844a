//! `wicketgate key …`: master keys and the data keys under them. Shows no key but a new one.

pub mod destroy;
pub mod faults;
pub mod generate;
pub mod progress;
pub mod rewrap;
pub mod rotate;
pub mod status;
pub mod verify;

use clap::Subcommand;

pub use self::generate::key_file_text;
use super::{failure::Failure, open::Desk};

/// Make, rotate, check and destroy keys, while gateways run
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    Generate(generate::GenerateArgs),
    Status(status::StatusArgs),
    Rotate(rotate::RotateArgs),
    Rewrap(rewrap::RewrapArgs),
    Verify(verify::VerifyArgs),
    Destroy(destroy::DestroyArgs),
}

/// Runs the command.
pub async fn run(desk: &Desk, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Generate(args) => generate::run(desk, &args),
        KeyCommand::Status(args) => status::run(desk, args).await,
        KeyCommand::Rotate(args) => rotate::run(desk, args).await,
        KeyCommand::Rewrap(args) => rewrap::run(desk, args).await,
        KeyCommand::Verify(args) => verify::run(desk, args).await,
        KeyCommand::Destroy(args) => destroy::run(desk, args).await,
    }
}
