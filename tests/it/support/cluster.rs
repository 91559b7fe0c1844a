//! Three real gateways over a PostgreSQL and a Redis of their own, behind a real `HAProxy` that runs
//! `deploy/haproxy.cfg`. Any part can be killed, stopped or stalled; all of it ends with the test.

pub(crate) mod balancer;
pub(crate) mod issue;
pub(crate) mod redis;
pub(crate) mod traffic;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};
use wicketgate::{
    secret::SecretString,
    store::{Store, StoreTarget},
};

use self::{balancer::Balancer, redis::Redis};
use super::{
    gateway::{Setup, known_address, yaml},
    operator::{Operator, Serving},
    postgres::Private,
    upstream::{SECRET, Upstream},
};

/// How many gateways.
pub(crate) const REPLICAS: usize = 3;
/// A part that takes longer to come or go hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// One gateway: its place stays when its process goes.
struct Replica {
    /// Its configuration, in the operator's directory.
    file: String,
    public: SocketAddr,
    admin: SocketAddr,
    process: Option<Serving>,
    /// Access logs of processes that ended.
    past: String,
}

/// Everything that a deployment has.
pub(crate) struct Cluster {
    balancer: Balancer,
    replicas: Vec<Replica>,
    pub(crate) operator: Operator,
    pub(crate) store: Store,
    pub(crate) redis: Redis,
    pub(crate) postgres: Private,
    pub(crate) upstream: Upstream,
    database: String,
}

