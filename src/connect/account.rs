//! The token of a call: of the account that the call means, good for its tool, renewed in time.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    AccountSite, Connections, ObtainError, Reason, age::Age, flights::Outcome,
    need::ConnectionNeeded, refresh::Refresher,
};
use crate::{
    auth::Principal,
    names::{Label, ScopeName},
    store::CredentialState,
    upstream::{BoundTool, Departure, OpenedCredential},
    vault::{Held, Material},
};

/// So many consents in a row gave less than was asked for: the person is not sent once more.
const ENOUGH_SHORTFALLS: u64 = 3;

/// A call that needs an account.
pub(super) struct Wanted<'a> {
    pub(super) caller: &'a Principal,
    pub(super) tool: &'a BoundTool,
    pub(super) chosen: Option<&'a Label>,
}

impl Connections {
    /// The token for this call.
    pub(super) async fn account(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<Arc<OpenedCredential>, ObtainError> {
        let held = self.held(wanted).await?;
        let sites = self.sites.load();
        let site = sites.get(&wanted.tool.site.name);
        self.suffices(wanted, &held, site)?;
        let access = self.access(wanted, &held)?;
        let Some(site) = site else {
            return access.ok_or(ObtainError::ProviderUnavailable);
        };
        match (self.refresher.age(&held.info), access) {
            (Age::Good, Some(access)) => Ok(access),
            (Age::Due, Some(access)) => {
                if Refresher::is_renewable(&held, site) {
                    // Who cannot be renewed now is used as long as it is good.
                    let _ = self.refresher.start(&held, site);
                }
                Ok(access)
            }
            (_, access) => {
                let outcome = self.refresher.renew(&held, site).await;
                let is_good = held.info.expires.is_none_or(|ends| self.clock.now() < ends);
                match (&outcome, access.filter(|_| is_good)) {
                    // Over only by our margin.
                    (Outcome::Failed(_), Some(access)) => Ok(access),
                    _ => self.outcome(wanted, outcome, site),
                }
            }
        }
    }

    /// A newer token than the one that was refused. It is renewed once, unless there is one.
    pub(super) async fn newer_account(
        &self,
        wanted: &Wanted<'_>,
        refused: &OpenedCredential,
    ) -> Result<Option<Arc<OpenedCredential>>, ObtainError> {
        let found = self.account(wanted).await?;
        if found.generation > refused.generation {
            return Ok(Some(found));
        }
        let held = self.held(wanted).await?;
        let sites = self.sites.load();
        let Some(site) = sites.get(&wanted.tool.site.name) else {
            return Ok(None);
        };
        // Somebody of the same crowd was faster, or is about it.
        if held.info.generation > refused.generation {
            return self.access(wanted, &held);
        }
        let (flights, id) = (&self.refresher.flights, held.info.id);
        if !flights.is_running(id) && !flights.may_force(id, self.clock.monotonic()) {
            return Ok(None);
        }
        let outcome = if Refresher::is_renewable(&held, site) {
            self.refresher.renew(&held, site).await
        } else if site.disowns(&refused.secret).await {
            self.refresher.ended(&held).await
        } else {
            // One API that refuses it does not end a grant that nothing renews.
            return Ok(None);
        };
        self.outcome(wanted, outcome, site).map(Some)
    }

    /// The account that the call means.
    async fn held(&self, wanted: &Wanted<'_>) -> Result<Arc<Held>, ObtainError> {
        let upstream = &wanted.tool.site.name;
        let all = self.vault.held(wanted.caller, upstream).await?;
        match self.means(wanted, &all) {
            // Another replica may have connected it a moment ago: nobody is sent to connect what is
            // there.
            Err(ObtainError::Connect(_)) => {
                let all = self.vault.held_anew(wanted.caller, upstream).await?;
                self.means(wanted, &all)
            }
            meant => meant,
        }
    }

    fn means(&self, wanted: &Wanted<'_>, all: &[Arc<Held>]) -> Result<Arc<Held>, ObtainError> {
        match pick(all, wanted.chosen) {
            Picked::One(held) => Ok(self.refresher.flights.newest(held)),
            Picked::None => Err(self.needed(wanted, Reason::NotConnected, wanted.chosen)),
            Picked::Several(labels) => Err(ObtainError::Ambiguous(labels)),
            Picked::Other(labels) => Err(ObtainError::NoSuchAccount(labels)),
        }
    }

    /// Does what was granted do for the tool?
    fn suffices(
        &self,
        wanted: &Wanted<'_>,
        held: &Held,
        site: Option<&Arc<AccountSite>>,
    ) -> Result<(), ObtainError> {
        let label = Some(&held.info.label);
        // The configuration names another provider by now, or another client: what was granted
        // before goes to neither.
        let is_anothers = match (&held.material, site) {
            (Material::Grant(tokens), Some(site)) => tokens.issuer != site.issuer,
            (Material::Static(_), _) | (_, None) => false,
        };
        if held.info.state == CredentialState::NeedsReconnect || is_anothers {
            return Err(self.needed(wanted, Reason::Ended, label));
        }
        let granted = &held.info.scopes;
        let missing = wanted
            .tool
            .scopes
            .iter()
            .filter(|scope| !granted.contains(scope));
        let missing: Vec<&ScopeName> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        let granted: BTreeSet<String> = granted.iter().map(ToString::to_string).collect();
        let covers = |scope: &&ScopeName| {
            site.is_some_and(|site| site.provider.covers(&granted, scope.as_str()))
        };
        if missing.iter().all(covers) {
            Ok(())
        } else if held.info.shortfalls >= ENOUGH_SHORTFALLS {
            Err(ObtainError::Withheld)
        } else {
            Err(self.needed(wanted, Reason::MoreScopes, label))
        }
    }

    fn access(
        &self,
        wanted: &Wanted<'_>,
        held: &Held,
    ) -> Result<Option<Arc<OpenedCredential>>, ObtainError> {
        match &held.material {
            Material::Grant(tokens) => Ok(tokens.access.clone()),
            Material::Static(_) => {
                Err(self.needed(wanted, Reason::NotConnected, Some(&held.info.label)))
            }
        }
    }

    fn outcome(
        &self,
        wanted: &Wanted<'_>,
        outcome: Outcome,
        site: &Arc<AccountSite>,
    ) -> Result<Arc<OpenedCredential>, ObtainError> {
        match outcome {
            Outcome::Fresh(held) => {
                self.suffices(wanted, &held, Some(site))?;
                let access = self.access(wanted, &held)?;
                access.ok_or(ObtainError::ProviderUnavailable)
            }
            Outcome::Ended => Err(self.needed(wanted, Reason::Ended, wanted.chosen)),
            Outcome::Gone => Err(self.needed(wanted, Reason::NotConnected, wanted.chosen)),
            Outcome::Failed(error) => Err(error),
        }
    }

    fn needed(&self, wanted: &Wanted<'_>, reason: Reason, label: Option<&Label>) -> ObtainError {
        let site = &wanted.tool.site;
        ObtainError::Connect(Box::new(ConnectionNeeded {
            upstream: site.name.clone(),
            title: site.title.clone(),
            reason,
            link: self.link(wanted.caller.license_id(), wanted.tool, label),
            departure: Departure::NeverLeft,
        }))
    }
}

enum Picked<'a> {
    One(&'a Arc<Held>),
    None,
    Several(Vec<Label>),
    /// There are some, but not the one that is named: a slip more often than a new account.
    Other(Vec<Label>),
}

/// The one that is named, else the only one.
fn pick<'a>(all: &'a [Arc<Held>], chosen: Option<&Label>) -> Picked<'a> {
    let labels = || all.iter().map(|held| held.info.label.clone()).collect();
    match (chosen, all) {
        (_, []) => Picked::None,
        (Some(label), _) => all
            .iter()
            .find(|held| held.info.label == *label)
            .map_or_else(|| Picked::Other(labels()), Picked::One),
        (None, [only]) => Picked::One(only),
        (None, _) => Picked::Several(labels()),
    }
}
