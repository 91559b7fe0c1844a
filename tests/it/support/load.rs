//! Many callers at once, each on a connection of its own, until each is told that the day is over.

use std::{net::SocketAddr, ops::AddAssign};

use serde_json::json;
use tokio::task::JoinSet;

use super::{client::Client, wire::Wire};

/// How calls ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// With the upstream's answer.
    pub(crate) answered: u64,
    /// With "the day's calls are spent".
    pub(crate) refused: u64,
    /// Without an answer: the gateway went away.
    pub(crate) broken: u64,
    /// With 503: it is stopping, or its database does not answer.
    pub(crate) unavailable: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.refused += other.refused;
        self.broken += other.broken;
        self.unavailable += other.unavailable;
    }
}

/// `callers` of each address call `search`, at most `most` times each, until they are refused.
pub(crate) async fn load(gateways: &[SocketAddr], key: &str, callers: u32, most: u32) -> Tally {
    let mut running = JoinSet::new();
    for _ in 0..callers {
        for gateway in gateways {
            running.spawn(caller(Client::modern(*gateway, key), most));
        }
    }
    let mut tally = Tally::default();
    while let Some(one) = running.join_next().await {
        tally += one.expect("a caller that does not panic");
    }
    tally
}

async fn caller(client: Client, most: u32) -> Tally {
    let mut tally = Tally::default();
    let arguments = json!({ "name": "search", "arguments": { "q": "x" } });
    let message = client.message(&json!(1), "tools/call", arguments);
    let request = client.request(&message);
    let Some(mut wire) = Wire::try_connect(client.address).await else {
        tally.broken += 1;
        return tally;
    };
    for _ in 0..most {
        wire.send(request.as_bytes()).await;
        let Some(answer) = wire.answer().await else {
            tally.broken += 1;
            break;
        };
        let said = answer.json();
        match answer.status {
            200 => {
                assert_eq!(said["result"]["isError"], false, "{}", answer.body);
                tally.answered += 1;
            }
            429 => {
                assert_eq!(
                    said["error"]["data"]["tier"], "license_day",
                    "{}",
                    answer.body
                );
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=86_400).contains(&wait), "Q-12: {wait}");
                tally.refused += 1;
                break;
            }
            503 => {
                assert!(answer.header("retry-after").is_some(), "{}", answer.body);
                tally.unavailable += 1;
                break;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    tally
}
