//! What the templates show, and how strangers' words are made harmless before they are shown.
//! The templates escape everything besides.

mod connect;

use std::collections::BTreeMap;

use askama::Template;
use time::{OffsetDateTime, macros::format_description};
use url::Url;

pub(super) use self::connect::{
    AccountUpstream, ConnectView, ConnectedAccount, ConnectedView, Labelled, More, Names,
    OtherLicenseView, Want, scope_titles,
};
use super::look::Brand;
use crate::{
    catalog::Visible,
    clock::{Day, Timestamp},
    config::{Config, rest::ReadOnly},
    grant::{ClientId, ClientKind, Scope},
    oauth::{Client, clients::Publisher, redirect::Place},
    schema::text::is_deceptive,
    store::DayUsage,
};

/// Longest name of a client that is shown.
const LONGEST_NAME: usize = 60;
/// Most tools that are named; more are counted.
const MOST_TOOLS: usize = 100;

/// A way on from a page.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) address: String,
    pub(super) label: &'static str,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorView<'a> {
    pub(super) brand: &'a Brand,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) link: Option<Link>,
}

/// Hidden fields: names and values.
pub(super) type Hidden = Vec<(&'static str, String)>;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInView<'a> {
    pub(super) brand: &'a Brand,
    pub(super) action: &'a str,
    /// Who asks; none on the account page.
    pub(super) who: Option<Who>,
    /// What an account is to be connected for.
    pub(super) upstream: Option<String>,
    pub(super) error: Option<String>,
    pub(super) hidden: Hidden,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentView<'a> {
    pub(super) brand: &'a Brand,
    pub(super) who: Who,
    pub(super) reach: Vec<Reach>,
    pub(super) scope: Scope,
    pub(super) idle: String,
    pub(super) absolute: String,
    pub(super) hint: &'a str,
    pub(super) hidden: Hidden,
}

#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountView<'a> {
    pub(super) brand: &'a Brand,
    pub(super) hint: &'a str,
    pub(super) plan: &'a str,
    pub(super) notice: Option<&'static str>,
    /// The newest first, and not more than fit on a page.
    pub(super) connections: Vec<Connection>,
    /// How many there are.
    pub(super) connected: String,
    /// The upstreams whose accounts are the person's own.
    pub(super) accounts: Vec<AccountUpstream>,
    /// How many tokens scripts got, in words.
    pub(super) scripts: Option<String>,
    /// Most at once; none: as many as one likes.
    pub(super) most: Option<u32>,
    pub(super) per_minute: Option<u32>,
    pub(super) usage: Option<Usage>,
    pub(super) token: String,
}

/// A client as a person is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// What it calls itself.
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) to: To,
}

/// How much is known about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It has a page of its own at this host, which the operator lists.
    Listed(String),
    /// It has a page of its own at this host.
    Page(String),
    /// It registered itself.
    Registered,
    /// The operator added it.
    Added,
}

/// Where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    Site(String),
    ThisComputer(&'static str),
    Program(String),
}

impl Who {
    pub(super) fn of(client: &Client, place: &Place) -> Self {
        Self {
            name: claimed(&client.name, &client.id),
            origin: match (client.kind, client.publisher) {
                (ClientKind::Added, _) => Origin::Added,
                (ClientKind::Registered, _) => Origin::Registered,
                (ClientKind::Document, Publisher::Listed) => Origin::Listed(host(&client.id)),
                (ClientKind::Document, Publisher::Unknown) => Origin::Page(host(&client.id)),
            },
            to: match place {
                Place::Web(host) => To::Site(host.clone()),
                Place::Loopback(host) => To::ThisComputer(host),
                Place::Program(scheme) => To::Program(scheme.clone()),
            },
        }
    }
}

fn host(id: &ClientId) -> String {
    let url = Url::parse(id.as_str()).ok();
    url.and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A name that a stranger chose: on one line, without characters that hide or reorder text.
pub(super) fn claimed(name: &str, id: &ClientId) -> String {
    let visible: String = name
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_deceptive(*c))
        .collect();
    let mut words: String =
        visible
            .split(' ')
            .filter(|w| !w.is_empty())
            .fold(String::new(), |mut line, word| {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
                line
            });
    if let Some((end, _)) = words.char_indices().nth(LONGEST_NAME) {
        words.truncate(end);
        words.push('…');
    }
    match (words.is_empty(), id.is_document()) {
        (false, _) => words,
        (true, true) => host(id),
        (true, false) => "An app without a name".to_owned(),
    }
}

