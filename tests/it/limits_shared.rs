//! Limits of a whole gateway over PostgreSQL and Redis, and what its answers tell of them.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use url::Url;
use wicketgate::{
    clock::ManualClock,
    limit::redis::{Line, LineFault, LineParts},
    secret::SecretString,
    store::StoreTarget,
    telemetry::{health::State, metrics::Metrics},
};

use crate::support::{
    client::Client,
    database::{Fixture, NOON},
    gateway::TestGateway,
    redis::Redis,
    relay::Relay,
};

const SHARED: &str = "shared: { redis: { url: { env: REDIS_URL } } }\n";

fn count(info: &str, command: &str) -> u64 {
    let line = format!("cmdstat_{command}:calls=");
    let found = info.lines().find_map(|l| l.strip_prefix(&line));
    found.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

async fn asked(redis: &Redis) -> u64 {
    let mut connection = redis.connection().await;
    let info = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut connection)
        .await;
    let info: String = info.unwrap();
    count(&info, "evalsha") + count(&info, "eval") + count(&info, "zrem")
}

async fn through_a_relay(fixture: &Fixture) -> (Relay, StoreTarget) {
    let mut url = Url::parse(&fixture.url().unwrap()).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let relay = Relay::before(server.parse().unwrap()).await;
    url.set_port(Some(relay.address.port())).unwrap();
    let target = StoreTarget::Postgres {
        url: SecretString::new(url.to_string()),
        max_connections: 4,
    };
    (relay, target)
}

#[tokio::test]
async fn a_steady_call_asks_redis_once_and_the_database_nothing() {
    const CALLS: u64 = 300;
    let (fixture, redis) = (Fixture::postgres().await, Redis::start());
    let (relay, target) = through_a_relay(&fixture).await;
    let url = redis.url();
    let mut gateway = TestGateway::with(|setup| {
        setup.target = target;
        setup.more = SHARED.to_owned();
        setup.environment.push(("REDIS_URL", url.clone()));
        setup.redis = Some(url.clone());
        setup.limits = "  session: 100000/min\n".into();
        setup.plans = "  pro: { per_minute: 100000, per_day: 1000000, tools: [\"*\"] }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    for _ in 0..50 {
        assert_eq!(client.call("search", json!({ "q": "a" })).await.status, 200);
    }
    let (asked_before, executed_before) = (asked(&redis).await, relay.statements());
    let since = Instant::now();
    for _ in 0..CALLS {
        assert_eq!(client.call("search", json!({ "q": "a" })).await.status, 200);
    }
    let (asked, executed) = (
        asked(&redis).await - asked_before,
        relay.statements() - executed_before,
    );
    println!("{CALLS} calls: {asked} questions to Redis, {executed} statements to PostgreSQL");
    // Beside the calls, by time and not by call: probes, what the upstream lends in blocks; the look
    // at the epoch, heartbeats, activity, and the day's blocks of fifty.
    let seconds = since.elapsed().as_secs() + 1;
    assert!((CALLS..CALLS + 30 * seconds).contains(&asked), "{asked}");
    assert!(executed < CALLS / 50 + 20 * seconds, "{executed}");
    gateway.stop().await;
    fixture.remove().await;
}

#[tokio::test]
async fn answers_tell_how_the_windows_stand() {
    let clock = Arc::new(ManualClock::new(NOON));
    let mut gateway = TestGateway::with(|setup| {
        setup.clock = clock;
        setup.limits = "  session: 3/min\n".into();
        setup.plans = "  pro: { per_minute: 30, tools: [\"*\"] }\n".into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let first = client.call("search", json!({ "q": "a" })).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"session\";q=3;w=60, \"license_minute\";q=30;w=60")
    );
    assert_eq!(
        first.header("ratelimit"),
        Some("\"session\";r=2;t=20, \"license_minute\";r=29;t=2")
    );
    // What does not fit costs the session only.
    let unfit = client.call("search", json!({ "q": 1 })).await;
    assert_eq!(unfit.header("ratelimit"), Some("\"session\";r=1;t=40"));
    client.call("search", json!({ "q": "a" })).await;
    let refused = client.call("search", json!({ "q": "a" })).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("20"));
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"session\";q=3;w=60")
    );
    assert_eq!(refused.header("ratelimit"), Some("\"session\";r=0;t=20"));
    let lists = client.rpc("tools/list", json!({})).await;
    assert_eq!(lists.header("ratelimit"), None);
    gateway.stop().await;
}

