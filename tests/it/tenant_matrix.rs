//! The release gate: for every tool, credential, cache, route and handle, alpha gets what is alpha's
//! or what it would get if beta were not there (P2; X-01 to X-04 and X-06).
//!
//! Generated from the route table and the kinds of credentials: what is new there is new here.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::large_futures,
    reason = "only what differs is named; a scene is made once a test"
)]

mod api;
mod handles;
mod names;
mod scene;
mod tools;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::json;

use self::{
    handles::x_01_every_handle_of_beta_is_nothing_to_alpha,
    names::x_06_a_name_of_another_tenant_is_never_scope,
    scene::{Scene, TENANTS},
    tools::{Holding, Kind, Tool},
};
use crate::support::{
    client::Speaks,
    database::{Fixture, on_both},
    wire::Answer,
};

on_both! {
    x_01_every_handle_of_beta_is_nothing_to_alpha
    x_06_a_name_of_another_tenant_is_never_scope
}

/// What was in memory when alpha called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cache {
    /// Nothing: alpha is the first.
    Cold,
    /// Beta called with the same tool and arguments just before.
    WarmFromBeta,
    /// All was forgotten, and then beta called.
    Forgotten,
    /// Beta's credential is a new one (X-04).
    BetaRotated,
    /// Alpha's is (X-04).
    AlphaRotated,
    /// Both call at the same time.
    Together,
    /// Beta's is gone.
    BetaGone,
}

const CACHES: [Cache; 7] = [
    Cache::Cold,
    Cache::WarmFromBeta,
    Cache::Forgotten,
    Cache::BetaRotated,
    Cache::AlphaRotated,
    Cache::Together,
    Cache::BetaGone,
];

const ERAS: [Speaks; 2] = [Speaks::Modern, Speaks::Legacy("2025-11-25")];

/// How many cells there were, by what they have in common.
#[derive(Default)]
struct Counted {
    cells: usize,
    by: BTreeMap<String, usize>,
}

impl Counted {
    fn cell(&mut self, words: [String; 4]) {
        self.cells += 1;
        for word in words {
            *self.by.entry(word).or_default() += 1;
        }
    }

    fn print(&self, what: &str) {
        println!("{what}: {} cells", self.cells);
        for (word, count) in &self.by {
            println!("  {word:<34} {count:>5}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_caches_of_one_process_on_sqlite() {
    let fixture = Fixture::sqlite().await;
    caches(&fixture, 1).await;
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_caches_of_two_processes_on_postgres() {
    let fixture = Fixture::fenced().await;
    caches(&fixture, 2).await;
    fixture.remove().await;
}

/// X-02 to X-04: whatever is remembered, by whichever process.
async fn caches(fixture: &Fixture, processes: usize) {
    let mut scene = Scene::start(fixture, processes).await;
    let mut counted = Counted::default();
    for cache in CACHES {
        prepare(&mut scene, cache).await;
        for tool in Tool::all() {
            for process in 0..processes {
                for speaks in ERAS {
                    cell(&scene, tool, cache, (process, speaks)).await;
                    counted.cell([
                        format!("cache {cache:?}"),
                        format!("kind {:?}", tool.kind),
                        format!("holding {:?}", tool.holding),
                        format!("process {process}, {speaks:?}"),
                    ]);
                }
            }
        }
    }
    // What the APIs saw, over the whole run: no call of one with a credential of the other.
    let arrived = scene.arrived_since([0, 0]);
    for (path, owner) in &arrived {
        let crossed = match path.as_str() {
            "/by/alpha" => owner.starts_with("beta"),
            "/by/beta" => owner.starts_with("alpha"),
            _ => true,
        };
        assert!(
            !crossed && owner != "unknown" && owner != "several",
            "{path}: {owner}"
        );
    }
    counted.print("Caches");
    println!("  {} requests reached an API", arrived.len());
    let tools = Tool::all().len();
    assert_eq!(counted.cells, tools * CACHES.len() * processes * ERAS.len());
    assert!(tools >= 26 && arrived.len() > counted.cells, "{tools}");
    let kinds: BTreeSet<Kind> = Tool::all().iter().map(|tool| tool.kind).collect();
    assert_eq!(kinds.len(), 10);
    scene.stop().await;
}

async fn prepare(scene: &mut Scene, cache: Cache) {
    match cache {
        Cache::BetaRotated => scene.beta.version += 1,
        Cache::AlphaRotated => scene.alpha.version += 1,
        _ => {}
    }
    for tool in Tool::all() {
        match cache {
            Cache::BetaRotated => scene.plant(tool, "beta", scene.beta.version).await,
            Cache::AlphaRotated => scene.plant(tool, "alpha", scene.alpha.version).await,
            Cache::BetaGone => scene.uproot(tool, "beta").await,
            // Any change makes all processes read all credentials again.
            Cache::Forgotten if tool.holding == Holding::Shared => {
                scene.plant(tool, "operator", 1).await;
            }
            _ => {}
        }
    }
    scene.told().await;
}

async fn cell(scene: &Scene, tool: Tool, cache: Cache, (process, speaks): (usize, Speaks)) {
    let name = tool.name();
    let place = format!("{name} {cache:?} {process} {speaks:?}");
    let call = async |tenant: &'static str| {
        let client = scene.client(tenant, process, speaks);
        scene.call(&client, &name, tenant, &json!({})).await
    };
    let before = scene.mark();
    let answers: Vec<(&str, Answer)> = match cache {
        Cache::Cold => vec![("alpha", call("alpha").await), ("beta", call("beta").await)],
        Cache::Together => {
            let calls = (0..8).map(|at| {
                let tenant = TENANTS[at % 2];
                let call = &call;
                async move { (tenant, call(tenant).await) }
            });
            join_all(calls).await
        }
        _ => vec![("beta", call("beta").await), ("alpha", call("alpha").await)],
    };
    for (tenant, answer) in &answers {
        let gone = cache == Cache::BetaGone && *tenant == "beta" && tool.is_own("beta");
        let wanted = match tool.holding {
            Holding::Shared if gone => Some("operator-1".to_owned()),
            _ if gone => None,
            _ => tool.owner(tenant, scene.tenant(tenant).version),
        };
        let other = if *tenant == "alpha" {
            "beta-"
        } else {
            "alpha-"
        };
        assert!(
            !answer.body.contains(other),
            "{place} {tenant}: {}",
            answer.body
        );
        match wanted {
            Some(owner) => {
                // As text of JSON that stands in JSON, and alone.
                let said = format!(r#"\"account\":\"{owner}\""#);
                assert!(
                    answer.body.contains(&said),
                    "{place} {tenant}: {}",
                    answer.body
                );
            }
            None => assert!(
                !answer.body.contains(r#"\"account\""#),
                "{place}: {}",
                answer.body
            ),
        }
    }
    let sent = scene.arrived_since(before).len();
    let wanted = answers
        .iter()
        .filter(|(_, one)| one.body.contains(r#"\"account\""#));
    assert_eq!(
        sent,
        wanted.count(),
        "{place}: a call that failed sent nothing"
    );
}
