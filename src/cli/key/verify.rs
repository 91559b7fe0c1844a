//! `wicketgate key verify`: opens everything that is sealed and names what does not open.

use clap::Args;
use serde_json::json;

use super::{faults, progress::Speaker};
use crate::cli::{failure::Failure, open::Desk, output};

/// Open every sealed row and name each that does not open; ends with 1 if there is one
#[derive(Debug, Args)]
pub struct VerifyArgs {}

/// Runs the command.
pub async fn run(desk: &Desk, _: VerifyArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let speaker = Speaker::new(desk);
    let verified = opened
        .vault
        .verify(&|progress| speaker.hear(progress))
        .await?;
    let counts = [
        ("root secrets", verified.root_secrets),
        ("canaries", verified.canaries),
        ("data keys", verified.data_keys),
        ("credentials", verified.credentials),
        ("revocations", verified.revocations),
    ];
    let rows = counts.map(|(what, count)| [what.to_owned(), count.to_string()]);
    desk.output.show(
        &json!({ "root_secrets": verified.root_secrets, "canaries": verified.canaries,
            "data_keys": verified.data_keys, "credentials": verified.credentials,
            "revocations": verified.revocations, "faults": faults::machine(&verified.faults) }),
        format_args!(
            "{}{}",
            faults::table(&verified.faults),
            output::table(["opens", "rows"], rows)
        ),
    );
    faults::outcome(&verified.faults)
}