/// A limit that each process keeps for its share may be passed by all together: a tool that costs
/// more than others is not called by it.
#[tokio::test]
async fn q_04_without_redis_only_what_is_dear_is_refused() {
    let mut redis = Redis::start();
    let url = redis.url();
    let mut gateway = TestGateway::with(|setup| {
        setup.more = SHARED.to_owned();
        setup.environment.push(("REDIS_URL", url.clone()));
        setup.redis = Some(url.clone());
        setup.tools = "        - name: dear\n          description: Costs.\n          \
                       read_only: true\n          cost: 2\n          request: { path: /v1/dear }\n          \
                       input: { type: object, additionalProperties: false }\n"
            .into();
    })
    .await;
    let (_, key) = gateway.issue("pro").await;
    let client = Client::modern(gateway.address, &key);
    let dear = async || client.call("dear", json!({})).await;
    let usual = async || client.call("search", json!({ "q": "a" })).await;
    let fit = dear().await;
    assert_eq!(fit.json()["result"]["isError"], false, "{}", fit.body);
    redis.kill();
    let mut refused = 0;
    for _ in 0..10 {
        let answer = dear().await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        refused += 1;
        let answer = usual().await;
        assert_eq!(answer.json()["result"]["isError"], false, "{}", answer.body);
    }
    assert_eq!(gateway.upstream.count(), 1 + 10, "no dear call left");
    redis.begin();
    let since = tokio::time::Instant::now();
    while dear().await.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(20), "it stays closed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "{refused} of 10 dear calls refused and 10 of 10 usual ones answered without Redis; dear \
         ones again {:?} after its return",
        since.elapsed()
    );
    gateway.stop().await;
}

/// A certificate for loopback, by an authority of its own.
fn certificates(folder: &Path) {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = rcgen::CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn made(url: &SecretString, ca_file: Option<&Path>) -> Result<Arc<Line>, LineFault> {
    let line = Line::new(LineParts {
        url,
        ca_file,
        timeout: Duration::from_secs(2),
        without: State::Degraded,
        clock: Arc::new(ManualClock::new(NOON)),
        metrics: Metrics::new(),
    })?;
    Ok(Arc::new(line))
}

#[tokio::test]
async fn redis_may_ask_for_tls_and_a_user() {
    wicketgate::egress::install_tls_provider();
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let redis = Redis::with(&[
        "--tls-port",
        "@PORT@",
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &file("cert.pem"),
        "--tls-key-file",
        &file("key.pem"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--user",
        "default",
        "off",
        "--user",
        "gate",
        "on",
        ">s3cret",
        "~wg:*",
        "+@all",
        "-@admin",
        "-@dangerous",
    ]);
    let ca = folder.path().join("ca.pem");
    let line = |user: &str, ca: Option<&Path>| {
        let url = format!("rediss://{user}@localhost:{}/0", redis.port);
        made(&SecretString::new(url), ca).unwrap()
    };
    assert!(line("gate:s3cret", Some(&ca)).connect().await.is_ok());
    assert!(line("gate:wrong", Some(&ca)).connect().await.is_err());
    assert!(
        line("gate:s3cret", None).connect().await.is_err(),
        "not the system's authority"
    );
    let said = format!("{:?}", line("gate:s3cret", Some(&ca)));
    assert!(!said.contains("s3cret"), "{said}");
    let bad = SecretString::new("https://user:s3cret@redis.example".to_owned());
    let fault = made(&bad, None).unwrap_err().to_string();
    assert!(
        fault.contains("rediss://") && !fault.contains("s3cret"),
        "{fault}"
    );
}
