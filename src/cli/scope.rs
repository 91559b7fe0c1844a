//! `wicketgate scope report`: what accounts granted against what calls needed. Changes nothing.

pub mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU32,
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::verdict::{Judged, Verdict, judge};
use super::{
    failure::Failure,
    license::{expiry::minute, select},
    open::Desk,
    output,
};
use crate::{
    clock::Timestamp,
    config::{
        Config, ToolConfig,
        credential::AccountConfig,
        provider::{Access, Provider},
    },
    ids::LicenseId,
    names::{ScopeName, UpstreamName},
    store::{CredentialInfo, CredentialKind, CredentialState, ScopeUse, Store, Tenant},
};

/// Uses are kept for so many days.
const MOST_DAYS: u32 = 400;

/// Compare what accounts granted with what calls needed
#[derive(Debug, Subcommand)]
pub enum ScopeCommand {
    Report(ReportArgs),
}

/// List granted scopes: which were needed, which are too wide, which no call needed; and what to do
///
/// Accounts of one license at one upstream share what their calls needed.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Only of this license: its id, the beginning of its id, or its name
    #[arg(long)]
    license: Option<String>,
    /// Only of this upstream
    #[arg(long)]
    upstream: Option<UpstreamName>,
    /// How many days back calls count; at most 400
    #[arg(long, default_value = "90")]
    days: NonZeroU32,
}

/// Runs the command.
pub async fn run(desk: &Desk, command: ScopeCommand) -> Result<(), Failure> {
    let ScopeCommand::Report(args) = command;
    let opened = desk.open().await?;
    let (config, store) = (&opened.loaded.config, &opened.store);
    let license = match &args.license {
        Some(wanted) => Some(select::find(store, wanted).await?.id),
        None => None,
    };
    let days = args.days.get().min(MOST_DAYS);
    let window = Duration::from_hours(24).saturating_mul(days);
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp::from_millis(desk.clock.now().as_millis().saturating_sub(window));
    let used = by_grant(store.scope_uses(since).await?);
    let none = BTreeMap::new();
    let mut accounts = Vec::new();
    for info in store.credentials().await? {
        let Tenant::License(owner) = info.tenant else {
            continue;
        };
        let wanted = license.is_none_or(|license| license == owner)
            && (args.upstream.as_ref()).is_none_or(|upstream| *upstream == info.upstream);
        if info.kind != CredentialKind::Grant || !wanted {
            continue;
        }
        let site = Site::of(config, &info.upstream);
        let used = used.get(&(owner, info.upstream.clone())).unwrap_or(&none);
        accounts.push(Account {
            owner,
            name: name_of(store, owner).await?,
            judged: judge(&info.scopes, used, site.provider.as_ref()),
            site,
            info,
        });
    }
    let machine = json!({
        "since": since.to_string(),
        "days": days,
        "accounts": accounts.iter().map(|account| account.to_json(since)).collect::<Vec<_>>(),
    });
    let head = [
        "license",
        "upstream",
        "account",
        "scope",
        "access",
        "last needed",
        "what to do",
    ];
    let rows = accounts.iter().flat_map(|account| account.rows(since));
    desk.output.show(&machine, output::table(head, rows));
    if accounts.is_empty() {
        desk.output.note("no connected accounts");
    } else {
        desk.output.note(format_args!(
            "Calls of the last {days} days. A grant gets narrower when its account is connected anew."
        ));
    }
    Ok(())
}

/// When each scope was needed last, by license and upstream.
type Needed = BTreeMap<(LicenseId, UpstreamName), BTreeMap<ScopeName, Timestamp>>;

fn by_grant(uses: Vec<ScopeUse>) -> Needed {
    let mut needed = Needed::new();
    for one in uses {
        if let Tenant::License(license) = one.tenant {
            let of_grant = needed.entry((license, one.upstream)).or_default();
            of_grant.insert(one.scope, one.last);
        }
    }
    needed
}

async fn name_of(store: &Store, license: LicenseId) -> Result<String, Failure> {
    let license = store.license(license).await?;
    Ok(license.map_or_else(|| "-".to_owned(), |license| license.name))
}

/// What the configuration says of an upstream's accounts.
struct Site<'a> {
    account: Option<&'a AccountConfig>,
    provider: Option<Provider>,
    /// Tools by the scope they name.
    tools: HashMap<&'a ScopeName, Vec<&'a ToolConfig>>,
}

