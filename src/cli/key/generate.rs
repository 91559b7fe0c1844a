//! `wicketgate key generate`: a new master key, on stdout or in a new file with mode 0600.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{
    cli::{failure::Failure, new_file, open::Desk},
    crypto::generate_master_key_text,
    secret::{Secret, SecretString},
};

/// Make a master key; then name it first in `keys:` of the configuration
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Write it to this new file (mode 0600) instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(desk: &Desk, args: &GenerateArgs) -> Result<(), Failure> {
    let key = new_master_key(desk);
    match &args.out {
        Some(path) => {
            new_file::create(path, 0o600, &format!("{}\n", key.expose()))?;
            desk.output.show(
                &json!({ "file": path }),
                format_args!("wrote {}", path.display()),
            );
        }
        None => desk
            .output
            .show(&json!({ "key": key.expose() }), key.expose()),
    }
    Ok(())
}

/// The text of a key file: the key and a newline.
pub fn key_file_text(desk: &Desk) -> SecretString {
    let key = new_master_key(desk);
    Secret::new(format!("{}\n", key.expose()))
}

fn new_master_key(desk: &Desk) -> SecretString {
    generate_master_key_text(&*desk.entropy)
}
