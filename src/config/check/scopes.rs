//! Scopes of tools and accounts: nothing may ask for more than the operator wrote down, and what is
//! written down should be no more than tools need.

use std::collections::BTreeSet;

use super::{
    super::{
        Config, ToolConfig,
        credential::AccountConfig,
        findings::{Findings, Spot},
        provider::{Access, Provider, ProviderFault},
        rest::{ReadOnly, RestConfig},
    },
    Coverage, Scope,
};
use crate::names::ScopeName;

/// What is judged of one upstream, whose `rest` is at `at`.
pub(super) fn check(
    rest: &RestConfig,
    config: &Config,
    scope: &Scope<'_>,
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    let account = rest.credential.as_ref().and_then(|c| c.account.as_ref());
    let Some(account) = account else {
        for (i, tool) in rest.tools.iter().enumerate() {
            if !tool.scopes.is_empty() {
                findings.error(
                    &at.key("tools").index(i).key("scopes"),
                    format!(
                        "tool `{}` names scopes, but no account is connected",
                        tool.name
                    ),
                    "remove `scopes`, or connect accounts with `credential: { account: … }`",
                );
            }
        }
        return;
    };
    let account_at = at.key("credential").key("account");
    if !config.auth.oauth.enabled {
        findings.warning(
            &account_at,
            "nobody can connect an account: the pages for it are off with `auth.oauth.enabled`",
            "switch `auth.oauth.enabled` on, or use a credential of the operator's",
        );
    }
    let provider = match config.provider(&account.provider) {
        Ok(provider) => provider,
        Err(ProviderFault::Unknown(name)) => {
            // Left out with its faults it would be unknown too.
            if scope.coverage == Coverage::Whole {
                findings.error(
                    &account_at.key("provider"),
                    format!("there is no provider `{name}`"),
                    "name a preset, or describe it in `providers:`",
                );
            }
            return;
        }
        // Told where the provider stands.
        Err(_) => return,
    };
    let budget = Budget {
        account,
        most: (account.scopes.iter().map(ToString::to_string)).collect(),
        provider: &provider,
    };
    budget.always(&account_at, findings);
    for (i, tool) in rest.tools.iter().enumerate() {
        budget.tool(tool, &at.key("tools").index(i), findings);
    }
    budget.ceiling(&rest.tools, &account_at.key("scopes"), findings);
}

/// What an upstream's accounts may ever be asked for.
struct Budget<'a> {
    account: &'a AccountConfig,
    most: BTreeSet<String>,
    provider: &'a Provider,
}

impl Budget<'_> {
    /// What the provider is asked for whatever tools need may not slip past the ceiling either,
    /// unless it only reads.
    fn always(&self, at: &Spot<'_>, findings: &mut Findings) {
        for scope in &self.provider.always_scopes {
            let writes = (self.provider.scope(scope.as_str()))
                .is_some_and(|info| info.access == Access::Write);
            if writes && !self.provider.covers(&self.most, scope.as_str()) {
                findings.error(
                    &at.key("scopes"),
                    format!(
                        "`always_scopes` of the provider asks for `{scope}`, which is not here"
                    ),
                    format!("add `{scope}`, or remove it from `always_scopes`"),
                );
            }
        }
    }

    fn tool(&self, tool: &ToolConfig, at: &Spot<'_>, findings: &mut Findings) {
        if tool.scopes.is_empty() {
            findings.warning(
                at,
                format!(
                    "tool `{}` says no `scopes`: its call asks for none",
                    tool.name
                ),
                "write the scopes that its request needs",
            );
        }
        for (i, scope) in tool.scopes.iter().enumerate() {
            let at = at.key("scopes").index(i);
            if !self.provider.covers(&self.most, scope.as_str()) {
                findings.error(
                    &at,
                    format!(
                        "tool `{}` needs `{scope}`, which `credential.account.scopes` does not allow",
                        tool.name
                    ),
                    format!("add `{scope}` to `credential.account.scopes`, or name a narrower one"),
                );
            }
            if tool.read_only == ReadOnly::Yes {
                self.reading(scope, &at, findings);
            }
        }
    }

    /// A scope of a tool that only reads.
    fn reading(&self, scope: &ScopeName, at: &Spot<'_>, findings: &mut Findings) {
        let writes = |name: &str| {
            let info = self.provider.scope(name);
            info.is_some_and(|info| info.access == Access::Write)
        };
        if !writes(scope.as_str()) {
            return;
        }
        let one = BTreeSet::from([scope.to_string()]);
        let narrower = (self.provider.scopes.keys())
            .find(|other| !writes(other.as_str()) && self.provider.covers(&one, other.as_str()));
        let fix = narrower.map_or_else(
            || "name one that only reads, if the provider has one".to_owned(),
            |narrower| format!("`{narrower}` only reads"),
        );
        findings.warning(
            at,
            format!("`{scope}` lets its holder change things, but the tool is `read_only`"),
            fix,
        );
    }

    /// What may be asked for, against what tools need.
    fn ceiling(&self, tools: &[ToolConfig], at: &Spot<'_>, findings: &mut Findings) {
        let needed: BTreeSet<&ScopeName> = tools.iter().flat_map(|tool| &tool.scopes).collect();
        for (i, scope) in self.account.scopes.iter().enumerate() {
            let at = at.index(i);
            if self.provider.scope(scope.as_str()).is_none() {
                findings.warning(
                    &at,
                    format!("the provider is not known to have a scope `{scope}`"),
                    "correct it, or describe it in `scopes` of its entry in `providers:`",
                );
            }
            // Without tools there is nothing to compare with, and another finding says so.
            let own = needed.contains(scope) || self.provider.always_scopes.contains(scope);
            if own || tools.is_empty() {
                continue;
            }
            let one = BTreeSet::from([scope.to_string()]);
            let covered = |other: &&&ScopeName| self.provider.covers(&one, other.as_str());
            let narrower: Vec<String> = needed
                .iter()
                .filter(covered)
                .map(|scope| format!("`{scope}`"))
                .collect();
            if narrower.is_empty() {
                findings.warning(
                    &at,
                    format!("no tool needs `{scope}`"),
                    "remove it: what is not asked for cannot be lost",
                );
            } else {
                findings.warning(
                    &at,
                    format!("`{scope}` is wider than what tools need"),
                    format!("write {} in its place", narrower.join(", ")),
                );
            }
        }
    }
}
