//! Hears at once what other processes changed: PostgreSQL's LISTEN, on a connection of its own.
//!
//! Speed only. What is missed is found by whoever reads [`Store::epochs`] now and then.

use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};

use super::{Db, Epoch, Store, StoreError};

/// What the trigger on `change_epoch` tells on.
const CHANGES: &str = "wicketgate_change";
/// How long connecting and asking may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A connection that has been silent for so long is asked whether it still is one: a peer that
/// vanished says nothing either.
const SILENCE: Duration = Duration::from_secs(10);

/// An ear at the database.
pub struct Listener {
    ear: PgListener,
    /// Of one connection, which is not one of the store's.
    pool: PgPool,
}

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something changed; this is the number now.
    Change(Epoch),
    /// Something that is not understood: look.
    Something,
}

impl Store {
    /// Begins to listen; none where the database cannot tell.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Db::Postgres(store) = &self.db else {
            return Ok(None);
        };
        let options = (*store.connect_options()).clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        let ear = within(async {
            let mut ear = PgListener::connect_with(&pool).await?;
            ear.ignore_pool_close_event(true);
            ear.eager_reconnect(false);
            ear.listen(CHANGES).await?;
            Ok(ear)
        });
        Ok(Some(Listener {
            ear: Box::pin(ear).await?,
            pool,
        }))
    }
}

impl Listener {
    /// Waits for the next change. After an error this ear is deaf: take another.
    pub async fn next(&mut self) -> Result<Heard, StoreError> {
        loop {
            if let Ok(heard) = tokio::time::timeout(SILENCE, self.ear.try_recv()).await {
                let told = heard?.ok_or(StoreError::unavailable("the connection broke"))?;
                return Ok(understood(told.payload()));
            }
            // What comes meanwhile is kept for the next round.
            let alive = sqlx::query("SELECT 1").execute(&mut self.ear);
            within(async { Ok(alive.await?) }).await?;
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        drop(self.ear);
        // A connection that does not end is left to the operating system.
        drop(tokio::time::timeout(PATIENCE, self.pool.close()).await);
    }
}

async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or(Err(StoreError::unavailable("deadline passed")))
}

fn understood(payload: &str) -> Heard {
    let numbers = payload.split_once(' ').and_then(|(value, reloads)| {
        Some(Epoch {
            value: value.parse().ok()?,
            reloads: reloads.parse().ok()?,
        })
    });
    numbers.map_or(Heard::Something, Heard::Change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_numbers_are_a_change() {
        let change = |value, reloads| Heard::Change(Epoch { value, reloads });
        assert_eq!(understood("12 3"), change(12, 3));
        for other in [
            "",
            "12",
            "12 ",
            "12 3 4",
            "-1 0",
            "x y",
            "99999999999999999999 0",
        ] {
            assert_eq!(understood(other), Heard::Something, "{other}");
        }
    }
}