impl<'a> Site<'a> {
    fn of(config: &'a Config, name: &UpstreamName) -> Self {
        let rest = config.upstreams.get(name).and_then(|one| one.rest.as_ref());
        let credential = rest.and_then(|rest| rest.credential.as_ref());
        let account = credential.and_then(|credential| credential.account.as_ref());
        let provider = account.and_then(|account| config.provider(&account.provider).ok());
        let mut tools: HashMap<&ScopeName, Vec<&ToolConfig>> = HashMap::new();
        for tool in rest.into_iter().flat_map(|rest| &rest.tools) {
            for scope in &tool.scopes {
                tools.entry(scope).or_default().push(tool);
            }
        }
        Self {
            account,
            provider,
            tools,
        }
    }

    /// The names of the tools that a grant of this scope is enough for.
    fn tools_of(&self, scope: &ScopeName) -> Vec<&str> {
        let alone = BTreeSet::from([scope.to_string()]);
        let covers = |needed: &ScopeName| {
            needed == scope
                || (self.provider.as_ref())
                    .is_some_and(|provider| provider.covers(&alone, needed.as_str()))
        };
        let tools = self.tools.iter().filter(|(needed, _)| covers(needed));
        let tools = tools.flat_map(|(_, tools)| tools.iter().map(|tool| tool.name.as_str()));
        tools.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What to do about a granted scope.
    fn advice(&self, judged: &Judged) -> String {
        let scope = &judged.scope;
        let Some(account) = self.account else {
            return "the upstream connects no accounts any more: disconnect it".to_owned();
        };
        let asked_for = account.scopes.contains(scope);
        match &judged.verdict {
            Verdict::Needed(_) => String::new(),
            Verdict::Always => "nothing: the provider is always asked for it".to_owned(),
            Verdict::TooWide(_) | Verdict::Unused if !asked_for => {
                "connect the account anew: it is no longer asked for".to_owned()
            }
            Verdict::TooWide(less) => {
                let less: Vec<_> = less.iter().map(ScopeName::as_str).collect();
                format!("write {} in `account.scopes` in its place", less.join(", "))
            }
            Verdict::Unused => match self.tools_of(scope).as_slice() {
                [] => "remove it from `account.scopes`: no tool needs it".to_owned(),
                tools => format!("take {} from the plan, if not needed", tools.join(", ")),
            },
        }
    }
}

/// One connected account.
struct Account<'a> {
    owner: LicenseId,
    name: String,
    info: CredentialInfo,
    judged: Vec<Judged>,
    site: Site<'a>,
}

const RECONNECT: &str = "its provider no longer takes the grant: connect it anew, or disconnect it";

impl Account<'_> {
    /// Was it connected only after the window began? Then that a scope was not needed says little.
    fn is_young(&self, since: Timestamp) -> bool {
        self.info.created > since
    }

    fn to_json(&self, since: Timestamp) -> Value {
        let scopes: Vec<Value> = self
            .judged
            .iter()
            .map(|judged| {
                let (last, enough) = match &judged.verdict {
                    Verdict::Needed(last) => (Some(last.to_string()), None),
                    Verdict::TooWide(less) => (None, Some(less)),
                    Verdict::Unused | Verdict::Always => (None, None),
                };
                json!({
                    "scope": judged.scope,
                    "access": judged.access,
                    "verdict": judged.verdict.word(),
                    "last_needed": last,
                    "enough": enough,
                    "advice": self.site.advice(judged),
                })
            })
            .collect();
        let state = self.info.state;
        json!({
            "license": self.owner,
            "license_name": self.name,
            "upstream": self.info.upstream,
            "label": self.info.label,
            "hint": self.info.hint,
            "state": state.as_str(),
            "advice": (state == CredentialState::NeedsReconnect).then_some(RECONNECT),
            "connected": self.info.created.to_string(),
            "connected_in_window": self.is_young(since),
            "scopes": scopes,
        })
    }

    fn rows(&self, since: Timestamp) -> Vec<[String; 7]> {
        let row = |scope: &str, access: &str, last: String, advice: String| {
            [
                self.name.clone(),
                self.info.upstream.to_string(),
                self.info.label.to_string(),
                scope.to_owned(),
                access.to_owned(),
                last,
                advice,
            ]
        };
        let mut rows = Vec::new();
        if self.info.state == CredentialState::NeedsReconnect {
            rows.push(row("-", "-", "-".to_owned(), RECONNECT.to_owned()));
        }
        rows.extend(self.judged.iter().map(|judged| {
            let access = match judged.access {
                Some(Access::Read) => "read",
                Some(Access::Write) => "write",
                None => "unknown",
            };
            let last = match &judged.verdict {
                Verdict::Needed(last) => minute(*last),
                Verdict::TooWide(_) => "too wide".to_owned(),
                Verdict::Unused if self.is_young(since) => "not yet".to_owned(),
                Verdict::Unused => "never".to_owned(),
                Verdict::Always => "-".to_owned(),
            };
            row(
                judged.scope.as_str(),
                access,
                last,
                self.site.advice(judged),
            )
        }));
        rows
    }
}
