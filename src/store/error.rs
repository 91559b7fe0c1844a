//! Why the store did not do as it was asked. No variant holds a stored or presented value.

use std::borrow::Cow;

/// Why the store did not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work again without anybody changing the program: no connection, too late, locked,
    /// disk full, read-only.
    #[error("the database is unavailable: {0}")]
    Unavailable(Cow<'static, str>),
    /// What is stored cannot be understood.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(&'static str),
    /// A newer program has changed the schema.
    #[error("the database has schema {found}, but this program knows only up to {known}")]
    SchemaTooNew {
        /// The newest schema in the database.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// Something of this name exists already, or was changed by somebody else meanwhile.
    #[error("conflicts with what is stored")]
    Conflict,
    /// The target is not one.
    #[error("cannot be opened: {0}")]
    Target(&'static str),
    /// The database refused the statement: a mistake in this program or a damaged schema.
    #[error("the database refused a statement: {0}")]
    Refused(Cow<'static, str>),
}

impl StoreError {
    pub(super) fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(reason.into())
    }
}

impl From<sqlx::Error> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's errors are an open set; what is not named is a fault"
    )]
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => from_database(&*error),
            sqlx::Error::Io(error) => Self::unavailable(format!("{}", error.kind())),
            sqlx::Error::Tls(_) => Self::unavailable("TLS failed"),
            sqlx::Error::PoolTimedOut => Self::unavailable("no connection in time"),
            sqlx::Error::PoolClosed => Self::unavailable("closed"),
            sqlx::Error::WorkerCrashed => Self::unavailable("the connection's worker ended"),
            sqlx::Error::Protocol(_) => Self::unavailable("the connection broke"),
            sqlx::Error::BeginFailed => Self::unavailable("no transaction"),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_) => Self::Corrupt("a column of another type"),
            sqlx::Error::RowNotFound => Self::Corrupt("a row is missing"),
            sqlx::Error::Configuration(_) => Self::Target("the URL is not understood"),
            _ => Self::Refused("driver".into()),
        }
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    if error.is_unique_violation() {
        return StoreError::Conflict;
    }
    let code = error.code().unwrap_or_default().into_owned();
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        // The low byte is the primary code (sqlite.org/rescode.html).
        return match code.parse::<u32>().unwrap_or_default() & 0xff {
            5 => StoreError::unavailable("locked by another process"),
            6 => StoreError::unavailable("a table is locked"),
            8 => StoreError::unavailable("read-only"),
            10 => StoreError::unavailable("the disk failed"),
            13 => StoreError::unavailable("the disk is full"),
            14 => StoreError::unavailable("the file cannot be opened"),
            11 | 26 => StoreError::Corrupt("the file is damaged or not a database"),
            _ => StoreError::Refused(format!("SQLite code {code}").into()),
        };
    }
    // Classes of PostgreSQL's appendix A: connection, authorization, no such database, rolled back
    // by a conflict, resources, operator intervention, system error; and single codes: read-only,
    // lock not available.
    let passing = ["08", "28", "3D", "40", "53", "57", "58"];
    let unavailable = passing.iter().any(|class| code.starts_with(class))
        || ["25006", "55P03"].contains(&code.as_str());
    if unavailable {
        StoreError::unavailable(format!("SQLSTATE {code}"))
    } else if code.starts_with("XX") {
        StoreError::Corrupt("the server reports damage")
    } else {
        StoreError::Refused(format!("SQLSTATE {code}").into())
    }
}
