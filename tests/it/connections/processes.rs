//! The real program, as it runs for a customer: two processes over one PostgreSQL, real time, calls
//! over sockets; killed, and cut off from their database, at the worst moment.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use wicketgate::{
    clock::{SharedClock, SystemClock},
    crypto::MasterKey,
    entropy::{OsEntropy, SharedEntropy},
    ids::LicenseId,
    kms::Keyring,
    names::Label,
    secret::SecretString,
    store::{CredentialInfo, CredentialState, Store, StoreTarget, Tenant},
    vault::{Issuer, NewGrant, Vault},
};

use super::{SCOPE, acc, connects, succeeded};
use crate::support::{
    client::Client,
    database::Fixture,
    gateway::{Setup, yaml},
    operator::{Operator, Serving},
    postgres::Private,
    provider::{CLIENT_ID, CLIENT_SECRET, Flavour, Hold, OauthProvider, Rotates, api::ResourceApi},
    upstream::{SECRET, Upstream},
    wire::once,
};

const REFRESH: &str = "refresh_token";

/// How many calls come at the moment of expiry, half of them to each process.
const CALLS: usize = 500;

/// How many wait for the renewal that cannot be stored.
const FROM_MEMORY: usize = 5;

/// A configuration for the program, and an account whose access token is over.
struct Site {
    provider: OauthProvider,
    api: ResourceApi,
    operator: Operator,
    store: Store,
    license: LicenseId,
    key: String,
    _upstream: Upstream,
}

