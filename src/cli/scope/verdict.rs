//! Granted scopes against those that calls needed. Pure: reads no store, prints nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::Timestamp,
    config::provider::{Access, Provider},
    names::ScopeName,
};

/// What calls say about a granted scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A call needed it, at last then.
    Needed(Timestamp),
    /// Calls needed these, which are less and are not granted by themselves.
    TooWide(Vec<ScopeName>),
    /// No call needed it.
    Unused,
    /// The provider is asked for it whatever tools need.
    Always,
}

impl Verdict {
    /// The word in reports.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Needed(_) => "needed",
            Self::TooWide(_) => "too_wide",
            Self::Unused => "unused",
            Self::Always => "always",
        }
    }
}

/// One granted scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The scope.
    pub scope: ScopeName,
    /// What it lets its holder do, where the catalogue says.
    pub access: Option<Access>,
    /// What calls say.
    pub verdict: Verdict,
}

/// Judges every scope of a grant by what calls needed lately. Without a provider no scope is known
/// to cover another.
pub fn judge(
    granted: &[ScopeName],
    used: &BTreeMap<ScopeName, Timestamp>,
    provider: Option<&Provider>,
) -> Vec<Judged> {
    granted
        .iter()
        .map(|scope| Judged {
            scope: scope.clone(),
            access: provider
                .and_then(|provider| provider.scope(scope.as_str()))
                .map(|info| info.access),
            verdict: verdict(scope, granted, used, provider),
        })
        .collect()
}

fn verdict(
    scope: &ScopeName,
    granted: &[ScopeName],
    used: &BTreeMap<ScopeName, Timestamp>,
    provider: Option<&Provider>,
) -> Verdict {
    if let Some(last) = used.get(scope) {
        return Verdict::Needed(*last);
    }
    if provider.is_some_and(|provider| provider.always_scopes.contains(scope)) {
        return Verdict::Always;
    }
    let alone = BTreeSet::from([scope.to_string()]);
    let covers = |other: &ScopeName| {
        provider.is_some_and(|provider| provider.covers(&alone, other.as_str()))
    };
    let less: Vec<ScopeName> = used
        .keys()
        .filter(|needed| !granted.contains(needed) && covers(needed))
        .cloned()
        .collect();
    if less.is_empty() {
        Verdict::Unused
    } else {
        Verdict::TooWide(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

    fn provider(name: &str) -> Provider {
        let config = serde_json::json!({ "keys": [], "plans": {}, "upstreams": {} });
        let config: Config = serde_json::from_value(config).unwrap();
        config.provider(&name.parse().unwrap()).unwrap()
    }

    fn words(granted: &[&str], used: &[&str], provider: Option<&Provider>) -> Vec<String> {
        let scope = |text: &&str| text.parse::<ScopeName>().unwrap();
        let granted: Vec<_> = granted.iter().map(scope).collect();
        let used = used.iter().map(|text| (scope(text), NOON)).collect();
        let judged = judge(&granted, &used, provider);
        let word = |one: Judged| match &one.verdict {
            Verdict::TooWide(less) => format!("too_wide {less:?}"),
            Verdict::Needed(_) | Verdict::Unused | Verdict::Always => one.verdict.word().to_owned(),
        };
        judged.into_iter().map(word).collect()
    }

    #[test]
    fn scopes_are_needed_too_wide_or_unused() {
        let github = provider("github");
        let known = Some(&github);
        assert_eq!(
            words(&["read:user", "gist"], &["read:user"], known),
            ["needed", "unused"]
        );
        // `user` includes what was needed.
        assert_eq!(
            words(&["user"], &["read:user"], known),
            ["too_wide [\"read:user\"]"]
        );
        // The narrow one is there by itself: the wide one is for nothing.
        assert_eq!(
            words(&["user", "read:user"], &["read:user"], known),
            ["unused", "needed"]
        );
        assert_eq!(words(&["user"], &["read:user"], None), ["unused"]);
        assert_eq!(words(&["odd"], &[], known), ["unused"]);
    }

    #[test]
    fn what_is_always_asked_for_is_not_held_against_anybody() {
        let microsoft = provider("microsoft");
        assert_eq!(
            words(&["offline_access"], &[], Some(&microsoft)),
            ["always"]
        );
        let judged = judge(
            &["Mail.Read".parse().unwrap()],
            &BTreeMap::new(),
            Some(&microsoft),
        );
        assert_eq!(judged[0].verdict, Verdict::Unused);
    }
}
