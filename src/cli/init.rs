//! `wicketgate init`: a safe, commented configuration and a master key. Never overwrites anything.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{
    failure::Failure,
    key,
    new_file::{self, cannot, exists},
    open::{Desk, Named},
};

/// What is written.
const EXAMPLE: &str = include_str!("init/wicketgate.yaml");

/// Write a configuration to start from and a master key
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where; made when it is not there. Left out: beside the configuration file
    directory: Option<PathBuf>,
}

/// Runs the command.
pub fn run(desk: &Desk, args: &InitArgs) -> Result<(), Failure> {
    let config = match (&args.directory, desk.named) {
        (Some(_), Named::OnCommandLine) => {
            return Err(
                Failure::usage("both a directory and --config say where the file goes")
                    .fix("keep one of them"),
            );
        }
        (Some(directory), _) if directory != Path::new(".") => directory.join("wicketgate.yaml"),
        (Some(_), _) => PathBuf::from("wicketgate.yaml"),
        (None, _) => desk.config.clone(),
    };
    let folder = config.parent().unwrap_or(Path::new(""));
    let data = folder.join("data");
    let key_file = data.join("master.key");
    // Look first, so that a refusal leaves nothing behind; `create_new` still decides.
    for file in [&config, &key_file] {
        if file.symlink_metadata().is_ok() {
            return Err(exists(file));
        }
    }
    if folder != Path::new("") {
        fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    }
    if !data.is_dir() {
        DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .map_err(|error| cannot(&data, &error))?;
    }
    let key = key::key_file_text(desk);
    new_file::create(&key_file, 0o600, key.expose())?;
    new_file::create(&config, 0o644, EXAMPLE)?;

    let found_without = args.directory.is_none() && desk.named != Named::OnCommandLine;
    let option = if found_without || config == Path::new("wicketgate.yaml") {
        String::new()
    } else {
        format!(" -c {}", config.display())
    };
    let next = [
        format!("wicketgate{option} credential set example"),
        format!("wicketgate{option} license issue --name \"First customer\" --plan starter"),
        format!("wicketgate{option} serve"),
    ];
    desk.output.show(
        &json!({ "config": config, "master_key": key_file, "next": next }),
        format_args!(
            "wrote {}\nwrote {} (keep a copy apart from the database)\n\n\
             Put your API into the configuration, `wicketgate{option} check` it, then:\n  {}",
            config.display(),
            key_file.display(),
            next.join("\n  "),
        ),
    );
    Ok(())
}
