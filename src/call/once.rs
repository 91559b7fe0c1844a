//! A call that must not run twice: sent by one, whoever else asks with the same key, on whatever
//! process and however often, is given the same answer for a day. What may have left is never sent
//! again.
//!
//! Stands in front of the day's reservation: an answer that is given again is free of it.

mod key;
mod outcome;
mod under_way;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

pub use self::key::ClientKey;
use self::{
    key::Named,
    outcome::{Outcome, read},
    under_way::{Running, UnderWay},
};
use super::{
    Call, CallError, CallResult,
    detached::Detached,
    policy::{Around, CallLayer},
};
use crate::{
    auth::Principal,
    clock::SharedClock,
    ids::ReplicaId,
    store::{OnceBegun, OnceFound, OnceOutcome, OnceRecord, OnceState, Store, StoreError},
    vault::{AnswerKey, AnswerPlace, Vault, VaultError},
};

/// How long a key counts.
const KEPT: Duration = Duration::from_hours(24);
/// Beyond its deadline a call may take so long to write down what came of it. Then nobody will.
const BEYOND: Duration = Duration::from_mins(1);
/// How long a waiting call lets the store rest at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// When what came of a call is written again, should the store be away. Less than [`BEYOND`].
const AGAIN: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// Why a call is not sent again although nothing can be said of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// Its key was used with other arguments.
    OtherArguments,
    /// The first is under way for longer than this one may wait.
    UnderWay,
    /// The first may have taken effect.
    Unknown,
    /// The first is done, and its answer is not there.
    NotKept,
}

impl Repeated {
    /// The word in logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OtherArguments => "idempotency_key_reused",
            Self::UnderWay => "idempotency_under_way",
            Self::Unknown => "idempotency_outcome_unknown",
            Self::NotKept => "idempotency_answer_not_kept",
        }
    }
}

/// What these calls need.
pub struct OnceParts {
    /// Where it is decided who sends.
    pub store: Store,
    /// Seals answers.
    pub vault: Arc<Vault>,
    /// When it is.
    pub clock: SharedClock,
    /// Who sends here.
    pub replica: ReplicaId,
    /// Holds calls whose clients went away.
    pub detached: TaskTracker,
}

/// The calls of this process that must not run twice. Outlives reloads.
pub struct OnceCalls {
    parts: OnceParts,
    under_way: UnderWay,
}

/// The policy.
#[derive(Clone)]
pub(super) struct Once {
    pub(super) calls: Arc<OnceCalls>,
}

/// What became of one's turn.
enum Turn {
    /// It is over.
    Ended(CallResult),
    /// Somebody else sends it; nothing: they took it back just now.
    Theirs(Box<Call>, Option<OnceFound>),
}

/// This process sends it.
struct Mine {
    record: OnceRecord,
    key: AnswerKey,
    named: Arc<Named>,
    running: Running,
}

impl Around for Once {
    fn around<S: CallLayer>(
        &self,
        inner: &mut S,
        mut call: Call,
    ) -> BoxFuture<'static, CallResult> {
        let Some(key) = call.once.take() else {
            return inner.call(call);
        };
        let (calls, inner) = (Arc::clone(&self.calls), inner.clone());
        Box::pin(async move {
            let named = Named::of(&call, &key, calls.parts.vault.once_key())?;
            let (named, caller, deadline) =
                (Arc::new(named), call.principal.clone(), call.deadline);
            loop {
                let turn = turn(Arc::clone(&calls), inner.clone(), call, Arc::clone(&named));
                // A client that goes away may ask again: what came of it must be there.
                let turn = Detached::new(Box::pin(turn), calls.parts.detached.clone());
                let found = match turn.await {
                    Turn::Ended(result) => return result,
                    Turn::Theirs(back, found) => {
                        call = *back;
                        found
                    }
                };
                if let Some(result) = calls.others(&caller, &named, found, deadline).await? {
                    return result;
                }
            }
        })
    }
}

async fn turn<S: CallLayer>(
    calls: Arc<OnceCalls>,
    mut inner: S,
    mut call: Call,
    named: Arc<Named>,
) -> Turn {
    let caller = call.principal.clone();
    let mine = match calls.begin(&caller, call.deadline, named).await {
        Ok(Begin::Mine(mine)) => mine,
        Ok(Begin::Theirs(found)) => return Turn::Theirs(Box::new(call), found),
        Err(error) => return Turn::Ended(Err(error)),
    };
    call.mark = Some(mine.named.mark.clone());
    // The store may have taken all the time there was: then nothing is sent.
    let result = if Instant::now() < call.deadline {
        inner.call(call).await
    } else {
        Err(CallError::StoreUnavailable)
    };
    calls.end(mine, &result).await;
    Turn::Ended(result)
}

enum Begin {
    Mine(Box<Mine>),
    Theirs(Option<OnceFound>),
}

impl OnceCalls {
    /// None is under way.
    pub fn new(parts: OnceParts) -> Self {
        Self {
            parts,
            under_way: UnderWay::default(),
        }
    }

