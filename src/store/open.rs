//! Connects, and says no to statement logs: they would hold what is bound.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Db, Store, StoreError, StoreTarget, bounded};

/// How long a connection or a lock is waited for, and how long a statement may run.
const PATIENCE: Duration = Duration::from_secs(2);
/// One that answered so lately is not asked again: under load that would cost a round trip each time.
const FRESH: Duration = Duration::from_millis(100);
/// How long a connection may be silent that is taken from the pool.
const TAKEN: Duration = Duration::from_millis(500);
/// How long one may be silent that is returned: what was given up has to end first.
const RETURNED: Duration = Duration::from_secs(1);
const READERS: u32 = 4;

impl Store {
    /// Connects. Changes no schema: see [`Store::migrate`].
    pub async fn open(target: &StoreTarget) -> Result<Self, StoreError> {
        let db = match target {
            StoreTarget::Sqlite(path) => open_file(path).await?,
            StoreTarget::SqliteMemory => open_memory().await?,
            StoreTarget::Postgres {
                url,
                max_connections,
            } => open_postgres(url.expose(), *max_connections).await?,
        };
        Ok(Self { db })
    }
}

async fn open_file(path: &Path) -> Result<Db, StoreError> {
    make_closed_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(PATIENCE)
            // A disk without room ends a transaction inside SQLite, and the driver goes on thinking
            // that it is in it: such a connection would refuse every further one. It is replaced.
            .before_acquire(|connection, _| {
                let sound = !connection.is_in_transaction();
                Box::pin(std::future::ready(Ok(sound)))
            })
    };
    // First: it makes the file a WAL database, which readers then find.
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
    let writer = pool().max_connections(1).connect_with(writing);
    let writer = bounded(async { Ok(writer.await?) }).await?;
    let reading = options.pragma("query_only", "on");
    let reader = pool().max_connections(READERS).connect_with(reading);
    let reader = bounded(async { Ok(reader.await?) }).await?;
    Ok(Db::Sqlite { writer, reader })
}

/// Makes the file, so that it is never readable by others; SQLite gives its side files the same
/// mode.
fn make_closed_file(path: &Path) -> Result<(), StoreError> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|e| StoreError::unavailable(format!("directory: {}", e.kind())))?;
    }
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::unavailable(format!("file: {}", error.kind()))),
    }
}

/// One connection that is never let go: with it, the data would be gone.
async fn open_memory() -> Result<Db, StoreError> {
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .foreign_keys(true)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        .connect_with(options);
    let pool = bounded(async { Ok(pool.await?) }).await?;
    Ok(Db::Sqlite {
        writer: pool.clone(),
        reader: pool,
    })
}

async fn open_postgres(url: &str, max_connections: u32) -> Result<Db, StoreError> {
    let millis = PATIENCE.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Target("the PostgreSQL URL is not understood"))?
        .application_name("wicketgate")
        .options([
            ("statement_timeout", millis.as_str()),
            ("lock_timeout", millis.as_str()),
            ("idle_in_transaction_session_timeout", "10000"),
        ])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(max_connections.max(1))
        .acquire_timeout(PATIENCE)
        // A connection is asked whether it still is one when it is taken and, since a statement may
        // have been given up, when it is returned. The pool asks too, but without a limit: there, one
        // whose peer vanished without a word would fail a caller, or keep its place for ever.
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for < FRESH {
                    return Ok(true);
                }
                lives(connection, TAKEN).await
            })
        })
        .after_release(|connection, _| Box::pin(lives(connection, RETURNED)))
        .connect_with(options);
    let pool = Box::pin(pool);
    Ok(Db::Postgres(bounded(async { Ok(pool.await?) }).await?))
}

/// Does it answer in time? An error closes it without ceremony.
async fn lives(connection: &mut PgConnection, patience: Duration) -> Result<bool, sqlx::Error> {
    tokio::time::timeout(patience, connection.ping())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map(|()| true)
}
