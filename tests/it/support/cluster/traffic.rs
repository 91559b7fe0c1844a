//! Callers that go on until they are told to stop, whatever happens on the way.

use std::{
    net::SocketAddr,
    ops::AddAssign,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{
    client::Client,
    wire::{Answer, Wire},
};

/// How calls ended. Every call that was sent is in exactly one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// With the upstream's answer.
    pub(crate) answered: u64,
    /// By the tier of a session.
    pub(crate) session: u64,
    /// By the minute of a license.
    pub(crate) minute: u64,
    /// By the day of a license.
    pub(crate) day: u64,
    /// With 503: a gateway's own, or the load balancer's when no gateway is ready.
    pub(crate) unavailable: u64,
    /// With 502 or 504 of the load balancer, or with nothing: the gateway went away.
    pub(crate) broken: u64,
    /// With anything else.
    pub(crate) other: u64,
    /// The slowest answer.
    pub(crate) slowest: Duration,
}

impl AddAssign for Ended {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.session += other.session;
        self.minute += other.minute;
        self.day += other.day;
        self.unavailable += other.unavailable;
        self.broken += other.broken;
        self.other += other.other;
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl Ended {
    /// How many were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.answered
            + self.session
            + self.minute
            + self.day
            + self.unavailable
            + self.broken
            + self.other
    }

    /// How many were not answered by the upstream.
    pub(crate) fn failed(&self) -> u64 {
        self.sent() - self.answered
    }
}

/// Callers at work.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Ended>,
    began: Instant,
}

/// What callers do after a refusal for the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// They stop.
    Leave,
    /// They go on asking.
    Insist,
}

impl Traffic {
    /// `callers` for each of these keys, each on a connection of its own, one call every `pace`.
    pub(crate) fn begin(
        address: SocketAddr,
        keys: &[&str],
        callers: usize,
        pace: Duration,
        spent: Spent,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for number in 0..callers {
            for key in keys {
                let client = Client::modern(address, key);
                // Not all in the same moment.
                let first = pace * u32::try_from(number).unwrap() / u32::try_from(callers).unwrap();
                let stop = Arc::clone(&stop);
                running.spawn(async move {
                    sleep(first).await;
                    caller(client, pace, spent, stop).await
                });
            }
        }
        Self {
            stop,
            callers: running,
            began: Instant::now(),
        }
    }

    /// Waits until all have left by themselves.
    pub(crate) async fn all(mut self) -> (Ended, Duration) {
        let mut all = Ended::default();
        while let Some(one) = self.callers.join_next().await {
            all += one.expect("a caller that does not panic");
        }
        (all, self.began.elapsed())
    }

    /// Tells them to stop and waits for their last answers.
    pub(crate) async fn stop(self) -> (Ended, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.all().await
    }
}

async fn caller(client: Client, pace: Duration, spent: Spent, stop: Arc<AtomicBool>) -> Ended {
    let arguments = json!({ "name": "search", "arguments": { "q": "x" } });
    let message = client.message(&json!(1), "tools/call", arguments);
    let request = client.request(&message);
    let (mut all, mut open) = (Ended::default(), None::<Wire>);
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        // A connection that was refused has carried nothing: another one is tried.
        if open.is_none() {
            open = Wire::try_connect(client.address).await;
        }
        if let Some(wire) = &mut open {
            wire.send(request.as_bytes()).await;
            let answer = wire.answer().await;
            all.slowest = all.slowest.max(since.elapsed());
            let said = answer.as_ref().map(Answer::json);
            let tier = said
                .as_ref()
                .and_then(|said| said["error"]["data"]["tier"].as_str());
            match answer.as_ref().map(|answer| answer.status) {
                Some(200)
                    if said
                        .as_ref()
                        .is_some_and(|it| it["result"]["isError"] == false) =>
                {
                    all.answered += 1;
                }
                Some(429) => match tier {
                    Some("session") => all.session += 1,
                    Some("license_minute") => all.minute += 1,
                    Some("license_day") => {
                        all.day += 1;
                        if spent == Spent::Leave {
                            break;
                        }
                    }
                    _ => all.other += 1,
                },
                Some(503) => all.unavailable += 1,
                None | Some(502 | 504) => all.broken += 1,
                Some(_) => {
                    println!("an answer nobody expected: {answer:?}");
                    all.other += 1;
                }
            }
            let closed = answer.as_ref().is_none_or(|answer| {
                answer
                    .header("connection")
                    .is_some_and(|it| it.eq_ignore_ascii_case("close"))
            });
            if closed {
                open = None;
            }
        }
        sleep(
            pace.saturating_sub(since.elapsed())
                .max(Duration::from_millis(1)),
        )
        .await;
    }
    all
}
