//! Who granted what, and which tokens stand for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use data_encoding::HEXLOWER;
use wicketgate::{
    clock::Timestamp,
    entropy::{Entropy as _, OsEntropy},
};

use super::{Ending, TokenRequest};

#[derive(Default)]
pub(super) struct Book {
    pub(super) tokens: Vec<TokenRequest>,
    pub(super) authorizations: Vec<BTreeMap<String, String>>,
    pub(super) endings: Vec<Ending>,
    pub(super) checks: Vec<u16>,
    pub(super) followed: u32,
    pub(super) minted: Vec<String>,
    pub(super) grants: Vec<Grant>,
    pub(super) codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
}

/// What an account lets the client do.
pub(super) struct Grant {
    pub(super) account: String,
    pub(super) scopes: BTreeSet<String>,
    /// Asked for and not granted.
    pub(super) declined: BTreeSet<String>,
    ended: bool,
}

pub(super) struct Code {
    pub(super) grant: usize,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    /// Google hands out a refresh token only then.
    pub(super) offline: bool,
    pub(super) expires: Timestamp,
    pub(super) used: bool,
}

struct Access {
    grant: Option<usize>,
    account: String,
    scopes: BTreeSet<String>,
    /// None: never.
    expires: Option<Timestamp>,
    withdrawn: bool,
}

struct Refresh {
    grant: usize,
    used: bool,
}

/// Who a good access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) account: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) grant: Option<usize>,
}

impl Book {
    /// Secret text that can be found again wherever it leaks.
    pub(super) fn mint(&mut self, kind: &str) -> String {
        let mut bytes = [0; 16];
        OsEntropy.fill(&mut bytes);
        let text = format!("canary-{kind}-{}", HEXLOWER.encode(&bytes));
        self.minted.push(text.clone());
        text
    }

    pub(super) fn grant(&mut self, account: String, scopes: BTreeSet<String>) -> usize {
        self.grants.push(Grant {
            account,
            scopes,
            declined: BTreeSet::new(),
            ended: false,
        });
        self.grants.len() - 1
    }

    /// What this account granted before and did not end.
    pub(super) fn granted_before(&self, account: &str) -> BTreeSet<String> {
        self.grants
            .iter()
            .filter(|grant| grant.account == account && !grant.ended)
            .flat_map(|grant| grant.scopes.iter().cloned())
            .collect()
    }

    pub(super) fn mint_refresh(&mut self, grant: usize) -> String {
        let text = self.mint("rt");
        let refresh = Refresh { grant, used: false };
        self.refresh.insert(text.clone(), refresh);
        text
    }

    /// An access token for what was granted, or for these of the scopes.
    pub(super) fn mint_access(
        &mut self,
        holder: Holder,
        now: Timestamp,
        lifetime: Option<Duration>,
    ) -> String {
        let text = self.mint("at");
        let access = Access {
            grant: holder.grant,
            account: holder.account,
            scopes: holder.scopes,
            expires: lifetime.map(|span| now.plus(span)),
            withdrawn: false,
        };
        self.access.insert(text.clone(), access);
        text
    }

    pub(super) fn holder_of_grant(&self, grant: usize) -> Holder {
        Holder {
            account: self.grants[grant].account.clone(),
            scopes: self.grants[grant].scopes.clone(),
            grant: Some(grant),
        }
    }

    /// Who this access token stands for; none when it is unknown or over.
    pub(super) fn holder(&self, token: &str, now: Timestamp) -> Option<Holder> {
        let access = self.access.get(token)?;
        let over = access.withdrawn
            || access.expires.is_some_and(|expires| expires <= now)
            || access.grant.is_some_and(|grant| self.grants[grant].ended);
        (!over).then(|| Holder {
            account: access.account.clone(),
            scopes: access.scopes.clone(),
            grant: access.grant,
        })
    }

    /// The grant behind a refresh token that is good. `spend`: it is good for this once; a second use ends
    /// the grant.
    pub(super) fn refreshed(&mut self, token: &str, spend: Spend) -> Option<usize> {
        let refresh = self.refresh.get_mut(token)?;
        if refresh.used {
            self.grants[refresh.grant].ended = true;
        }
        if self.grants[refresh.grant].ended {
            return None;
        }
        refresh.used = spend == Spend::Yes;
        Some(refresh.grant)
    }

    /// Ends the grant behind an access token, over or not, or a refresh token. Was there one?
    pub(super) fn end(&mut self, token: &str) -> bool {
        let access = self.access.get(token).and_then(|access| access.grant);
        let grant = access.or_else(|| self.refresh.get(token).map(|refresh| refresh.grant));
        let Some(grant) = grant.filter(|grant| !self.grants[*grant].ended) else {
            return false;
        };
        self.grants[grant].ended = true;
        true
    }

    pub(super) fn end_all(&mut self) {
        for grant in &mut self.grants {
            grant.ended = true;
        }
    }

    pub(super) fn withdraw(&mut self) {
        for access in self.access.values_mut() {
            access.withdrawn = true;
        }
    }
}

/// Is a refresh token over with its use?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spend {
    Yes,
    No,
}
