//! What the store says when the schema or the database is not as it should be.

use std::os::unix::fs::PermissionsExt;

use sqlx::{Connection, PgConnection, Row, SqliteConnection};
use wicketgate::{
    secret::SecretString,
    store::{Store, StoreError, StoreTarget, newest_schema},
};

use crate::support::database::{Fixture, NOON, on_both};

on_both! {
    migrating_again_changes_nothing
    a_newer_schema_is_refused
    a_closed_store_is_unavailable
}

async fn migrating_again_changes_nothing(fixture: &Fixture) {
    let report = fixture.store.migrate(NOON).await.unwrap();
    assert_eq!(report.from, newest_schema());
    assert!(report.steps.is_empty());
    assert!(fixture.store.pending().await.unwrap().steps.is_empty());
    fixture.store.ping().await.unwrap();
}

async fn a_newer_schema_is_refused(fixture: &Fixture) {
    const SQL: &str =
        "INSERT INTO schema_migrations (version, name, applied_ms) VALUES (99, 'later', 0)";
    if fixture.file().is_some() {
        let mut raw = sqlite(fixture).await;
        sqlx::query(SQL).execute(&mut raw).await.unwrap();
    } else {
        let mut raw = PgConnection::connect(&fixture.url().unwrap())
            .await
            .unwrap();
        sqlx::query(SQL).execute(&mut raw).await.unwrap();
    }
    let refused = StoreError::SchemaTooNew {
        found: 99,
        known: newest_schema(),
    };
    assert_eq!(fixture.store.migrate(NOON).await, Err(refused.clone()));
    assert_eq!(fixture.store.pending().await, Err(refused));
}

async fn a_closed_store_is_unavailable(fixture: &Fixture) {
    fixture.store.close().await;
    let error = fixture.store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

async fn sqlite(fixture: &Fixture) -> SqliteConnection {
    let url = format!("sqlite://{}", fixture.file().unwrap().display());
    SqliteConnection::connect(&url).await.unwrap()
}

#[tokio::test]
async fn an_empty_database_has_everything_pending() {
    let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
    assert_eq!(
        store.pending().await.unwrap().steps,
        [
            "0001_init",
            "0002_sessions",
            "0003_connections",
            "0004_usage",
            "0005_replicas",
            "0006_once"
        ]
    );
    store.migrate(NOON).await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), 0);
}

#[tokio::test]
async fn both_schemas_have_the_same_columns() {
    const LITE: &str = "SELECT m.name, c.name, c.\"notnull\" = 1 FROM sqlite_master m \
         JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.name";
    const PG: &str = "SELECT table_name::text, column_name::text, is_nullable = 'NO' \
         FROM information_schema.columns WHERE table_schema = 'public' \
         ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"";
    let (lite, pg) = (Fixture::sqlite().await, Fixture::postgres().await);
    let mut raw = sqlite(&lite).await;
    let rows = sqlx::query(LITE).fetch_all(&mut raw).await.unwrap();
    let of_lite: Vec<(String, String, bool)> = rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect();
    let mut raw = PgConnection::connect(&pg.url().unwrap()).await.unwrap();
    let rows = sqlx::query(PG).fetch_all(&mut raw).await.unwrap();
    let of_pg: Vec<(String, String, bool)> = rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect();
    assert!(of_lite.len() > 50);
    assert_eq!(of_lite, of_pg);
    lite.remove().await;
    pg.remove().await;
}

#[tokio::test]
async fn the_file_is_closed_to_others_and_durable() {
    let fixture = Fixture::sqlite().await;
    let mode = std::fs::metadata(fixture.file().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut raw = sqlite(&fixture).await;
    let journal = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(journal.get::<String, _>(0), "wal");
    fixture.remove().await;
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_unavailable() {
    let fixture = Fixture::sqlite().await;
    let mut raw = sqlite(&fixture).await;
    let held = sqlx::query("BEGIN IMMEDIATE").execute(&mut raw).await;
    held.unwrap();
    let error = fixture.store.migrate(NOON).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    sqlx::query("ROLLBACK").execute(&mut raw).await.unwrap();
    fixture.store.migrate(NOON).await.unwrap();
    fixture.remove().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not.db");
    std::fs::write(&path, "CANARY ".repeat(1_000)).unwrap();
    let error = Store::open(&StoreTarget::Sqlite(path)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_its_url_is_not_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let open = async |url: String| {
        let target = StoreTarget::Postgres {
            url: SecretString::new(url),
            max_connections: 1,
        };
        Store::open(&target).await.unwrap_err()
    };
    let error = open(format!("postgres://u:CANARY@127.0.0.1:{port}/d")).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("CANARY"));
    let error = open("CANARY".to_owned()).await;
    assert!(matches!(error, StoreError::Target(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("CANARY"));
}
