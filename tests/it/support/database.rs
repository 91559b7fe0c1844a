//! An empty, migrated store on either database, and the macro that runs a test on both.

use std::{num::NonZeroU32, path::PathBuf, sync::Arc};

use wicketgate::{
    clock::{Clock, ManualClock, Timestamp},
    entropy::{SeededEntropy, SharedEntropy},
    ids::ReplicaId,
    ledger::Ledger,
    license::Allowance,
    quota::Rate,
    secret::SecretString,
    store::{Stamp, Store, StoreTarget},
};

use super::postgres;

/// 2026-11-22T12:00:00Z
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

enum Place {
    Sqlite(
        PathBuf,
        #[expect(dead_code, reason = "removed at the end")] tempfile::TempDir,
    ),
    Postgres(postgres::Database),
}

/// A store of one test, and what tests stand on beside it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: SharedEntropy,
    place: Place,
}

impl Fixture {
    /// On SQLite, in a file.
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("data").join("wicketgate.db");
        Self::migrated(Place::Sqlite(path, dir)).await
    }

    /// On PostgreSQL.
    pub(crate) async fn postgres() -> Self {
        Self::migrated(Place::Postgres(postgres::Database::create().await)).await
    }

    /// On PostgreSQL, as the owner of the tables whom row-level security holds.
    pub(crate) async fn fenced() -> Self {
        Self::migrated(Place::Postgres(postgres::Database::owned().await)).await
    }

    async fn migrated(place: Place) -> Self {
        let store = Store::open(&target(&place)).await.expect("the store opens");
        let report = store.migrate(NOON).await.expect("the schema is made");
        assert_eq!(report.from, 0);
        Self {
            store,
            clock: Arc::new(ManualClock::new(NOON)),
            entropy: Arc::new(SeededEntropy::new(1)),
            place,
        }
    }

    /// The same database, as another process sees it.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&target(&self.place))
            .await
            .expect("the store opens again")
    }

    /// The file; only on SQLite.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Sqlite(path, _) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// The URL; only on PostgreSQL.
    pub(crate) fn url(&self) -> Option<String> {
        match &self.place {
            Place::Sqlite(..) => None,
            Place::Postgres(database) => Some(database.url()),
        }
    }

    /// How a gateway opens it.
    pub(crate) fn target(&self) -> StoreTarget {
        target(&self.place)
    }

    /// A stamp of now.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new("test", &*self.clock, &*self.entropy)
    }

    /// A ledger of a process of its own.
    pub(crate) async fn ledger(&self) -> Ledger {
        let replica = ReplicaId::generate(self.clock.now(), &*self.entropy);
        Ledger::new(
            self.another().await,
            self.clock.clone(),
            self.entropy.clone(),
            replica,
        )
    }

    /// Ends it.
    pub(crate) async fn remove(self) {
        self.store.close().await;
        if let Place::Postgres(database) = self.place {
            database.remove().await;
        }
    }
}

fn target(place: &Place) -> StoreTarget {
    match place {
        Place::Sqlite(path, _) => StoreTarget::Sqlite(path.clone()),
        Place::Postgres(database) => StoreTarget::Postgres {
            url: SecretString::new(database.url()),
            max_connections: 6,
        },
    }
}

/// So many calls a day and nothing else; at least one.
pub(crate) fn per_day(limit: u32) -> Allowance {
    Allowance {
        per_day: Some(NonZeroU32::new(limit).expect("a limit")),
        ..Allowance::of_session(Rate::per_minute(NonZeroU32::MAX))
    }
}

/// Runs each test, an `async fn(&Fixture)`, on both databases.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let fixture = crate::support::database::Fixture::sqlite().await;
                super::$test(&fixture).await;
                fixture.remove().await;
            }
        )*}

        mod postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let fixture = crate::support::database::Fixture::postgres().await;
                super::$test(&fixture).await;
                fixture.remove().await;
            }
        )*}
    };
}

/// Runs each test on both databases, and as a role that row-level security holds.
macro_rules! on_both_and_fenced {
    ($($test:ident)*) => {
        crate::support::database::on_both! { $($test)* }

        mod fenced {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let fixture = crate::support::database::Fixture::fenced().await;
                super::$test(&fixture).await;
                fixture.remove().await;
            }
        )*}
    };
}

pub(crate) use {on_both, on_both_and_fenced};
