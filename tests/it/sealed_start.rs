//! K-01, K-06 and F-21: a gateway that cannot open its vault says why, writes nothing, and goes on
//! by itself; one that loses its key service goes on with what it has.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use tokio::time::{Instant, sleep};
use wicketgate::{
    clock::{ManualClock, Timestamp},
    entropy::OsEntropy,
    kms::{Keyring, VaultTransit, VaultTransitParts},
    secret::SecretString,
};

use crate::support::{
    client::Client,
    gateway::{Setup, TestGateway, known_address, yaml},
    key_service::{Flavour, KeyService, NAMESPACE, TOKEN, VAULT_KEY},
    operator::{Operator, Serving},
    postgres::Private,
    upstream::{SECRET, Upstream},
    wire,
};

/// After the cause is gone it may take one pause, which is a few seconds by then.
const PATIENCE: Duration = Duration::from_secs(40);

/// An installation with these `keys:`, its credential stored.
fn installed(operator: &Operator) {
    operator.run("migrate").done();
    operator
        .run_with(&["credential", "set", "up"], SECRET)
        .done();
}

async fn is_sealed(serving: &Serving, why: &str) {
    assert_eq!(serving.ask("/livez").await.unwrap().status, 200);
    let ready = serving.ask("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(
        ready.json()["status"] == "sealed" && ready.body.contains(why),
        "{}",
        ready.body
    );
    let metrics = serving.ask("/metrics").await.unwrap().body;
    assert!(metrics.contains("wicketgate_sealed 1"), "{metrics}");

    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", serving.public);
    let document = get("/.well-known/oauth-protected-resource/mcp");
    let document = wire::once(serving.public, &document).await.unwrap();
    assert_eq!(document.status, 200, "{}", document.body);
    let client = Client::modern(serving.public, "wgl_anything");
    let answer = client.call("search", json!({ "q": "x" })).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.json()["error"]["code"], 50_300);
    assert!(answer.header("retry-after").is_some());
    // The operator's words are for the operator.
    assert!(!answer.body.contains(why), "{}", answer.body);
    for path in ["/authorize", "/account", "/nothing"] {
        let answer = wire::once(serving.public, &get(path)).await.unwrap();
        assert_eq!(answer.status, 503, "{path}");
    }
}