impl Site {
    async fn over(url: &str) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let provider = OauthProvider::start(Flavour::Google, Arc::clone(&clock)).await;
        provider.knobs().rotates = Rotates::OneTime;
        let (api, upstream) = (provider.api(SCOPE).await, Upstream::start().await);
        let mut setup = Setup::default();
        connects(&mut setup, Flavour::Google, &provider, &api);
        setup.more += "store: { postgres: { url: { env: DATABASE } } }\n";
        let mut operator = Operator::new(&yaml(&setup, upstream.address));
        operator.export("DATABASE", url);
        operator.export("CLIENT_SECRET", CLIENT_SECRET);
        operator.run("migrate").done();
        operator
            .run_with(&["credential", "set", "up"], SECRET)
            .done();
        let issued = operator.run("license issue --name own --plan pro --json");
        let issued = issued.done().json();
        let id = issued["id"].as_str().or(issued["license"]["id"].as_str());
        let target = StoreTarget::Postgres {
            url: SecretString::new(url.to_owned()),
            max_connections: 4,
        };
        let site = Self {
            license: id.unwrap().parse().unwrap(),
            key: issued["key"].as_str().unwrap().to_owned(),
            store: Store::open(&target).await.unwrap(),
            provider,
            api,
            operator,
            _upstream: upstream,
        };
        site.connect(clock).await;
        site
    }

    /// An account whose access token is over by now.
    async fn connect(&self, clock: SharedClock) {
        let entropy: SharedEntropy = Arc::new(OsEntropy);
        let key = SecretString::new(self.operator.variable("KEY").to_owned());
        let keys = vec![("test".parse().unwrap(), MasterKey::parse(&key).unwrap())];
        let keyring = Keyring::local(keys, &entropy).unwrap();
        let now = clock.now();
        let vault = Vault::bootstrap(self.store.clone(), keyring, clock, entropy);
        let vault = vault.await.unwrap();
        let new = NewGrant {
            access: Some(SecretString::new("canary-at-that-is-over".to_owned())),
            refresh: Some(SecretString::new(self.provider.grant_by_hand(&[SCOPE]))),
            issuer: Issuer::of(&format!("{}/token", self.provider.origin()), CLIENT_ID),
            scopes: vec![SCOPE.parse().unwrap()],
            expires: Some(now),
            shortfalls: 0,
        };
        let (tenant, label) = (Tenant::License(self.license), Label::default_label());
        vault
            .put_grant(tenant, &acc(), &label, &new, "test")
            .await
            .unwrap();
    }

    fn client(&self, gateway: &Serving) -> Client {
        Client::modern(gateway.public, &self.key)
    }

    async fn stored(&self) -> CredentialInfo {
        let tenant = Tenant::License(self.license);
        let mut all = self.store.credentials_by_tenant(tenant).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// The provider has spent the refresh token, and its answer is not there.
    async fn rotated(&self) {
        self.provider.arrivals(1).await;
        until("the provider to rotate", || {
            self.provider.token_requests()[0].status == Some(200)
        })
        .await;
    }

    /// The tokens that the API took.
    fn used(&self) -> Vec<String> {
        let calls = self.api.calls();
        assert!(calls.iter().all(|call| call.status == 200));
        calls.into_iter().filter_map(|call| call.token).collect()
    }
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let waited = async {
        while !is() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = timeout(Duration::from_secs(15), waited).await;
    assert!(waited.is_ok(), "waited for {what}");
}

/// F-14 and F-15, between real processes.
#[tokio::test(flavor = "multi_thread")]
async fn c_07_500_calls_to_two_real_processes_renew_once() {
    let fixture = Fixture::postgres().await;
    let site = Site::over(&fixture.url().unwrap()).await;
    let mut processes = [site.operator.serve().await, site.operator.serve().await];
    // Both know nothing yet: neither the license, nor the account, nor any key.
    site.provider.hold(Hold::Answers);
    let clients = Arc::new(processes.each_ref().map(|process| site.client(process)));
    let began = Instant::now();
    let calls: Vec<_> = (0..CALLS)
        .map(|at| {
            let clients = Arc::clone(&clients);
            tokio::spawn(async move { clients[at % 2].call("report", json!({})).await })
        })
        .collect();
    // The answer comes when the crowd is there.
    site.rotated().await;
    sleep(Duration::from_secs(1)).await;
    site.provider.hold(Hold::Nothing);
    let mut good = 0;
    for call in calls {
        let answer = call.await.unwrap();
        assert!(succeeded(&answer), "{} {}", answer.status, answer.body);
        good += 1;
    }
    println!(
        "acceptance 2: {good} of {CALLS} calls to two processes succeeded in {:?}, {} refreshes",
        began.elapsed(),
        site.provider.count(REFRESH)
    );
    assert_eq!((good, site.provider.count(REFRESH)), (CALLS, 1));
    let mut used = site.used();
    assert_eq!(used.len(), CALLS);
    used.dedup();
    assert_eq!(used.len(), 1, "all with the new one");
    assert_eq!(site.stored().await.generation, 2);
    for process in &mut processes {
        assert_eq!(process.stop().await, Some(0));
        let said = process.stderr() + &process.stdout();
        let canaries = site.provider.canaries();
        assert!(canaries.iter().all(|secret| !said.contains(secret)));
    }
    site.store.close().await;
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_a_process_killed_between_rotation_and_commit() {
    for rotates in [Rotates::OneTime, Rotates::Never] {
        let fixture = Fixture::postgres().await;
        let url = fixture.url().unwrap();
        let site = Site::over(&url).await;
        site.provider.knobs().rotates = rotates;
        let (first, second) = (site.operator.serve().await, site.operator.serve().await);
        site.provider.hold(Hold::Answers);
        let lost = site.client(&first);
        let lost = tokio::spawn(async move {
            let params = json!({ "name": "report", "arguments": {} });
            let message = lost.message(&json!(1), "tools/call", params);
            once(lost.address, &lost.request(&message)).await
        });
        site.rotated().await;
        first.kill();
        site.provider.hold(Hold::Nothing);
        assert!(lost.await.unwrap().is_none(), "nobody is there to answer");

        let client = site.client(&second);
        let taken_over = async {
            sleep(Duration::from_millis(500)).await;
            assert_eq!(site.provider.count(REFRESH), 1, "it is leased");
            // The thirty seconds of the lease pass.
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let sql = "SET wicketgate.tenant = '*'; \
                 UPDATE credentials SET lease_ms = lease_ms - 30000 WHERE lease_ms IS NOT NULL";
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        };
        let (answer, ()) = tokio::join!(client.call("report", json!({})), taken_over);
        assert_eq!(site.provider.count(REFRESH), 2);
        let state = site.stored().await.state;
        let said = second.stderr();
        println!("C-08: {rotates:?}: {state:?}, {}", answer.body);
        if rotates == Rotates::Never {
            assert!(succeeded(&answer), "{}", answer.body);
            assert_eq!(state, CredentialState::Active);
        } else {
            assert!(!succeeded(&answer), "{}", answer.body);
            assert_eq!(state, CredentialState::NeedsReconnect);
            assert!(said.contains("connection.ended"), "{said}");
            assert!(site.api.calls().is_empty());
            let entries = site.store.audit_tail(5).await.unwrap();
            assert!(entries.iter().any(|e| e.action == "connection.refused"));
            // It is over: the provider is not asked again.
            assert!(!succeeded(&client.call("report", json!({})).await));
            assert_eq!(site.provider.count(REFRESH), 2);
        }
        drop(second);
        site.store.close().await;
        fixture.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c_08_a_database_that_stops_between_rotation_and_commit_costs_nothing() {
    let mut database = Private::start();
    let site = Site::over(&database.url()).await;
    let (first, second) = (site.operator.serve().await, site.operator.serve().await);
    site.provider.hold(Hold::Answers);
    let client = site.client(&first);
    let calls: Vec<_> = (0..FROM_MEMORY)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call("report", json!({})).await })
        })
        .collect();
    site.rotated().await;
    // All of them wait for it.
    sleep(Duration::from_millis(500)).await;
    database.order("stop");
    site.provider.hold(Hold::Nothing);
    for call in calls {
        let answer = call.await.unwrap();
        assert!(succeeded(&answer), "{} {}", answer.status, answer.body);
    }
    assert_eq!(site.used().len(), FROM_MEMORY);
    assert!(first.stderr().contains("connection.store_failed"));
    assert!(!first.stderr().contains("connection.stored_late"));

    let stopped = Instant::now();
    database.order("start");
    until("the new pair to be stored", || {
        first.stderr().contains("connection.stored_late")
    })
    .await;
    println!(
        "store failure: {FROM_MEMORY} calls from memory, stored {:?} after the start",
        stopped.elapsed()
    );
    // The other process finds it in the store.
    let other = site.client(&second);
    let since = Instant::now();
    while !succeeded(&other.call("report", json!({})).await) {
        assert!(since.elapsed() < Duration::from_secs(10), "still down");
        sleep(Duration::from_millis(100)).await;
    }
    let mut used = site.used();
    assert_eq!(used.len(), FROM_MEMORY + 1);
    used.dedup();
    assert_eq!(used.len(), 1);
    assert_eq!(site.provider.count(REFRESH), 1);
    assert_eq!(site.stored().await.state, CredentialState::Active);
    drop((first, second));
    site.store.close().await;
}