/// What is behind one upstream, for a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) title: String,
    pub(super) reads: usize,
    pub(super) changes: usize,
    pub(super) tools: Vec<Tool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Changes,
}

impl Tool {
    const fn changes(&self) -> bool {
        matches!(self.effect, Effect::Changes)
    }
}

impl Reach {
    /// By upstream, in the order of their names; nothing that the scope does not cover.
    pub(super) fn of(visible: &Visible, scope: Scope, config: &Config) -> Vec<Self> {
        let mut by_upstream = BTreeMap::new();
        for tool in visible.tools() {
            let definition = &tool.bound.definition;
            let effect = match definition.read_only {
                ReadOnly::Yes => Effect::Reads,
                ReadOnly::No => Effect::Changes,
            };
            if effect == Effect::Changes && !scope.covers(Scope::Tools) {
                continue;
            }
            let name = &tool.bound.site.name;
            let reach = by_upstream.entry(name).or_insert_with(|| Self {
                title: config
                    .upstreams
                    .get(name)
                    .and_then(|upstream| upstream.title.clone())
                    .unwrap_or_else(|| name.to_string()),
                reads: 0,
                changes: 0,
                tools: Vec::new(),
            });
            match effect {
                Effect::Reads => reach.reads += 1,
                Effect::Changes => reach.changes += 1,
            }
            if reach.tools.len() < MOST_TOOLS {
                let title = definition.title.clone();
                reach.tools.push(Tool {
                    name: title.unwrap_or_else(|| definition.name.to_string()),
                    effect,
                });
            }
        }
        by_upstream.into_values().collect()
    }

    const fn unnamed(&self) -> usize {
        (self.reads + self.changes).saturating_sub(self.tools.len())
    }
}

/// A moment, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    machine: String,
    shown: String,
}

impl When {
    pub(super) fn of(at: Timestamp) -> Self {
        let day = format_description!(
            "[day padding:none] [month repr:short] [year], [hour]:[minute] UTC"
        );
        let shown = OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1_000))
            .ok()
            .and_then(|at| at.format(day).ok());
        Self {
            machine: at.to_string(),
            shown: shown.unwrap_or_else(|| at.to_string()),
        }
    }
}

/// A living session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) since: When,
    pub(super) seen: Option<When>,
    pub(super) calls: String,
}

/// A client's kind in a few words, from what a session keeps of it.
pub(super) fn kind(id: &ClientId) -> String {
    if id.is_document() {
        format!("app of {}", host(id))
    } else {
        "registered app".to_owned()
    }
}

/// The day's calls against the plan, and those of the days before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) used: String,
    pub(super) limit: String,
    /// Of 100.
    pub(super) percent: u64,
    pub(super) days: Vec<Bar>,
}

/// One bar of the chart, in its units: 40 a day, 100 high.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u64,
    pub(super) height: u64,
    pub(super) label: String,
    pub(super) day: String,
    pub(super) count: String,
}

/// Days in the chart.
pub(super) const DAYS: i64 = 7;

impl Usage {
    pub(super) fn of(days: &[DayUsage], today: Day, limit: u32) -> Self {
        let used = |day: Day| {
            let found = days.iter().find(|usage| usage.day == day);
            found.map_or(0, |usage| usage.used)
        };
        let limit = u64::from(limit.max(1));
        let share = |used: u64| used.saturating_mul(100).div_ceil(limit).min(100);
        let first = today.number() - (DAYS - 1);
        let bars = (first..=today.number()).enumerate().map(|(at, number)| {
            let day = Day::from_number(number);
            let count = used(day);
            let text = day.to_string();
            Bar {
                x: at * 40,
                y: 100 - share(count),
                height: share(count),
                label: text.get(8..).unwrap_or_default().to_owned(),
                day: text,
                count: grouped(count),
            }
        });
        Self {
            used: grouped(used(today)),
            limit: grouped(limit),
            percent: share(used(today)),
            days: bars.collect(),
        }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span in the largest unit that fits: `30 days`.
pub(super) fn span(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        86_400.. => (seconds / 86_400, "day"),
        3_600.. => (seconds / 3_600, "hour"),
        60.. => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}

#[cfg(test)]
mod tests;