async fn opens(serving: &Serving, key: &str) {
    let since = Instant::now();
    loop {
        let ready = serving.ask("/readyz").await.unwrap();
        if ready.status == 200 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{}", serving.stderr());
        sleep(Duration::from_millis(50)).await;
    }
    let client = Client::modern(serving.public, key);
    let answer = client.call("search", json!({ "q": "x" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let metrics = serving.ask("/metrics").await.unwrap().body;
    assert!(metrics.contains("wicketgate_sealed 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k_01_a_wrong_master_key_is_named_and_nothing_is_written() {
    let upstream = Upstream::start().await;
    let text = yaml(&Setup::default(), upstream.address);
    let operator = Operator::new(&text.replace("env: KEY", "file: master.key"));
    operator.run("key generate --out master.key").done();
    operator.run("key generate --out wrong.key").done();
    installed(&operator);
    let key = operator.issue("pro");
    let at = |name: &str| operator.place.path(name);
    fs::rename(at("master.key"), at("right.key")).unwrap();
    fs::rename(at("wrong.key"), at("master.key")).unwrap();
    let database = format!("sqlite://{}", at("data/wicketgate.db").display());
    let mut watching = SqliteConnection::connect(&database).await.unwrap();
    let mut version = async || -> i64 {
        let version = sqlx::query_scalar("PRAGMA data_version");
        version.fetch_one(&mut watching).await.unwrap()
    };
    let before = version().await;

    let mut serving = operator.serve_sealed().await;
    is_sealed(&serving, "master key test is not the key that sealed").await;
    // A command does not wait.
    let listed = operator.run("license list").refused(78);
    assert!(listed.err.contains("master key test"), "{}", listed.err);
    sleep(Duration::from_millis(1_500)).await;
    is_sealed(&serving, "master key test is not the key that sealed").await;
    assert_eq!(version().await, before, "somebody wrote");

    fs::rename(at("right.key"), at("master.key")).unwrap();
    opens(&serving, &key).await;
    assert_eq!(serving.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_21_a_store_that_is_late_is_waited_for() {
    let (upstream, mut database) = (Upstream::start().await, Private::start());
    let operator = Operator::of(&upstream, Some(&database.url()), |_| {});
    let key = operator.issue("pro");
    database.order("stop");
    let serving = operator.serve_sealed().await;
    is_sealed(&serving, "the store is unavailable").await;
    database.order("start");
    opens(&serving, &key).await;
}

fn vault_yaml(address: SocketAddr) -> String {
    format!(
        "vault: {{ address: \"http://{address}\", mount: keys/transit, key: {VAULT_KEY}, \
         namespace: {NAMESPACE}, token: {{ env: TOKEN }}, allow_special_use: [127.0.0.0/8] }}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_service_that_is_late_is_waited_for() {
    let (upstream, address) = (Upstream::start().await, known_address());
    let service = KeyService::start_at(Flavour::Vault, address, [7; 32]).await;
    let text = yaml(&Setup::default(), upstream.address);
    let mut operator = Operator::new(&text.replace("env: KEY", &vault_yaml(address)));
    operator.export("TOKEN", TOKEN);
    installed(&operator);
    let key = operator.issue("pro");
    drop(service);

    let mut serving = operator.serve_sealed().await;
    is_sealed(&serving, "the key service is unavailable").await;
    assert_eq!(serving.stop().await, Some(0), "it ends while it waits");

    let serving = operator.serve_sealed().await;
    let _service = KeyService::start_at(Flavour::Vault, address, [7; 32]).await;
    serving.signal("HUP");
    opens(&serving, &key).await;
    let said = serving.stderr() + &serving.stdout();
    assert!(!said.contains(TOKEN), "{said}");
}

fn keyring(address: SocketAddr) -> Keyring {
    let key = VaultTransit::new(VaultTransitParts {
        address: &format!("http://{address}").parse().unwrap(),
        mount: "keys/transit",
        key: VAULT_KEY,
        token: &SecretString::new(TOKEN.to_owned()),
        namespace: Some(NAMESPACE),
        allow_special_use: &["127.0.0.0/8".parse().unwrap()],
        entropy: Arc::new(OsEntropy),
    });
    Keyring::new(vec![("test".parse().unwrap(), Arc::new(key.unwrap()))]).unwrap()
}

/// An upstream that needs no credential.
const OPEN: &str = r"
  open:
    rest:
      base_url: http://@UPSTREAM@
      allow_special_use: [127.0.0.0/8]
      tools:
        - name: look
          description: Looks.
          read_only: true
          request: { path: /v1/search }
          input: { type: object, additionalProperties: false, properties: {} }
";

#[tokio::test]
async fn k_06_an_outage_of_the_key_service_is_bridged_for_an_hour() {
    let address = known_address();
    let service = KeyService::start_at(Flavour::Vault, address, [7; 32]).await;
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_760_000_000_000)));
    let gateway = TestGateway::with(|setup| {
        setup.clock = clock.clone();
        setup.keyring = Some(keyring(address));
        setup.tools = OPEN.to_owned();
    })
    .await;
    let client = Client::modern(gateway.address, &gateway.issue("pro").await.1);
    let status = async |tool: &str| {
        let arguments = if tool == "look" {
            json!({})
        } else {
            json!({ "q": "x" })
        };
        client.call(tool, arguments).await
    };
    assert_eq!(status("search").await.status, 200);
    drop(service);
    clock.advance(Duration::from_mins(30));
    let bridged = status("search").await;
    assert_eq!(bridged.status, 200, "{}", bridged.body);
    assert!(!bridged.body.contains("isError\":true"), "{}", bridged.body);

    clock.advance(Duration::from_mins(90));
    let over = status("search").await;
    assert_eq!(over.status, 503, "{}", over.body);
    assert!(over.header("retry-after").is_some());
    let before = gateway.upstream.count();
    let open = status("look").await;
    assert_eq!(open.status, 200, "{}", open.body);
    assert_eq!(gateway.upstream.count(), before + 1, "it went out");

    let _service = KeyService::start_at(Flavour::Vault, address, [7; 32]).await;
    assert_eq!(status("search").await.status, 200);
}

#[tokio::test]
async fn a_gateway_that_the_operator_sealed_is_not_ready() {
    let gateway = TestGateway::start().await;
    let ready = async || {
        let host = gateway.admin;
        let text = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = wire::once(host, &text).await.unwrap();
        (answer.status, answer.body)
    };
    assert_eq!(ready().await.0, 200);
    let (at, stamp) = (Some(gateway.clock.now()), gateway.stamp());
    let sealed = gateway.store.set_vault_sealed(at, &stamp);
    sealed.await.unwrap();
    gateway.changed().await;
    let (status, body) = ready().await;
    assert_eq!(status, 503);
    assert!(body.contains("\"sealed\""), "{body}");
    let stamp = gateway.stamp();
    let opened = gateway.store.set_vault_sealed(None, &stamp);
    opened.await.unwrap();
    gateway.changed().await;
    assert_eq!(ready().await.0, 200);
}
