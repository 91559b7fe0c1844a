//! Reads columns by place, the same way from both databases.

use sqlx::{Row, postgres::PgRow, sqlite::SqliteRow};

use super::StoreError;
use crate::clock::Timestamp;

/// A row's columns by place, counted from 0.
pub(super) trait Columns {
    fn text(&self, at: usize) -> Result<String, StoreError>;
    fn text_or_null(&self, at: usize) -> Result<Option<String>, StoreError>;
    fn int(&self, at: usize) -> Result<i64, StoreError>;
    fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError>;
    fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError>;
    fn bytes_or_null(&self, at: usize) -> Result<Option<Vec<u8>>, StoreError>;

    fn time(&self, at: usize) -> Result<Timestamp, StoreError> {
        self.int(at).map(Timestamp::from_millis)
    }

    fn time_or_null(&self, at: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.int_or_null(at)?.map(Timestamp::from_millis))
    }

    /// A text column that has a type; `what` names the column when it does not fit.
    fn parsed<T: std::str::FromStr>(&self, at: usize, what: &'static str) -> Result<T, StoreError> {
        self.text(at)?
            .parse()
            .map_err(|_| StoreError::Corrupt(what))
    }

    /// A count, which is never negative.
    fn count(&self, at: usize, what: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.int(at)?).map_err(|_| StoreError::Corrupt(what))
    }
}

macro_rules! columns {
    ($($row:ty),*) => {$(
        impl Columns for $row {
            fn text(&self, at: usize) -> Result<String, StoreError> {
                Ok(self.try_get(at)?)
            }

            fn text_or_null(&self, at: usize) -> Result<Option<String>, StoreError> {
                Ok(self.try_get(at)?)
            }

            fn int(&self, at: usize) -> Result<i64, StoreError> {
                Ok(self.try_get(at)?)
            }

            fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
                Ok(self.try_get(at)?)
            }

            fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError> {
                Ok(self.try_get(at)?)
            }

            fn bytes_or_null(&self, at: usize) -> Result<Option<Vec<u8>>, StoreError> {
                Ok(self.try_get(at)?)
            }
        }
    )*};
}

columns!(PgRow, SqliteRow);

/// A count as it is stored; beyond any real count it stays at the largest.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
