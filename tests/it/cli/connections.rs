//! `connection list|revoke`: what customers connected, as their operator sees and ends it.

use std::{fs, sync::Arc};

use serde_json::{Value, json};
use wicketgate::{
    clock::{Clock, SystemClock},
    crypto::MasterKey,
    entropy::{OsEntropy, SharedEntropy},
    ids::LicenseId,
    kms::Keyring,
    names::Label,
    secret::SecretString,
    store::{RevocationRecord, Store, StoreTarget, Tenant},
    vault::{Issuer, NewGrant, Vault},
};

use crate::support::operator::Operator;

const CANARIES: [&str; 2] = ["CANARY-access-51c0", "CANARY-refresh-7be2"];

fn configuration() -> String {
    let one = |name: &str, provider: &str, scope: &str| {
        format!(
            "  {name}:\n    rest:\n      base_url: https://api.example.com\n      limit: 100/s\n      \
             credential: {{ account: {{ provider: {provider}, client_id: us, choose_by: account, \
             scopes: [\"{scope}\"] }} }}\n      tools:\n        - name: {name}_get\n          description: Gets it.\n          \
             read_only: true\n          scopes: [\"{scope}\"]\n          request: {{ path: /it }}\n          \
             input: {{ type: object, additionalProperties: false }}\n"
        )
    };
    format!(
        "keys: [{{ id: k1, env: KEY }}]\nplans: {{ pro: {{ tools: [\"*\"] }} }}\nupstreams:\n{}{}",
        one("google", "google", "openid"),
        one("shop", "amazon", "profile"),
    )
}

/// An operator with licenses for Acme and Bolt.
async fn scene() -> (Operator, Vault, Store, [LicenseId; 2]) {
    let operator = Operator::new(&configuration());
    let licenses = ["Acme", "Bolt"].map(|name| {
        let issued = operator.run(&format!("license issue --name {name} --plan pro --json"));
        let issued = issued.done().json();
        issued["id"].as_str().unwrap().parse().unwrap()
    });
    let entropy: SharedEntropy = Arc::new(OsEntropy);
    let key = SecretString::new(operator.variable("KEY").to_owned());
    let keys = vec![("k1".parse().unwrap(), MasterKey::parse(&key).unwrap())];
    let keyring = Keyring::local(keys, &entropy).unwrap();
    let target = StoreTarget::Sqlite(operator.place.path("data/wicketgate.db"));
    let store = Store::open(&target).await.unwrap();
    let clock = Arc::new(SystemClock::new());
    let vault = Vault::bootstrap(store.clone(), keyring, clock, entropy).await;
    (operator, vault.unwrap(), store, licenses)
}

/// As a gateway stores what a provider granted.
async fn connect(vault: &Vault, license: LicenseId, upstream: &str, label: &str) {
    let secret = |text: &str| Some(SecretString::new(text.to_owned()));
    let grant = NewGrant {
        access: secret(CANARIES[0]),
        refresh: secret(CANARIES[1]),
        issuer: Issuer::of("https://provider.test/token", "client"),
        scopes: vec!["openid".parse().unwrap()],
        expires: None,
        shortfalls: 0,
    };
    let (upstream, label): (_, Label) = (upstream.parse().unwrap(), label.parse().unwrap());
    let tenant = Tenant::License(license);
    let put = vault.put_grant(tenant, &upstream, &label, &grant, "test");
    put.await.unwrap();
}

fn listed(operator: &Operator, more: &str) -> Vec<[String; 3]> {
    let line = format!("connection list --json{more}");
    let ran = operator.run(&line).done();
    assert!(CANARIES.iter().all(|secret| !ran.shows(secret)));
    let all: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    all.iter()
        .map(|one| ["license", "upstream", "label"].map(|key| text(one, key)))
        .collect()
}

async fn queued(store: &Store) -> Vec<RevocationRecord> {
    let now = SystemClock::new().now();
    store.due_revocations(now).await.unwrap()
}

