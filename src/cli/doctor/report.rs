//! What is printed: one line a client, what is behind a failing line, and the same as one JSON
//! document. Holds no secret, since findings hold none.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    clients::ClientName,
    findings::{Check, Finding, Severity},
    play::Reached,
};
use crate::cli::output::{self, Tone};

/// How one client fared.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Which.
    pub client: ClientName,
    /// As people call it.
    pub title: &'static str,
    /// Does it connect?
    pub passed: bool,
    /// How far it came.
    pub reached: Reached,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// How all of them fared.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The connector URL.
    pub connector: String,
    /// Was a license key at hand?
    pub signed_in: bool,
    /// Do all of them connect?
    pub passed: bool,
    /// Each of them.
    pub clients: Vec<Outcome>,
}

impl Outcome {
    /// From what was found.
    pub fn new(
        client: ClientName,
        title: &'static str,
        reached: Reached,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            client,
            title,
            passed: findings.iter().all(|f| f.severity != Severity::Fault),
            reached,
            findings,
        }
    }

    /// Was this found?
    pub fn has(&self, check: Check) -> bool {
        self.findings.iter().any(|finding| finding.check == check)
    }

    /// The word for people.
    pub fn word(&self) -> String {
        if !self.passed {
            return match place(self.reached) {
                Some(place) => format!("fails after {place}"),
                None if self.reached == Reached::Start => "fails at the start".to_owned(),
                None => "connects, but not for long".to_owned(),
            };
        }
        let warnings = match self.findings.len() {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            many => format!(", {many} warnings"),
        };
        if self.reached == Reached::SignInPage {
            format!("pass, up to sign-in{warnings}")
        } else {
            format!("pass{warnings}")
        }
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |f| f.severity == severity)
    }
}

const fn place(reached: Reached) -> Option<&'static str> {
    Some(match reached {
        Reached::Start | Reached::Everything => return None,
        Reached::Challenge => "the challenge",
        Reached::Metadata => "discovery",
        Reached::Registration => "registration",
        Reached::SignInPage => "the sign-in page",
        Reached::Tokens => "sign-in",
        Reached::Call => "the first call",
    })
}

impl Report {
    /// The table, and what is behind it.
    pub fn text(&self) -> String {
        let rows = self.clients.iter().map(|outcome| {
            let first = outcome
                .of(Severity::Fault)
                .chain(outcome.of(Severity::Warning))
                .next();
            let fix = first.map(Finding::fix).unwrap_or_default();
            [outcome.title.to_owned(), outcome.word(), fix]
        });
        let mut text = output::table(["client", "result", "fix"], rows);
        for outcome in self.clients.iter().filter(|outcome| !outcome.passed) {
            let _ = write!(text, "\n\n{}", outcome.title);
            for finding in outcome.of(Severity::Fault) {
                text.push_str(&paragraph(Tone::Bad, "fails", finding, &finding.why()));
            }
        }
        let warnings = self.warnings();
        if !warnings.is_empty() {
            text.push_str("\n\nWarnings");
        }
        for (finding, titles) in warnings {
            let (head, why) = if titles.len() == 1 {
                (titles[0].to_owned(), finding.why())
            } else if titles.len() == self.clients.len() {
                ("All clients".to_owned(), finding.why_of("each of them"))
            } else {
                (titles.join(", "), finding.why_of("each of them"))
            };
            text.push_str(&paragraph(Tone::Doubtful, &head, finding, &why));
        }
        text
    }

    /// Each warning once, with the clients it is about.
    fn warnings(&self) -> Vec<(&Finding, Vec<&'static str>)> {
        let mut all: Vec<(&Finding, Vec<&'static str>)> = Vec::new();
        for outcome in &self.clients {
            for finding in outcome.of(Severity::Warning) {
                let same = |(have, _): &&mut (&Finding, _)| {
                    have.check == finding.check && have.fix() == finding.fix()
                };
                match all.iter_mut().find(same) {
                    Some((_, titles)) if titles.last() != Some(&outcome.title) => {
                        titles.push(outcome.title);
                    }
                    Some(_) => {}
                    None => all.push((finding, vec![outcome.title])),
                }
            }
        }
        all
    }
}

fn paragraph(tone: Tone, head: &str, finding: &Finding, why: &str) -> String {
    let mut text = format!(
        "\n  {} {}",
        output::toned(tone, &format!("{head}:")),
        output::plain(&finding.code())
    );
    let rest = [
        (Tone::Plain, "seen:", finding.seen.clone()),
        (Tone::Plain, "why:", why.to_owned()),
        (Tone::Good, "fix:", finding.fix()),
    ];
    for (tone, word, line) in rest {
        let line = output::plain(&line);
        let _ = write!(text, "\n    {} {line}", output::toned(tone, word));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_many_clients_is_told_once() {
        let warned = |title| {
            let found = Finding::new(Check::PageCacheable, Severity::Warning, title, "x", "");
            Outcome::new(ClientName::Cursor, title, Reached::SignInPage, vec![found])
        };
        let report = Report {
            connector: "https://a.test/mcp".into(),
            signed_in: false,
            passed: true,
            clients: vec![warned("One"), warned("Two")],
        };
        let text = report.text();
        assert_eq!(text.matches("page_cacheable").count(), 1, "{text}");
        assert!(text.contains("All clients:"), "{text}");
        assert!(text.contains("pass, up to sign-in, 1 warning"), "{text}");
    }
}
