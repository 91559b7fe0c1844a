//! The only place that prints. Data goes to stdout, everything else to stderr; what is printed is
//! either made for people or one JSON document. Never styles what is not going to a terminal.

use std::{fmt, io::Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::json;

use super::failure::Failure;
use crate::config::{Problem, Severity};

/// Who reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// People.
    Human,
    /// Programs: one JSON document.
    Json,
}

/// Prints for one command.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

/// Blanks between columns.
const PADDING: u16 = 2;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FIX: Style = AnsiColor::Green.on_default();

impl Output {
    /// Prints in this form.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Who reads.
    pub const fn format(self) -> Format {
        self.format
    }

    /// The result of the command: `machine` as JSON, or `human` as text.
    pub fn show(self, machine: &impl Serialize, human: impl fmt::Display) {
        match self.format {
            Format::Human => out(format_args!("{human}")),
            Format::Json => match serde_json::to_string_pretty(machine) {
                Ok(text) => out(format_args!("{text}")),
                Err(_) => err(format_args!(
                    "{ERROR}error:{ERROR:#} not representable as JSON"
                )),
            },
        }
    }

    /// Something a person may want to know; never data. Silent for programs.
    pub fn note(self, text: impl fmt::Display) {
        if self.format == Format::Human {
            err(format_args!("{text}"));
        }
    }

    /// Why the command did not succeed.
    pub fn failure(self, failure: &Failure) {
        match self.format {
            Format::Human => {
                for problem in &failure.problems {
                    err(format_args!("{}", finding(problem)));
                }
                err(format_args!(
                    "{ERROR}error:{ERROR:#} {}",
                    plain(&failure.message)
                ));
                if let Some(fix) = &failure.fix {
                    err(format_args!("{FIX}  fix:{FIX:#} {}", plain(fix)));
                }
            }
            Format::Json => err(format_args!("{}", json!({ "error": failure }))),
        }
    }
}

/// A command's data that is a document of its own, the same for people and programs.
pub fn document(text: &str) {
    out(format_args!("{}", text.trim_end_matches('\n')));
}

/// One finding in the configuration, as people read it.
pub fn finding(problem: &Problem) -> String {
    let (style, word) = match problem.severity {
        Severity::Error => (ERROR, "error"),
        Severity::Warning => (WARNING, "warning"),
    };
    let line = problem
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let path = if problem.path.is_empty() {
        String::new()
    } else {
        format!("{}: ", plain(&problem.path))
    };
    format!(
        "{style}{word}:{style:#} {}{line}: {path}{}\n{FIX}  fix:{FIX:#} {}",
        problem.file.display(),
        plain(&problem.message),
        plain(&problem.fix),
    )
}

/// A table with a head and no frame, as wide as the terminal where its words allow that.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    arranged(Some(head), rows, terminal_width())
}

/// Names and their values, one pair a line.
pub fn pairs(rows: impl IntoIterator<Item = [String; 2]>) -> String {
    arranged(None, rows, terminal_width())
}

fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size().map(|(width, _)| width.0)
}

fn arranged<const N: usize>(
    head: Option<[&str; N]>,
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    let mut longest = [0; N];
    let mut measured = |cells: [String; N]| {
        for (longest, cell) in longest.iter_mut().zip(&cells) {
            let words = cell.split_whitespace().map(|word| word.chars().count());
            *longest = words.fold(*longest, usize::max);
        }
        cells
    };
    if let Some(head) = head {
        table.set_header(measured(head.map(str::to_uppercase)));
    }
    for row in rows {
        table.add_row(measured(row.map(|cell| plain(&cell))));
    }
    for (column, longest) in table.column_iter_mut().zip(longest) {
        column.set_padding((0, PADDING));
        // A word is never broken: an id that spans lines cannot be copied.
        let least = u16::try_from(longest).unwrap_or(u16::MAX);
        let least = Width::Fixed(least.saturating_add(PADDING));
        column.set_constraint(ColumnConstraint::LowerBoundary(least));
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// How a word is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As any other.
    Plain,
    /// This is what to do.
    Good,
    /// This may be wrong.
    Doubtful,
    /// This is wrong.
    Bad,
}

/// A word in its tone; the styling ends up on terminals only.
pub fn toned(tone: Tone, word: &str) -> String {
    let word = plain(word);
    let style = match tone {
        Tone::Plain => return word,
        Tone::Good => FIX,
        Tone::Doubtful => WARNING,
        Tone::Bad => ERROR,
    };
    format!("{style}{word}{style:#}")
}

/// Text from elsewhere without the characters that steer a terminal.
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// A reader that went away (`| head`) is no reason to fail, and nobody is left to be told.
fn out(text: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

fn err(text: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[31mb\u{202e}c\nd"),
            "a\u{fffd}[31mb\u{fffd}c\nd"
        );
    }

    #[test]
    fn a_narrow_terminal_breaks_between_words_only() {
        let rows = || {
            [[
                "lic_06h0advx39xjv10yw4w7zgmshw".to_owned(),
                "First customer".to_owned(),
            ]]
        };
        let narrow = arranged(Some(["id", "name"]), rows(), Some(20));
        assert_eq!(
            narrow,
            "ID                              NAME\n\
             lic_06h0advx39xjv10yw4w7zgmshw  First\n                                customer"
        );
        assert_eq!(
            arranged(None, rows(), Some(80)),
            "lic_06h0advx39xjv10yw4w7zgmshw  First customer"
        );
    }

    #[test]
    fn a_table_has_a_head_and_no_frame() {
        let table = table(
            ["id", "name"],
            [["lic_1".to_owned(), "Acme\u{7}".to_owned()]],
        );
        assert_eq!(table, "ID     NAME\nlic_1  Acme\u{fffd}");
    }
}
