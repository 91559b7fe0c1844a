//! What sessions did since it was last written: added up in memory, written every few seconds.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::{DashMap, Entry};

use crate::{
    clock::Timestamp,
    ids::SessionId,
    store::{SessionUse, Store},
};

/// Most sessions that are added up at once; the use of further ones goes unwritten.
const MOST: usize = 100_000;
/// Most sessions in one transaction.
const BATCH: usize = 500;

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// It called a tool.
    Call,
    /// It asked for something else.
    Otherwise,
}

/// Adds up what sessions did.
#[derive(Default)]
pub struct Activity {
    uses: DashMap<SessionId, (Timestamp, u64)>,
    /// How many entries there are: asking the map would lock all of it.
    held: AtomicUsize,
}

impl Activity {
    /// Notes one use.
    pub fn note(&self, session: SessionId, used: Used, now: Timestamp) {
        let calls = match used {
            Used::Call => 1,
            Used::Otherwise => 0,
        };
        self.add(session, now, calls);
    }

    fn add(&self, session: SessionId, seen: Timestamp, calls: u64) {
        match self.uses.entry(session) {
            Entry::Occupied(mut held) => {
                let (last, sum) = held.get_mut();
                *last = seen.max(*last);
                *sum += calls;
            }
            Entry::Vacant(free) => {
                if self.held.fetch_add(1, Ordering::Relaxed) >= MOST {
                    self.held.fetch_sub(1, Ordering::Relaxed);
                } else {
                    free.insert((seen, calls));
                }
            }
        }
    }

    /// Writes what was added up. What the store does not take is kept for the next time.
    pub async fn write(&self, store: &Store) {
        let sessions: Vec<SessionId> = self.uses.iter().map(|entry| *entry.key()).collect();
        for some in sessions.chunks(BATCH) {
            let uses: Vec<SessionUse> = some.iter().filter_map(|id| self.take(*id)).collect();
            if let Err(error) = store.sessions_used(&uses).await {
                tracing::warn!(%error, "sessions.use_not_written");
                for used in uses {
                    self.add(used.session, used.seen, used.calls);
                }
                return;
            }
        }
    }

    fn take(&self, session: SessionId) -> Option<SessionUse> {
        let (session, (seen, calls)) = self.uses.remove(&session)?;
        self.held.fetch_sub(1, Ordering::Relaxed);
        Some(SessionUse {
            session,
            seen,
            calls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_added_up_and_bounded() {
        let activity = Activity::default();
        let at = Timestamp::from_millis;
        let session = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            SessionId::from_bytes(bytes)
        };
        activity.note(session(0), Used::Call, at(5));
        activity.note(session(0), Used::Otherwise, at(9));
        activity.note(session(0), Used::Call, at(7));
        let used = activity.take(session(0)).unwrap();
        assert_eq!((used.seen, used.calls), (at(9), 2));
        assert_eq!(activity.take(session(0)), None);
        for number in 0..MOST + 5 {
            activity.note(session(number), Used::Call, at(1));
        }
        assert_eq!(activity.uses.len(), MOST);
        assert!(activity.take(session(1)).is_some());
        activity.note(session(MOST + 9), Used::Call, at(1));
        assert_eq!(activity.uses.len(), MOST);
    }
}
