//! Calls that must not run twice. One row decides, for every process, who sends; it is kept for a
//! day with what came of it, sealed. The store cannot open that.

use super::{Fence, Store, StoreError, Tenant, fenced_read, fenced_write, one, rows::Columns, run};
use crate::{clock::Timestamp, crypto::TokenDigest, ids::ReplicaId};

/// A call that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceRecord {
    /// The keyed digest of license, tool and key.
    pub digest: TokenDigest,
    /// Whose call.
    pub tenant: Tenant,
    /// The keyed digest of what it is called with.
    pub arguments: TokenDigest,
    /// Who sends.
    pub replica: ReplicaId,
    /// When it began.
    pub begun: Timestamp,
    /// When it is over, whatever happens.
    pub due: Timestamp,
    /// When all of it is forgotten.
    pub ends: Timestamp,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnceState {
    /// Somebody sends it.
    Begun,
    /// It is done; what came of it is kept.
    Done,
    /// It is done; what came of it is too large to be kept.
    DoneUnkept,
    /// It may have been done. Nobody knows.
    Unknown,
}

impl OnceState {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::DoneUnkept => "done_unkept",
            Self::Unknown => "unknown",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Begun, Self::Done, Self::DoneUnkept, Self::Unknown]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(StoreError::Corrupt("once_calls.state"))
    }
}

/// A call that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceFound {
    /// The keyed digest of what it was called with.
    pub arguments: TokenDigest,
    /// How far it is.
    pub state: OnceState,
    /// When it began.
    pub begun: Timestamp,
    /// When it is over, whatever happens.
    pub due: Timestamp,
    /// What came of it; with [`OnceState::Done`].
    pub sealed: Option<Vec<u8>>,
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnceBegun {
    /// The one who asks.
    Mine,
    /// Somebody else did or does; nothing: they took it back just now.
    Theirs(Option<OnceFound>),
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnceOutcome<'a> {
    /// This, sealed.
    Kept(&'a [u8]),
    /// Something too large to be kept.
    Unkept,
    /// Nobody knows.
    Unknown,
    /// It never left: the key is free again.
    Freed,
}

const FIND: &str = "SELECT arguments, state, begun_ms, due_ms, sealed FROM once_calls \
     WHERE tenant = $1 AND digest = $2 AND ends_ms > $3";

impl Store {
    /// Asks to be the one who sends. One statement decides; a row whose time is over is none.
    pub async fn begin_once(&self, wish: &OnceRecord) -> Result<OnceBegun, StoreError> {
        const BEGIN: &str = "INSERT INTO once_calls \
             (digest, tenant, arguments, state, replica, begun_ms, due_ms, ends_ms, sealed) \
             VALUES ($1, $2, $3, 'begun', $4, $5, $6, $7, NULL) \
             ON CONFLICT (digest) DO UPDATE SET arguments = excluded.arguments, \
             state = excluded.state, replica = excluded.replica, begun_ms = excluded.begun_ms, \
             due_ms = excluded.due_ms, ends_ms = excluded.ends_ms, sealed = NULL \
             WHERE once_calls.tenant = excluded.tenant AND once_calls.ends_ms <= excluded.begun_ms";
        let (tenant, digest) = (wish.tenant.to_string(), wish.digest.as_bytes().as_slice());
        fenced_write!(self, Fence::Of(wish.tenant), tx => {
            let mine = run!(tx, BEGIN, digest, &tenant, wish.arguments.as_bytes().as_slice(),
                wish.replica.to_string(), wish.begun.as_millis(), wish.due.as_millis(),
                wish.ends.as_millis());
            if mine == 1 {
                OnceBegun::Mine
            } else {
                let row = one!(tx, FIND, &tenant, digest, wish.begun.as_millis());
                OnceBegun::Theirs(row.map(|row| found(&row)).transpose()?)
            }
        })
    }

    /// How far a call is; none: nobody sent it, or it never left.
    pub async fn once(
        &self,
        tenant: Tenant,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<OnceFound>, StoreError> {
        fenced_read!(self, Fence::Of(tenant), tx => {
            let digest = digest.as_bytes().as_slice();
            let row = one!(tx, FIND, tenant.to_string(), digest, now.as_millis());
            row.map(|row| found(&row)).transpose()?
        })
    }

    /// Says what came of a call, once; whoever began it does. Was it still to be said?
    pub async fn end_once(
        &self,
        begun: &OnceRecord,
        outcome: OnceOutcome<'_>,
    ) -> Result<bool, StoreError> {
        const END: &str = "UPDATE once_calls SET state = $5, sealed = $6 WHERE tenant = $1 \
             AND digest = $2 AND replica = $3 AND begun_ms = $4 AND state = 'begun'";
        const FREE: &str = "DELETE FROM once_calls WHERE tenant = $1 \
             AND digest = $2 AND replica = $3 AND begun_ms = $4 AND state = 'begun'";
        let (state, sealed) = match outcome {
            OnceOutcome::Kept(sealed) => (Some(OnceState::Done), Some(sealed)),
            OnceOutcome::Unkept => (Some(OnceState::DoneUnkept), None),
            OnceOutcome::Unknown => (Some(OnceState::Unknown), None),
            OnceOutcome::Freed => (None, None),
        };
        let (tenant, digest) = (begun.tenant.to_string(), begun.digest.as_bytes().as_slice());
        let (replica, at) = (begun.replica.to_string(), begun.begun.as_millis());
        let changed = fenced_write!(self, Fence::Of(begun.tenant), tx => match state {
            Some(state) => run!(tx, END, &tenant, digest, &replica, at, state.as_str(), sealed),
            None => run!(tx, FREE, &tenant, digest, &replica, at),
        })?;
        Ok(changed == 1)
    }
}

fn found(row: &impl Columns) -> Result<OnceFound, StoreError> {
    let arguments = row.bytes(0)?.try_into();
    Ok(OnceFound {
        arguments: arguments
            .map(TokenDigest::from_bytes)
            .map_err(|_| StoreError::Corrupt("once_calls.arguments"))?,
        state: OnceState::parse(&row.text(1)?)?,
        begun: row.time(2)?,
        due: row.time(3)?,
        sealed: row.bytes_or_null(4)?,
    })
}
