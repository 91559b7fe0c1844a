//! `wicketgate license limit`: limits of one license in place of its plan's.

use std::str::FromStr;

use clap::Args;
use serde_json::{Value, json};

use super::select;
use crate::{
    cli::{failure::Failure, open::Desk},
    license::{Allowance, License, Override, Overrides},
    names::ToolPattern,
    quota::Rate,
    store::LimitChange,
};

/// Give one license limits of its own, or its plan's again; they hold within a second or two
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Its id, the beginning of its id, or its name
    license: String,
    /// Calls in a minute
    #[arg(long, value_name = "N|none|plan")]
    per_minute: Option<Override>,
    /// Calls in a UTC day
    #[arg(long, value_name = "N|none|plan")]
    per_day: Option<Override>,
    /// Calls in a UTC calendar month
    #[arg(long, value_name = "N|none|plan")]
    per_month: Option<Override>,
    /// Cost units in a UTC day
    #[arg(long, value_name = "N|none|plan")]
    cost_per_day: Option<Override>,
    /// Calls at once
    #[arg(long, value_name = "N|none|plan")]
    concurrent: Option<Override>,
    /// Calls of one session, such as `120/min`
    #[arg(long, value_name = "RATE|plan")]
    session: Option<OrPlan<Rate>>,
    /// Only these of the plan's tools, such as `analytics.*`; may be repeated
    #[arg(long, value_name = "PATTERN|plan")]
    tools: Vec<OrPlan<ToolPattern>>,
}

/// What the plan says, or this.
#[derive(Debug, Clone)]
enum OrPlan<T> {
    Plan,
    This(T),
}

impl<T: FromStr> FromStr for OrPlan<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "plan" => Ok(Self::Plan),
            text => text.parse().map(Self::This),
        }
    }
}

impl<T> OrPlan<T> {
    fn own(self) -> Option<T> {
        match self {
            Self::Plan => None,
            Self::This(own) => Some(own),
        }
    }
}

/// What is to be changed; none: it stays.
struct Wish {
    numbers: [Option<Override>; 5],
    session: Option<OrPlan<Rate>>,
    tools: Option<OrPlan<Vec<ToolPattern>>>,
}

impl Wish {
    fn of(args: LimitArgs) -> Result<Self, Failure> {
        let asked = !args.tools.is_empty();
        let count = args.tools.len();
        let own: Vec<_> = args.tools.into_iter().filter_map(OrPlan::own).collect();
        if asked && !own.is_empty() && own.len() != count {
            return Err(Failure::usage("--tools is either patterns or `plan`"));
        }
        let wish = Self {
            numbers: [
                args.per_minute,
                args.per_day,
                args.per_month,
                args.cost_per_day,
                args.concurrent,
            ],
            session: args.session,
            tools: match (asked, own.is_empty()) {
                (false, _) => None,
                (true, true) => Some(OrPlan::Plan),
                (true, false) => Some(OrPlan::This(own)),
            },
        };
        let nothing = wish.numbers == [None; 5] && wish.session.is_none() && wish.tools.is_none();
        if nothing {
            return Err(Failure::usage("nothing to change").fix(
                "name a limit, such as `--per-day 5000`, `--per-day none` or `--per-day plan`",
            ));
        }
        Ok(wish)
    }

    fn apply(&self, license: &mut License) {
        let Overrides {
            per_minute,
            per_day,
            per_month,
            cost_per_day,
            concurrent,
            session,
        } = &mut license.overrides;
        let places = [per_minute, per_day, per_month, cost_per_day, concurrent];
        for (place, wanted) in places.into_iter().zip(self.numbers) {
            *place = wanted.unwrap_or(*place);
        }
        if let Some(wanted) = &self.session {
            *session = wanted.clone().own();
        }
        if let Some(wanted) = &self.tools {
            license.tools = wanted.clone().own();
        }
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, args: LimitArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let found = select::find(&opened.store, &args.license).await?;
    let wanted = args.license.clone();
    let wish = Wish::of(args)?;
    let changed = opened
        .store
        .change_limits(found.id, |license| wish.apply(license), &desk.stamp())
        .await?;
    let (license, word) = match changed {
        LimitChange::Changed(license) => (license, "now has"),
        LimitChange::Unchanged(license) => (license, "has already"),
        LimitChange::Final => {
            return Err(
                Failure::failed(format_args!("{} is revoked, which is final", found.id))
                    .fix("issue a new license"),
            );
        }
        LimitChange::NotFound => return Err(select::unknown(&wanted)),
    };
    let allowance = opened.loaded.config.allowance_of(&license);
    desk.output.show(
        &json!({
            "id": license.id,
            "name": license.name,
            "overrides": license.overrides,
            "tools": license.tools,
            "limits": to_json(&allowance),
        }),
        format_args!(
            "{} ({}) {word}: {}",
            license.id,
            license.name,
            in_words(&allowance, &license)
        ),
    );
    Ok(())
}

/// The limits that hold, as `--json` shows them; `null`: none.
pub fn to_json(allowance: &Allowance) -> Value {
    json!({
        "session": allowance.session,
        "per_minute": allowance.per_minute,
        "per_day": allowance.per_day,
        "per_month": allowance.per_month,
        "cost_per_day": allowance.cost_per_day,
        "concurrent": allowance.concurrent,
    })
}

/// The limits that hold, for people; an asterisk: the license's own.
pub fn in_words(allowance: &Allowance, license: &License) -> String {
    let own = &license.overrides;
    let mut parts = Vec::new();
    for (name, limit, own) in [
        ("per_minute", allowance.per_minute, own.per_minute),
        ("per_day", allowance.per_day, own.per_day),
        ("per_month", allowance.per_month, own.per_month),
        ("cost_per_day", allowance.cost_per_day, own.cost_per_day),
        ("concurrent", allowance.concurrent, own.concurrent),
    ] {
        let mark = if own == Override::Plan { "" } else { "*" };
        match limit {
            Some(limit) => parts.push(format!("{name} {limit}{mark}")),
            None if own != Override::Plan => parts.push(format!("{name} none{mark}")),
            None => {}
        }
    }
    let mark = own.session.map_or("", |_| "*");
    parts.push(format!("session {}{mark}", allowance.session));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let mut license = License {
            id: crate::ids::LicenseId::from_bytes([1; 16]),
            name: "Acme".to_owned(),
            plan: "pro".parse().unwrap(),
            tools: Some(vec!["a.*".parse().unwrap()]),
            overrides: Overrides {
                per_day: Override::Unlimited,
                session: "1/s".parse().ok(),
                ..Overrides::default()
            },
            status: crate::license::LicenseStatus::Active,
            created: crate::clock::Timestamp::from_millis(0),
            expires: None,
        };
        let before = license.clone();
        let nothing = Wish {
            numbers: [None; 5],
            session: None,
            tools: None,
        };
        nothing.apply(&mut license);
        assert_eq!(license, before);
        let wish = Wish {
            numbers: [None, Some(Override::Plan), "9".parse().ok(), None, None],
            session: Some(OrPlan::Plan),
            tools: Some(OrPlan::Plan),
        };
        wish.apply(&mut license);
        let stored = serde_json::to_string(&license.overrides).unwrap();
        assert_eq!(
            (stored.as_str(), license.tools),
            (r#"{"per_month":9}"#, None)
        );
    }
}
