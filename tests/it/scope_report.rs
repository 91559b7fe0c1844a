//! `scope report`: what a served call needed stands in it, also after `kill -9`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;
use wicketgate::{
    clock::{SharedClock, SystemClock, Timestamp},
    crypto::{MasterKey, generate_master_key_text},
    entropy::{OsEntropy, SharedEntropy},
    ids::LicenseId,
    kms::Keyring,
    names::{Label, UpstreamName},
    secret::SecretString,
    store::{Stamp, Store, StoreTarget, Tenant},
    vault::{Issuer, NewGrant, Vault},
};

use crate::support::{
    client::Client,
    operator::Operator,
    upstream::{SECRET, Upstream},
};

/// Longer than the five seconds that a note may wait to be written.
const PATIENCE: Duration = Duration::from_secs(20);

fn configuration(upstream: &Upstream) -> String {
    let address = upstream.address;
    let one = |name: &str, scopes: &str| {
        format!(
            "  {name}:\n    rest:\n      base_url: http://{address}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 100/s\n      credential: {{ account: \
             {{ provider: github, client_id: us, header: x-api-key, scopes: [{scopes}] }} }}\n      tools:\n        \
             - name: {name}_get\n          description: Gets it.\n          read_only: true\n          \
             scopes: [\"read:user\"]\n          request: {{ path: /it }}\n          input: {{ type: \
             object, additionalProperties: false }}\n"
        )
    };
    format!(
        "keys: [{{ id: k1, env: KEY }}]\n\
         listen: {{ public: \"127.0.0.1:0\", admin: \"127.0.0.1:0\" }}\n\
         plans: {{ pro: {{ tools: [\"*\"] }} }}\nupstreams:\n{}{}",
        one("hub", "\"read:user\""),
        one("other", "user"),
    )
}

/// The operator's vault and store, as another process has them open.
async fn opened(operator: &Operator, key: &SecretString) -> (Vault, Store) {
    let entropy: SharedEntropy = Arc::new(OsEntropy);
    let clock: SharedClock = Arc::new(SystemClock::new());
    let keys = vec![("k1".parse().unwrap(), MasterKey::parse(key).unwrap())];
    let keyring = Keyring::local(keys, &entropy).unwrap();
    let target = StoreTarget::Sqlite(operator.place.path("data/wicketgate.db"));
    let store = Store::open(&target).await.unwrap();
    let vault = Vault::bootstrap(store.clone(), keyring, clock, entropy).await;
    (vault.unwrap(), store)
}

async fn connect(vault: &Vault, license: LicenseId, upstream: &str, scopes: &[&str]) {
    let upstream: UpstreamName = upstream.parse().unwrap();
    let grant = NewGrant {
        access: Some(SecretString::new(SECRET.to_owned())),
        refresh: None,
        issuer: Issuer::of("https://github.com/login/oauth/access_token", "us"),
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        expires: None,
        shortfalls: 0,
    };
    let (tenant, label) = (Tenant::License(license), Label::default_label());
    let put = vault.put_grant(tenant, &upstream, &label, &grant, "test");
    put.await.unwrap();
}

fn verdicts(account: &Value) -> Vec<(String, String)> {
    let scopes = account["scopes"].as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    scopes
        .iter()
        .map(|one| (text(one, "scope"), text(one, "verdict")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_seen_in_the_report_even_after_a_crash() {
    let upstream = Upstream::start().await;
    let mut operator = Operator::new(&configuration(&upstream));
    let key = generate_master_key_text(&OsEntropy);
    operator.export("KEY", key.expose());
    let issued = operator.run("license issue --name Acme --plan pro --json");
    let issued = issued.done().json();
    let license: LicenseId = issued["id"].as_str().unwrap().parse().unwrap();
    let (vault, store) = opened(&operator, &key).await;
    connect(&vault, license, "hub", &["read:user", "gist"]).await;
    connect(&vault, license, "other", &["user"]).await;

    let gateway = operator.serve().await;
    let client = Client::modern(gateway.public, issued["key"].as_str().unwrap());
    for tool in ["hub_get", "hub_get"] {
        let answer = client.call(tool, json!({})).await;
        assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    }
    let long_ago = Timestamp::from_millis(0);
    let since = Instant::now();
    while store.scope_uses(long_ago).await.unwrap().is_empty() {
        assert!(since.elapsed() < PATIENCE, "{}", gateway.stderr());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gateway.kill();
    let uses = store.scope_uses(long_ago).await.unwrap();
    assert_eq!(uses.len(), 1, "two calls are one use: {uses:?}");

    let report = operator.run("scope report --json").done().json();
    let accounts = report["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 2, "{report}");
    assert_eq!(accounts[0]["license_name"], "Acme");
    assert_eq!(accounts[0]["state"], "active");
    let pair = |scope: &str, verdict: &str| (scope.to_owned(), verdict.to_owned());
    assert_eq!(
        verdicts(&accounts[0]),
        [pair("read:user", "needed"), pair("gist", "unused")]
    );
    assert_eq!(
        accounts[0]["scopes"][1]["advice"],
        "connect the account anew: it is no longer asked for"
    );
    assert_eq!(verdicts(&accounts[1]), [pair("user", "unused")]);
    assert_eq!(
        accounts[1]["scopes"][0]["advice"],
        "take other_get from the plan, if not needed"
    );

    // Older calls do not count for a shorter window, and other upstreams are left out.
    let one = operator.run("scope report --upstream hub --license Acme");
    let one = one.done();
    assert!(
        one.out.contains("read:user") && one.out.contains("not yet"),
        "{}",
        one.out
    );
    assert!(
        !one.out.contains("other") && !one.shows(SECRET),
        "{}",
        one.out
    );
    let unknown = operator.run("scope report --license Nobody");
    unknown.refused(1);

    narrower_is_enough(&operator, &vault, &store, license).await;
    store.close().await;
}

/// The wide scope of the second account, once its tool was called; and an account whose grant ended.
async fn narrower_is_enough(operator: &Operator, vault: &Vault, store: &Store, license: LicenseId) {
    let used = wicketgate::store::ScopeUse {
        tenant: Tenant::License(license),
        upstream: "other".parse().unwrap(),
        scope: "read:user".parse().unwrap(),
        last: wicketgate::clock::Clock::now(&SystemClock::new()),
    };
    store.note_scope_uses(&[used]).await.unwrap();
    let stored = store.credentials().await.unwrap();
    let hub = stored.iter().find(|info| info.upstream.as_str() == "hub");
    let stamp = Stamp::new("test", &SystemClock::new(), &OsEntropy);
    assert!(store.grant_refused(hub.unwrap(), &stamp).await.unwrap());
    vault.forget();
    let report = operator.run("scope report --days 1 --json").done().json();
    let accounts = report["accounts"].as_array().unwrap();
    assert_eq!(accounts[0]["state"], "needs_reconnect");
    assert!(
        accounts[0]["advice"]
            .as_str()
            .unwrap()
            .contains("connect it anew")
    );
    assert_eq!(accounts[1]["scopes"][0]["verdict"], "too_wide");
    assert_eq!(accounts[1]["scopes"][0]["enough"], json!(["read:user"]));
    assert_eq!(
        accounts[1]["scopes"][0]["advice"],
        "write read:user in `account.scopes` in its place"
    );
    let table = operator.run("scope report").done();
    assert!(table.out.contains("too wide"), "{}", table.out);
}
