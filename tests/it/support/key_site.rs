//! A place where keys are at work, as the operator sees it and as somebody does who can write to the
//! database.

use std::sync::Arc;

use serde_json::Value;
use sqlx::{Connection, PgConnection, SqliteConnection};
use wicketgate::{
    clock::SystemClock,
    crypto::{MasterKey, MasterKeyId},
    entropy::{OsEntropy, SharedEntropy},
    ids::LicenseId,
    kms::Keyring,
    names::UpstreamName,
    secret::SecretString,
    store::{Store, StoreTarget},
    vault::Vault,
};

use super::{database::Fixture, operator::Operator, upstream::Upstream};

/// A second upstream: nothing is stored for it but what licenses have of their own.
const OWN: &str = "  own:
    rest:
      base_url: http://ADDRESS
      allow_special_use: [127.0.0.0/8]
      credential: { header: X-Api-Key }
      limit: 10000/s
      tools:
        - name: look
          description: Looks.
          request: { method: GET, path: /v1/own }
          input: { type: object, additionalProperties: false, properties: {} }
";

/// A directory, a database, two upstreams: one with a credential of the operator, one without.
pub(crate) struct KeySite {
    pub(crate) operator: Operator,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
}

impl KeySite {
    /// On this database; SQLite is a file in the directory.
    pub(crate) async fn on(fixture: &Fixture) -> Self {
        let upstream = Upstream::start().await;
        let database = fixture.url();
        let operator = Operator::of(&upstream, database.as_deref(), |setup| {
            setup.limits = "  session: 1000000/min\n".into();
        });
        let path = operator.place.path("wicketgate.yaml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += &OWN.replace("ADDRESS", &upstream.address.to_string());
        std::fs::write(&path, text).unwrap();
        let target = match database {
            Some(url) => StoreTarget::Postgres {
                url: SecretString::new(url),
                max_connections: 4,
            },
            None => StoreTarget::Sqlite(operator.place.path("data/wicketgate.db")),
        };
        let store = Store::open(&target).await.unwrap();
        Self {
            operator,
            upstream,
            store,
        }
    }

    /// A vault over the same database, with these variables as keys.
    pub(crate) async fn vault(&self, keys: &[(&str, &str)]) -> Vault {
        let entropy: SharedEntropy = Arc::new(OsEntropy);
        let keys = keys.iter().map(|(id, variable)| {
            let text = SecretString::new(self.operator.variable(variable).to_owned());
            let id: MasterKeyId = id.parse().unwrap();
            (id, MasterKey::parse(&text).unwrap())
        });
        let ring = Keyring::local(keys.collect(), &entropy).unwrap();
        let clock = Arc::new(SystemClock::new());
        Vault::bootstrap(self.store.clone(), ring, clock, entropy)
            .await
            .unwrap()
    }

    /// A license; its id and key.
    pub(crate) fn issue(&self, name: &str) -> (LicenseId, String) {
        let line = format!("license issue --name {name} --plan pro --json");
        let issued = self.operator.run(&line).done().json();
        let id = issued["id"].as_str().or(issued["license"]["id"].as_str());
        let id = id.unwrap().parse().unwrap();
        (id, issued["key"].as_str().unwrap().to_owned())
    }

    /// Adds a master key in front of the others.
    pub(crate) fn new_master_key(&mut self) {
        let key = self.operator.run("key generate").done().out;
        self.operator.export("NEXT", key.trim());
        self.operator.place.edit(
            "keys: [{ id: test, env: KEY }]",
            "keys: [{ id: next, env: NEXT }, { id: test, env: KEY }]",
        );
    }

    /// `key status`.
    pub(crate) fn status(&self) -> Value {
        self.operator.run("key status --json").done().json()
    }

    /// `key verify`, which must find nothing wrong.
    pub(crate) fn verified(&self) -> Value {
        let verified = self.operator.run("key verify --json").done().json();
        assert_eq!(verified["faults"]["count"], 0, "{verified}");
        verified
    }
}

/// The upstream for which licenses have credentials of their own.
pub(crate) fn own() -> UpstreamName {
    "own".parse().unwrap()
}

/// Somebody who can write to the database and has no key.
pub(crate) enum Thief {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Thief {
    /// At this place.
    pub(crate) async fn at(site: &KeySite, fixture: &Fixture) -> Self {
        let Some(url) = fixture.url() else {
            let path = site.operator.place.path("data/wicketgate.db");
            let url = format!("sqlite://{}", path.display());
            return Self::Sqlite(SqliteConnection::connect(&url).await.unwrap());
        };
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("SET wicketgate.tenant = '*'")
            .execute(&mut connection)
            .await
            .unwrap();
        Self::Postgres(connection)
    }

    /// Executes statements.
    pub(crate) async fn run(&mut self, sql: String) {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        match self {
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
        }
        .unwrap();
    }
}
