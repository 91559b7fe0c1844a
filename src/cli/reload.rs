//! `wicketgate reload`: every replica reads its configuration again, and says how that went.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{failure::Failure, open::Desk, output, replicas::short};
use crate::store::{ReplicaRecord, Store};

/// Pause between two looks at what replicas say.
const PAUSE: Duration = Duration::from_millis(200);

/// Have every running gateway read its configuration again
///
/// Each reads its own files, takes them over whole or not at all, and says so. Exit code 1 when one
/// refused or did not answer in time.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// How many seconds to wait for all of them; 0: only ask
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(0..=300))]
    wait: u64,
}

/// How one answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Reloaded,
    Refused,
    Silent,
}

impl Answer {
    const fn word(self) -> &'static str {
        match self {
            Self::Reloaded => "reloaded",
            Self::Refused => "refused",
            Self::Silent => "silent",
        }
    }

    const fn of(replica: &ReplicaRecord, number: u64) -> Self {
        if replica.reloaded < number {
            Self::Silent
        } else if replica.fault.is_some() {
            Self::Refused
        } else {
            Self::Reloaded
        }
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, args: &ReloadArgs) -> Result<(), Failure> {
    // The store's place and no more: what is wrong elsewhere in the file, each replica says.
    let loaded = desk.load()?;
    let store = desk.prepared(&loaded).await?;
    let number = store.ask_for_reload(&desk.stamp()).await?;
    if args.wait == 0 {
        store.close().await;
        desk.output.show(
            &json!({ "number": number }),
            "asked; `wicketgate replicas` shows how it went",
        );
        return Ok(());
    }
    let answers = answers(desk, &store, number, Duration::from_secs(args.wait)).await?;
    store.close().await;
    show(desk, number, &answers);
    let count = |answer| answers.iter().filter(|(_, it)| *it == answer).count();
    match (count(Answer::Refused), count(Answer::Silent)) {
        (0, 0) => Ok(()),
        (0, silent) => Err(Failure::failed(format_args!(
            "{silent} of {} replicas did not answer in time",
            answers.len()
        ))
        .fix("see `wicketgate replicas`, and the log of those")),
        (refused, _) => Err(Failure::failed(format_args!(
            "{refused} of {} replicas refused their configuration and serve the one before",
            answers.len()
        ))
        .fix("`wicketgate check` there tells every finding with its line")),
    }
}

/// What the living say, once all have answered or the time is over.
async fn answers(
    desk: &Desk,
    store: &Store,
    number: u64,
    patience: Duration,
) -> Result<Vec<(ReplicaRecord, Answer)>, Failure> {
    let began = desk.clock.monotonic();
    loop {
        let (replicas, now) = (store.replicas().await?, store.time(&*desk.clock).await?);
        let living = replicas.into_iter().filter(|it| it.is_living(now));
        let answers: Vec<_> = living
            .map(|it| {
                let answer = Answer::of(&it, number);
                (it, answer)
            })
            .collect();
        let waiting = answers.iter().any(|(_, it)| *it == Answer::Silent);
        if !waiting || desk.clock.monotonic().saturating_sub(began) >= patience {
            return Ok(answers);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn show(desk: &Desk, number: u64, answers: &[(ReplicaRecord, Answer)]) {
    let machine: Vec<Value> = answers
        .iter()
        .map(|(it, answer)| {
            json!({
                "id": it.id,
                "answer": answer.word(),
                "configuration": it.config,
                "fault": it.fault,
            })
        })
        .collect();
    let rows = answers.iter().map(|(it, answer)| {
        [
            it.id.to_string(),
            answer.word().to_owned(),
            short(&it.config).to_owned(),
            it.fault.clone().unwrap_or_default(),
        ]
    });
    let head = ["id", "answer", "configuration", "fault"];
    desk.output.show(
        &json!({ "number": number, "replicas": machine }),
        output::table(head, rows),
    );
    if answers.is_empty() {
        desk.output.note("no gateway uses this store now");
    }
}
