//! The rows that do not open, as a table and as the failure of a command.

use serde_json::{Value, json};

use crate::{
    cli::{failure::Failure, output},
    vault::Faults,
};

/// For programs.
pub fn machine(faults: &Faults) -> Value {
    json!({ "count": faults.count, "first": faults.first })
}

/// For people; nothing when all is well.
pub fn table(faults: &Faults) -> String {
    if faults.is_empty() {
        return String::new();
    }
    let rows = faults.first.iter().map(|fault| {
        [
            fault.table.to_owned(),
            fault.id.clone(),
            fault.reason.clone(),
        ]
    });
    let mut text = output::table(["table", "id", "does not open"], rows);
    let more = faults.count.saturating_sub(faults.first.len() as u64);
    if more > 0 {
        text += "\nand ";
        text += &more.to_string();
        text += " more";
    }
    text + "\n"
}

/// The end of a command that found some.
pub fn outcome(faults: &Faults) -> Result<(), Failure> {
    if faults.is_empty() {
        return Ok(());
    }
    let rows = if faults.count == 1 {
        "1 row does".to_owned()
    } else {
        format!("{} rows do", faults.count)
    };
    Err(Failure::failed(format_args!("{rows} not open"))
        .fix("restore them from a backup, or delete the credential and store it anew"))
}