impl Cluster {
    /// Starts all of it and waits until the load balancer gets answers from every gateway.
    pub(crate) async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        let (upstream, postgres, redis) =
            (Upstream::start().await, Private::start(), Redis::start());
        let database = own_database(&postgres).await;
        let mut setup = Setup {
            rest: "      limit: 100000/s\n      max_concurrent: 512\n".into(),
            // HAProxy asks for readiness every 150 ms here.
            limits: "  drain_delay: 1s\n  session: 1000000/min\n  unauthenticated: 1000000/min\n"
                .into(),
            listen: "  trusted_proxies: [127.0.0.0/8]\n".into(),
            more: "public_url: https://gw.test\n".into(),
            ..Setup::default()
        };
        change(&mut setup);
        setup.more += "store: { postgres: { url: { env: DATABASE } } }\n";
        if !setup.more.contains("shared:") {
            setup.more += "shared: { redis: { url: { env: REDIS_URL } } }\n";
        }
        let text = yaml(&setup, upstream.address);
        let mut operator = Operator::new(&text);
        operator.export("DATABASE", &database);
        operator.export("REDIS_URL", &redis.url());
        for (name, value) in &setup.environment {
            operator.export(name, value);
        }
        operator.run("migrate").done();
        operator
            .run_with(&["credential", "set", "up"], SECRET)
            .done();
        let replicas: Vec<Replica> = (0..REPLICAS)
            .map(|at| Replica::write(&operator, &text, &setup, at))
            .collect();
        let target = StoreTarget::Postgres {
            url: SecretString::new(database.clone()),
            max_connections: 8,
        };
        let store = Store::open(&target).await.expect("the store opens");
        let gateways: Vec<_> = replicas.iter().map(|one| (one.public, one.admin)).collect();
        let mut cluster = Self {
            balancer: Balancer::start(&operator.place, &gateways),
            replicas,
            operator,
            store,
            redis,
            postgres,
            upstream,
            database,
        };
        for at in 0..REPLICAS {
            cluster.restart(at).await;
        }
        cluster.all_balanced().await;
        cluster
    }

    /// The load balancer.
    pub(crate) fn through(&self) -> SocketAddr {
        self.balancer.address
    }

    /// All gateways without it.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|one| one.public).collect()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, at: usize) {
        let process = self.replicas[at].process.take().expect("it runs");
        self.replicas[at].past += &process.stdout();
        process.kill();
    }

    /// SIGTERM, and waits for the end, which must be a clean one.
    pub(crate) async fn stop(&mut self, at: usize) {
        let mut process = self.replicas[at].process.take().expect("it runs");
        let code = process.stop().await;
        assert_eq!(code, Some(0), "{}", process.stderr());
        self.replicas[at].past += &process.stdout();
    }

    /// Starts it where it was, and waits until it is ready.
    pub(crate) async fn restart(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        assert!(replica.process.is_none(), "it runs already");
        let process = self.operator.serve_with(&replica.file).await;
        assert_eq!(process.public, replica.public);
        replica.process = Some(process);
    }

    /// Everything it wrote to its access log, over all its processes.
    pub(crate) fn access_log(&self, at: usize) -> String {
        let replica = &self.replicas[at];
        let now = replica.process.as_ref().map(Serving::stdout);
        format!("{}{}", replica.past, now.unwrap_or_default())
    }

    /// How often the gateways answered 503, by the word of the access log.
    pub(crate) fn unavailable(&self) -> BTreeMap<String, usize> {
        let mut words = BTreeMap::new();
        for at in 0..REPLICAS {
            for line in self.access_log(at).lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                if line["status"] == 503 {
                    *words.entry(line["error"].to_string()).or_insert(0) += 1;
                }
            }
        }
        words
    }

    /// What the load balancer wrote of requests that it answered with 502, 503 or 504, or not at all,
    /// and of gateways that came and went.
    pub(crate) fn balancer_troubles(&self) -> Vec<String> {
        let log = self.balancer.log();
        let is_trouble = |line: &&str| {
            let status = line.split(' ').nth(5).unwrap_or_default();
            matches!(status, "502" | "503" | "504" | "-1")
        };
        log.lines().filter(is_trouble).map(str::to_owned).collect()
    }

    /// How often the upstream was asked.
    pub(crate) fn upstream_saw(&self) -> u64 {
        self.upstream.count().try_into().expect("a count")
    }

    /// What today's count is in the store, over all licenses, and how much of it is in leases that
    /// nobody gave back.
    pub(crate) async fn counted(&self) -> Counted {
        const SQL: &str = "SELECT \
            (SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) FROM license_windows \
             WHERE meter = 'calls_day'), \
            (SELECT CAST(COALESCE(SUM(granted), 0) AS BIGINT) FROM call_leases \
             WHERE unspent IS NULL AND meter = 'calls_day')";
        let mut connection = self.connection().await;
        let row: (i64, i64) = sqlx::query_as(SQL)
            .fetch_one(&mut connection)
            .await
            .expect("the counts");
        Counted {
            used: row.0.try_into().expect("a count"),
            in_open_leases: row.1.try_into().expect("a count"),
        }
    }

    /// A connection to the database that sees every tenant.
    pub(crate) async fn connection(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.database)
            .await
            .expect("the database answers");
        sqlx::raw_sql("SET wicketgate.tenant = '*'")
            .execute(&mut connection)
            .await
            .expect("a setting");
        connection
    }

    /// A connection as whoever runs the database server.
    pub(crate) async fn administrator(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url())
            .await
            .expect("the database answers")
    }

    /// Waits until every gateway knows how many there are: by that number it divides limits while
    /// Redis is away. The first hears of the last at its next heartbeat.
    pub(crate) async fn all_counted(&self) {
        let since = Instant::now();
        let wanted = format!("\nwicketgate_replicas {REPLICAS}\n");
        for replica in &self.replicas {
            let process = replica.process.as_ref().expect("it runs");
            let mut metrics = String::new();
            while !metrics.contains(&wanted) {
                assert!(since.elapsed() < PATIENCE, "{metrics}");
                sleep(Duration::from_millis(50)).await;
                let answer = process.ask("/metrics").await;
                metrics = answer.expect("an answer").body;
            }
        }
    }

    /// Waits until the load balancer hands requests to all gateways that run.
    pub(crate) async fn all_balanced(&self) {
        let since = Instant::now();
        for at in 0..REPLICAS {
            if self.replicas[at].process.is_none() {
                continue;
            }
            let before = self.access_log(at).lines().count();
            while self.access_log(at).lines().count() == before {
                assert!(since.elapsed() < PATIENCE, "{}", self.balancer.log());
                self.balancer.ask().await;
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Today's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) used: u64,
    pub(crate) in_open_leases: u64,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // What went before a failure is told with it.
        for (at, replica) in self.replicas.iter().enumerate() {
            let said = replica.process.as_ref().map(Serving::stderr);
            println!("gateway {at}:\n{}", last(&said.unwrap_or_default()));
        }
        println!("load balancer:\n{}", last(&self.balancer.log()));
    }
}

/// The last lines of a log.
fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Replica {
    fn write(operator: &Operator, text: &str, setup: &Setup, at: usize) -> Self {
        let (public, admin) = (known_address(), known_address());
        let text = text
            .replacen(
                &format!("public: {}", setup.public),
                &format!("public: {public}"),
                1,
            )
            .replacen("admin: 127.0.0.1:0", &format!("admin: {admin}"), 1);
        let file = format!("replica-{at}.yaml");
        std::fs::write(operator.place.path(&file), text).expect("a file");
        Self {
            file,
            public,
            admin,
            process: None,
            past: String::new(),
        }
    }
}

/// A database of a role that row-level security holds, as `docs/operations.md` advises.
async fn own_database(postgres: &Private) -> String {
    let mut connection = PgConnection::connect(&postgres.url())
        .await
        .expect("the server answers");
    for sql in [
        "CREATE ROLE wicketgate LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'test'",
        "CREATE DATABASE wicketgate OWNER wicketgate TEMPLATE template0",
    ] {
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .expect("a role and its database");
    }
    let address = postgres.base.rsplit_once('@').expect("a user").1;
    format!("postgres://wicketgate:test@{address}/wicketgate")
}