    async fn begin(
        &self,
        caller: &Principal,
        deadline: Instant,
        named: Arc<Named>,
    ) -> Result<Begin, CallError> {
        let OnceParts {
            store,
            vault,
            clock,
            replica,
            ..
        } = &self.parts;
        // Before anything is sent: of what could not be kept, nothing is.
        let key = vault.answer_key(caller).await;
        let key = key.map_err(|error| refused(&error))?;
        let begun = clock.now();
        let left = deadline.saturating_duration_since(Instant::now());
        let record = OnceRecord {
            digest: named.row,
            tenant: named.tenant,
            arguments: named.arguments,
            replica: *replica,
            begun,
            due: begun.plus(left + BEYOND),
            ends: begun.plus(KEPT),
        };
        match store
            .begin_once(&record)
            .await
            .map_err(|error| away(&error))?
        {
            OnceBegun::Theirs(found) => Ok(Begin::Theirs(found)),
            OnceBegun::Mine => Ok(Begin::Mine(Box::new(Mine {
                record,
                key,
                running: self.under_way.enter(named.row),
                named,
            }))),
        }
    }

    /// Writes down what came of a call. Should the store be away, the caller need not wait for it.
    async fn end(self: &Arc<Self>, mine: Box<Mine>, result: &CallResult) {
        let Mine {
            record,
            key,
            named,
            running,
        } = *mine;
        let outcome = Outcome::of(result);
        let sealed = match &outcome {
            Outcome::Final(answer) => {
                let place = place_of(&named, record.begun);
                Some(self.parts.vault.seal_answer(&key, &place, answer))
            }
            Outcome::Long | Outcome::Nothing | Outcome::Unknown => None,
        };
        if self.written(&record, &outcome, sealed.as_deref()).await {
            return;
        }
        drop(running);
        let here = Arc::clone(self);
        self.parts.detached.spawn(async move {
            for pause in AGAIN {
                sleep(pause).await;
                if here.written(&record, &outcome, sealed.as_deref()).await {
                    return;
                }
            }
            tracing::error!("once.outcome_not_written");
        });
    }

    /// Is it written down, or can it never be?
    async fn written(&self, record: &OnceRecord, outcome: &Outcome, sealed: Option<&[u8]>) -> bool {
        let outcome = match (outcome, sealed) {
            (Outcome::Final(_), Some(sealed)) => OnceOutcome::Kept(sealed),
            (Outcome::Final(_) | Outcome::Long, _) => OnceOutcome::Unkept,
            (Outcome::Nothing, _) => OnceOutcome::Freed,
            (Outcome::Unknown, _) => OnceOutcome::Unknown,
        };
        match self.parts.store.end_once(record, outcome).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!("once.row_is_gone");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "once.outcome_not_written_yet");
                false
            }
        }
    }

    /// What came of a call that somebody else sends or sent, as soon as they know; none: it never
    /// left, and may be sent.
    async fn others(
        &self,
        caller: &Principal,
        named: &Named,
        mut found: Option<OnceFound>,
        deadline: Instant,
    ) -> Result<Option<CallResult>, CallError> {
        let [mut pause, longest] = PAUSES;
        loop {
            if let Some(found) = &found
                && let Some(result) = self.told(caller, named, found).await?
            {
                return Ok(Some(result));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallError::Repeated(Repeated::UnderWay));
            }
            self.under_way.wait(&named.row, pause.min(left)).await;
            if found.is_none() {
                return Ok(None);
            }
            pause = (pause * 2).min(longest);
            let now = self.parts.clock.now();
            let asked = self.parts.store.once(named.tenant, &named.row, now);
            found = asked.await.map_err(|error| away(&error))?;
        }
    }

    /// What can be said of a call now; none: it is under way.
    async fn told(
        &self,
        caller: &Principal,
        named: &Named,
        found: &OnceFound,
    ) -> Result<Option<CallResult>, CallError> {
        if found.arguments != named.arguments {
            return Err(CallError::Repeated(Repeated::OtherArguments));
        }
        match found.state {
            OnceState::Begun if self.parts.clock.now() < found.due => Ok(None),
            // Whoever sent it is gone.
            OnceState::Begun | OnceState::Unknown => Err(CallError::Repeated(Repeated::Unknown)),
            OnceState::DoneUnkept => Err(CallError::Repeated(Repeated::NotKept)),
            OnceState::Done => self.kept(caller, named, found).await.map(Some),
        }
    }

    async fn kept(
        &self,
        caller: &Principal,
        named: &Named,
        found: &OnceFound,
    ) -> Result<CallResult, CallError> {
        let place = place_of(named, found.begun);
        let sealed = found.sealed.as_deref().unwrap_or_default();
        let opened = match self.parts.vault.open_answer(caller, &place, sealed).await {
            Ok(opened) => read(opened.expose()),
            Err(VaultError::Damaged(_)) => None,
            Err(error) => return Err(refused(&error)),
        };
        opened.ok_or_else(|| {
            tracing::error!("once.answer_does_not_open");
            CallError::Repeated(Repeated::NotKept)
        })
    }
}

const fn place_of(named: &Named, begun: crate::clock::Timestamp) -> AnswerPlace<'_> {
    AnswerPlace {
        upstream: &named.upstream,
        row: &named.row,
        begun,
    }
}

fn away(error: &StoreError) -> CallError {
    tracing::warn!(%error, "once.unavailable");
    CallError::StoreUnavailable
}

fn refused(error: &VaultError) -> CallError {
    if matches!(error, VaultError::Sealed) {
        return CallError::Sealed;
    }
    tracing::warn!(%error, "once.unavailable");
    CallError::StoreUnavailable
}