#[tokio::test]
async fn what_is_connected_is_listed_by_license_and_upstream() {
    let (operator, vault, _, [acme, bolt]) = scene().await;
    let empty = operator.run("connection list").done();
    assert!(empty.err.contains("no connected accounts"), "{}", empty.err);
    assert!(listed(&operator, "").is_empty());
    connect(&vault, acme, "google", "work").await;
    connect(&vault, acme, "google", "home").await;
    connect(&vault, acme, "shop", "default").await;
    connect(&vault, bolt, "google", "default").await;

    assert_eq!(listed(&operator, "").len(), 4);
    let row = |license: LicenseId, upstream: &str, label: &str| {
        [license.to_string(), upstream.to_owned(), label.to_owned()]
    };
    let of_bolt = [row(bolt, "google", "default")];
    assert_eq!(listed(&operator, " --license Bolt"), of_bolt);
    let shops = [row(acme, "shop", "default")];
    assert_eq!(listed(&operator, " --upstream shop"), shops);
    let mut both = listed(&operator, " --license Acme --upstream google");
    both.sort();
    assert_eq!(
        both,
        [row(acme, "google", "home"), row(acme, "google", "work")]
    );
    assert!(listed(&operator, " --license Bolt --upstream shop").is_empty());

    let table = operator.run("connection list").done();
    for word in ["UPSTREAM", "google", "work", "active", "openid"] {
        assert!(table.out.contains(word), "{word}: {}", table.out);
    }
    assert!(table.out.contains(&acme.to_string()) && table.out.contains(&bolt.to_string()));
    assert!(CANARIES.iter().all(|secret| !table.shows(secret)));
    operator.run("connection list --license Nobody").refused(1);
    operator
        .run("connection list --upstream Not/A/Name")
        .refused(2);
}

#[tokio::test]
async fn revoking_forgets_at_once_and_queues_the_end_at_the_provider() {
    let (operator, vault, store, [acme, bolt]) = scene().await;
    for (license, upstream, label) in [
        (acme, "google", "default"),
        (acme, "google", "work"),
        (acme, "shop", "default"),
        (bolt, "google", "default"),
    ] {
        connect(&vault, license, upstream, label).await;
    }
    let ran = operator.run("connection revoke Acme google --label work --json");
    let said = ran.done();
    assert_eq!(
        said.json(),
        json!({ "license": acme.to_string(), "upstream": "google", "label": "work",
            "deleted": true, "provider": "queued" })
    );
    assert_eq!(listed(&operator, "").len(), 3);
    let queue = queued(&store).await;
    assert_eq!(queue.len(), 1);
    assert_eq!(queue[0].upstream.as_str(), "google");
    let held = String::from_utf8_lossy(&queue[0].sealed).into_owned();
    assert!(CANARIES.iter().all(|secret| !held.contains(secret)));

    // Whose provider cannot be told, is told themselves.
    let ran = operator
        .run(&format!("connection revoke {acme} shop"))
        .done();
    assert!(
        ran.out.contains("the account's owner ends it"),
        "{}",
        ran.out
    );
    let left = listed(&operator, "");
    assert_eq!(left.len(), 2, "another's account stays: {left:?}");

    // An upstream that is gone from the configuration.
    let path = operator.place.path("wicketgate.yaml");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("  google:\n", "  other:\n");
    fs::write(&path, text).unwrap();
    let ran = operator.run("connection revoke Bolt google --json").done();
    assert_eq!(ran.json()["provider"], "unknown");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let (operator, vault, store, [acme, _]) = scene().await;
    let none = operator.run("connection revoke Acme google").refused(1);
    assert!(none.err.contains("none at all"), "{}", none.err);
    connect(&vault, acme, "google", "work").await;
    for line in [
        "connection revoke Acme google",
        "connection revoke Acme shop --label work",
    ] {
        let ran = operator.run(line).refused(1);
        assert!(ran.err.contains("it has: google work"), "{}", ran.err);
    }
    operator
        .run("connection revoke Bolt google --label work")
        .refused(1);
    operator.run("connection revoke Nobody google").refused(1);
    operator
        .run("connection revoke Acme google --label Not_A_Label!")
        .refused(2);
    assert_eq!(listed(&operator, "").len(), 1);
    assert!(queued(&store).await.is_empty());
}
