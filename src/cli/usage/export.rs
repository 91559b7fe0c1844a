//! `wicketgate usage export`: what each license did with each tool, by UTC day, for the invoice.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::csv;
use crate::{
    cli::{
        failure::Failure,
        license::select,
        new_file,
        open::Desk,
        output::{self, Format},
    },
    clock::Day,
    ids::LicenseId,
    store::{ListedUsage, UsageFilter},
};

/// Rows that are read at a time.
const PAGE: u32 = 1_000;

/// Export what licenses used: one row a license, tool and UTC day
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The first UTC day. Left out: the first of this month
    #[arg(long, value_name = "DATE")]
    from: Option<Day>,
    /// The last UTC day, included. Left out: today
    #[arg(long, value_name = "DATE")]
    to: Option<Day>,
    /// Only this license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// How it is written. Left out: CSV, or JSON with `--json`
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// A new file for it, readable by you alone. Left out: standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// RFC 4180, with a head.
    Csv,
    /// One array of objects.
    Json,
}

const HEAD: [&str; 9] = [
    "day", "license", "name", "plan", "tool", "answered", "failed", "refused", "cost",
];

/// One row of the report.
#[derive(Debug, Serialize)]
struct Row<'a> {
    day: String,
    license: LicenseId,
    name: &'a str,
    plan: &'a str,
    tool: &'a str,
    answered: u64,
    failed: u64,
    refused: u64,
    cost: u64,
}

impl<'a> Row<'a> {
    fn of(listed: &'a ListedUsage) -> Self {
        let usage = &listed.usage;
        Self {
            day: usage.day.to_string(),
            license: usage.license,
            name: &listed.name,
            plan: &listed.plan,
            tool: usage.tool.as_str(),
            answered: usage.answered,
            failed: usage.failed,
            refused: usage.refused,
            cost: usage.cost,
        }
    }

    fn csv(self) -> String {
        csv::line([
            self.day.into(),
            self.license.to_string().into(),
            self.name.into(),
            self.plan.into(),
            self.tool.into(),
            self.answered.to_string().into(),
            self.failed.to_string().into(),
            self.refused.to_string().into(),
            self.cost.to_string().into(),
        ])
    }
}

/// Where the report goes, piece by piece.
enum Sink {
    Shown,
    File(PathBuf, File),
}

impl Sink {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Shown => output::document(text),
            Self::File(path, file) => {
                let written = file.write_all(text.as_bytes());
                let written = written.and_then(|()| file.write_all(b"\n"));
                written.map_err(|error| broken(path, &error))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Shown => Ok(None),
            Self::File(path, file) => match file.sync_all() {
                Ok(()) => Ok(Some(path)),
                Err(error) => Err(broken(&path, &error)),
            },
        }
    }
}

fn broken(path: &std::path::Path, error: &io::Error) -> Failure {
    Failure::failed(format_args!("cannot write {}: {error}", path.display()))
}

/// Runs the command.
pub async fn run(desk: &Desk, args: ExportArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let today = desk.clock.now().day();
    let to = args.to.unwrap_or(today);
    let from = args.from.unwrap_or_else(|| to.month().first_day());
    if from > to {
        return Err(Failure::usage("--from is after --to"));
    }
    let license = match &args.license {
        Some(wanted) => Some(select::find(&opened.store, wanted).await?.id),
        None => None,
    };
    let form = args.format.unwrap_or(match desk.output.format() {
        Format::Human => Form::Csv,
        Format::Json => Form::Json,
    });
    let mut filter = UsageFilter {
        from,
        to,
        license,
        after: None,
        limit: PAGE,
    };
    let mut sink = match args.out {
        Some(path) => {
            let file = new_file::open(&path, 0o600)?;
            Sink::File(path, file)
        }
        None => Sink::Shown,
    };
    let path = match &sink {
        Sink::File(path, _) => Some(path.clone()),
        Sink::Shown => None,
    };
    let written = pages(&opened.store, &mut filter, form, &mut sink).await;
    let done = written.and_then(|rows| sink.finish().map(|path| (rows, path)));
    match done {
        Ok((rows, Some(path))) => {
            let said = format_args!("{rows} rows in {}", path.display()).to_string();
            desk.output
                .show(&serde_json::json!({ "rows": rows, "file": path }), said);
            Ok(())
        }
        Ok((_, None)) => Ok(()),
        Err(failure) => {
            // Half a report looks like a whole one.
            if let Some(path) = path {
                let _ = fs::remove_file(path);
            }
            Err(failure)
        }
    }
}

async fn pages(
    store: &crate::store::Store,
    filter: &mut UsageFilter,
    form: Form,
    sink: &mut Sink,
) -> Result<u64, Failure> {
    sink.put(&match form {
        Form::Csv => HEAD.join(","),
        Form::Json => "[".to_owned(),
    })?;
    let mut rows = 0;
    loop {
        let page = store.tool_usage(filter).await?;
        let Some(last) = page.last() else { break };
        let usage = &last.usage;
        filter.after = Some((usage.day, usage.license, usage.tool.clone()));
        let lines: Result<Vec<String>, Failure> = page
            .iter()
            .map(|listed| match form {
                Form::Csv => Ok(Row::of(listed).csv()),
                Form::Json => serde_json::to_string(&Row::of(listed))
                    .map_err(|_| Failure::failed("not representable as JSON")),
            })
            .collect();
        let (separator, first) = match form {
            Form::Csv => ("\n", ""),
            Form::Json => (",\n", if rows == 0 { "" } else { "," }),
        };
        sink.put(&format!("{first}{}", lines?.join(separator)))?;
        rows += u64::try_from(page.len()).unwrap_or(u64::MAX);
    }
    if form == Form::Json {
        sink.put("]")?;
    }
    Ok(rows)
}
