//! What the pages show on which accounts are connected: upstreams, providers, scopes in plain words.

use std::collections::BTreeSet;

use askama::Template;

use super::{Effect, Hidden, When};
use crate::{
    catalog::CatalogTool,
    config::provider::{Access, Provider},
    http::pages::look::Brand,
    names::{Label, ScopeName, UpstreamName},
    store::{CredentialInfo, CredentialState},
};

/// Most tools that are named for one scope; more are counted.
const MOST_TOOLS: usize = 30;

#[derive(Template)]
#[template(path = "connect.html")]
pub(in crate::http::pages) struct ConnectView<'a> {
    pub(in crate::http::pages) brand: &'a Brand,
    pub(in crate::http::pages) title: &'a str,
    pub(in crate::http::pages) provider: &'a str,
    pub(in crate::http::pages) action: &'a str,
    pub(in crate::http::pages) again: bool,
    pub(in crate::http::pages) wants: Vec<Want>,
    pub(in crate::http::pages) label: Labelled,
    pub(in crate::http::pages) hint: &'a str,
    pub(in crate::http::pages) hidden: Hidden,
}

#[derive(Template)]
#[template(path = "connect_other.html")]
pub(in crate::http::pages) struct OtherLicenseView<'a> {
    pub(in crate::http::pages) brand: &'a Brand,
    pub(in crate::http::pages) action: &'a str,
    pub(in crate::http::pages) hint: &'a str,
    pub(in crate::http::pages) hidden: Hidden,
}

#[derive(Template)]
#[template(path = "connected.html")]
pub(in crate::http::pages) struct ConnectedView<'a> {
    pub(in crate::http::pages) brand: &'a Brand,
    pub(in crate::http::pages) title: &'a str,
    pub(in crate::http::pages) label: Option<&'a Label>,
    pub(in crate::http::pages) granted: Vec<String>,
    /// Was less allowed than was asked for?
    pub(in crate::http::pages) short: bool,
}

/// How the account is told from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::pages) enum Labelled {
    /// There is but one.
    Alone,
    /// By this, already.
    Fixed(Label),
    /// By what the person types.
    Free {
        typed: String,
        error: Option<&'static str>,
    },
}

/// A scope that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::pages) struct Want {
    title: String,
    effect: Effect,
    /// Was it granted before?
    held: bool,
    tools: Vec<String>,
    unnamed: usize,
}

impl Want {
    /// In the order of `scopes`, each with the tools that need it.
    pub(in crate::http::pages) fn all<'t>(
        scopes: &[ScopeName],
        granted: &[ScopeName],
        tools: &(impl Iterator<Item = &'t CatalogTool> + Clone),
        provider: &Provider,
    ) -> Vec<Self> {
        let want = |scope: &ScopeName| {
            let wanting = tools
                .clone()
                .filter(|tool| tool.bound.scopes.contains(scope));
            let mut names: Vec<String> = wanting
                .map(|tool| {
                    let definition = &tool.bound.definition;
                    let title = definition.title.clone();
                    title.unwrap_or_else(|| definition.name.to_string())
                })
                .collect();
            let unnamed = names.len().saturating_sub(MOST_TOOLS);
            names.truncate(MOST_TOOLS);
            let info = provider.scope(scope.as_str());
            Self {
                title: scope_title(scope, provider),
                // What nobody has described may do anything.
                effect: match info.map(|info| info.access) {
                    Some(Access::Read) => Effect::Reads,
                    Some(Access::Write) | None => Effect::Changes,
                },
                held: granted.contains(scope),
                tools: names,
                unnamed,
            }
        };
        scopes.iter().map(want).collect()
    }
}

/// What people read of a scope: what its provider's description says, else its name.
pub(in crate::http::pages) fn scope_title(scope: &ScopeName, provider: &Provider) -> String {
    let info = provider.scope(scope.as_str());
    info.map_or_else(|| scope.to_string(), |info| info.title.clone())
}

/// The same of several, each once: two scopes may be described alike.
pub(in crate::http::pages) fn scope_titles(
    scopes: &[ScopeName],
    provider: Option<&Provider>,
) -> Vec<String> {
    let mut told = BTreeSet::new();
    let titles = scopes.iter().map(|scope| {
        provider.map_or_else(
            || scope.to_string(),
            |provider| scope_title(scope, provider),
        )
    });
    titles.filter(|title| told.insert(title.clone())).collect()
}

/// An upstream whose accounts the person may connect, with those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::pages) struct AccountUpstream {
    pub(in crate::http::pages) name: UpstreamName,
    pub(in crate::http::pages) title: String,
    /// Whose accounts.
    pub(in crate::http::pages) provider: String,
    pub(in crate::http::pages) accounts: Vec<ConnectedAccount>,
    pub(in crate::http::pages) names: Names,
    pub(in crate::http::pages) more: More,
}

/// Are accounts told apart by names?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::pages) enum Names {
    /// Those that people chose.
    Chosen,
    /// There is but one.
    Needless,
}

/// May another account be connected?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::pages) enum More {
    /// The first, or one more beside the others.
    Yes,
    /// One is all there can be, or the license no longer has such tools.
    No,
}

impl AccountUpstream {
    pub(in crate::http::pages) const fn has_names(&self) -> bool {
        matches!(self.names, Names::Chosen)
    }

    pub(in crate::http::pages) const fn takes_more(&self) -> bool {
        matches!(self.more, More::Yes)
    }
}

/// An account of the license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::pages) struct ConnectedAccount {
    pub(in crate::http::pages) label: Label,
    pub(in crate::http::pages) hint: Option<String>,
    pub(in crate::http::pages) is_over: bool,
    pub(in crate::http::pages) since: When,
    pub(in crate::http::pages) scopes: Vec<String>,
}

impl ConnectedAccount {
    pub(in crate::http::pages) fn of(info: &CredentialInfo, provider: Option<&Provider>) -> Self {
        Self {
            label: info.label.clone(),
            hint: info.hint.clone(),
            is_over: info.state == CredentialState::NeedsReconnect,
            since: When::of(info.created),
            scopes: scope_titles(&info.scopes, provider),
        }
    }
}
