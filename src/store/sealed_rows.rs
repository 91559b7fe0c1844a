//! Everything that is sealed, page by page, for rotation and verification. Never for a request.

use super::{
    CredentialRecord, DataKeyRecord, Fence, RevocationRecord, Store, StoreError,
    credentials::{self, credential},
    fenced_read, keys,
    revocations::{self, revocation},
    rows::Columns,
};

/// Which rows, by the data key that seals them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// Any.
    Any,
    /// One that no longer seals, or that is not there.
    Outdated,
}

impl Under {
    const fn outdated(self) -> i64 {
        match self {
            Self::Any => 0,
            Self::Outdated => 1,
        }
    }
}

/// One row. Its id is known also when the rest of it is not what this program writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow<T> {
    /// The row's id.
    pub id: String,
    /// The row.
    pub record: Result<T, StoreError>,
}

impl<T> SealedRow<T> {
    fn read<R: Columns>(
        row: &R,
        record: impl FnOnce(&R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text(0)?,
            record: record(row),
        })
    }
}

impl Store {
    /// The next 200 credentials behind `after`, in the order of ids.
    pub async fn sealed_credentials(
        &self,
        whose: Fence,
        under: Under,
        after: &str,
    ) -> Result<Vec<SealedRow<CredentialRecord>>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            credentials::columns!(),
            ", data_key, sealed FROM credentials \
             WHERE id > $1 AND ($2 = '*' OR tenant = $2) AND ($3 = 0 OR NOT EXISTS \
             (SELECT 1 FROM data_keys k WHERE k.id = credentials.data_key \
             AND k.tenant = credentials.tenant AND k.state = 'active')) ORDER BY id LIMIT 200"
        );
        fenced_read!(self, whose, tx => {
            let rows = sqlx::query(SQL)
                .bind(after)
                .bind(whose.to_string())
                .bind(under.outdated())
                .fetch_all(&mut *tx)
                .await?;
            rows.iter().map(|row| SealedRow::read(row, credential)).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// The next 200 revocations behind `after` that are still to be told, in the order of ids.
    pub async fn sealed_revocations(
        &self,
        under: Under,
        after: &str,
    ) -> Result<Vec<SealedRow<RevocationRecord>>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            revocations::columns!(),
            " FROM grant_revocations WHERE id > $1 AND done_ms IS NULL \
             AND ($2 = 0 OR NOT EXISTS (SELECT 1 FROM data_keys k \
             WHERE k.id = grant_revocations.data_key AND k.tenant = 'operator' \
             AND k.state = 'active')) ORDER BY id LIMIT 200"
        );
        fenced_read!(self, Fence::Of(super::Tenant::Operator), tx => {
            let rows = sqlx::query(SQL)
                .bind(after)
                .bind(under.outdated())
                .fetch_all(&mut *tx)
                .await?;
            rows.iter().map(|row| SealedRow::read(row, revocation)).collect::<Result<Vec<_>, _>>()?
        })
    }

    /// The next 200 data keys behind `after` that are not destroyed, in the order of ids.
    pub async fn sealed_data_keys(
        &self,
        whose: Fence,
        after: &str,
    ) -> Result<Vec<SealedRow<DataKeyRecord>>, StoreError> {
        const SQL: &str = "SELECT id, tenant, kek_id, state, wrapped, created_ms FROM data_keys \
             WHERE id > $1 AND ($2 = '*' OR tenant = $2) AND state <> 'destroyed' \
             ORDER BY id LIMIT 200";
        fenced_read!(self, whose, tx => {
            let rows = sqlx::query(SQL)
                .bind(after)
                .bind(whose.to_string())
                .fetch_all(&mut *tx)
                .await?;
            rows.iter().map(|row| SealedRow::read(row, keys::data_key)).collect::<Result<Vec<_>, _>>()?
        })
    }
}
