//! Which scopes calls needed, and when: noted in memory at most once an hour each, written every few
//! seconds. Feeds `scope report`; decides nothing.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::{Equivalent, sync::Cache};

use crate::{
    auth::Principal,
    clock::Timestamp,
    ids::LicenseId,
    names::{ScopeName, UpstreamName},
    store::{ScopeUse, Store, Tenant},
    upstream::BoundTool,
};

/// A use is not noted again for so long: a report speaks of days.
const PACE: Duration = Duration::from_hours(1);
/// Most uses that are known to be noted. A forgotten one is noted once more.
const REMEMBERED: usize = 65_536;
/// Most uses that wait to be written; further ones are noted at a later call.
const MOST_WAITING: usize = 10_000;
/// Most uses in one transaction.
const BATCH: usize = 500;

/// What calls needed since it was last written.
pub struct Uses {
    noted: Cache<Key, Timestamp>,
    waiting: Mutex<Vec<ScopeUse>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    license: LicenseId,
    upstream: UpstreamName,
    scope: ScopeName,
}

/// A key without a copy of its names. Hashes as [`Key`] does: the same fields in the same order.
#[derive(Hash)]
struct Sought<'a> {
    license: LicenseId,
    upstream: &'a UpstreamName,
    scope: &'a ScopeName,
}

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.license == key.license && *self.scope == key.scope && *self.upstream == key.upstream
    }
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            noted: Cache::new(REMEMBERED),
            waiting: Mutex::default(),
        }
    }
}

impl Uses {
    /// Notes what a call of this tool by this caller needs. Within the hour one look-up a scope,
    /// which copies nothing.
    pub fn note(&self, caller: &Principal, tool: &BoundTool, now: Timestamp) {
        let license = caller.license_id();
        for scope in &*tool.scopes {
            self.note_one(license, &tool.site.name, scope, now);
        }
    }

    fn note_one(
        &self,
        license: LicenseId,
        upstream: &UpstreamName,
        scope: &ScopeName,
        now: Timestamp,
    ) {
        let sought = Sought {
            license,
            upstream,
            scope,
        };
        let last = self.noted.get(&sought);
        // A wall clock that was set back notes more often, never less.
        if last.is_some_and(|last| last <= now && now.since(last) < PACE) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            return;
        }
        waiting.push(ScopeUse {
            tenant: Tenant::License(license),
            upstream: upstream.clone(),
            scope: scope.clone(),
            last: now,
        });
        drop(waiting);
        let key = Key {
            license,
            upstream: upstream.clone(),
            scope: scope.clone(),
        };
        self.noted.insert(key, now);
    }

    /// Writes what was noted. What the store does not take is kept for the next time.
    pub async fn write(&self, store: &Store) {
        let mut uses = mem::take(&mut *self.waiting());
        // In one order everywhere, so that two replicas never wait for each other's rows.
        uses.sort_unstable_by(|a, b| {
            (a.tenant, &a.upstream, &a.scope).cmp(&(b.tenant, &b.upstream, &b.scope))
        });
        let mut rest = uses.as_slice();
        while !rest.is_empty() {
            let (some, after) = rest.split_at(rest.len().min(BATCH));
            if let Err(error) = store.note_scope_uses(some).await {
                tracing::warn!(%error, "scopes.use_not_written");
                let mut waiting = self.waiting();
                let room = MOST_WAITING.saturating_sub(waiting.len());
                waiting.extend(rest.iter().take(room).cloned());
                return;
            }
            rest = after;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<ScopeUse>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreTarget;

    const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

    fn license(number: usize) -> LicenseId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        LicenseId::from_bytes(bytes)
    }

    fn note(uses: &Uses, number: usize, scope: &str, after: Duration) {
        let (upstream, scope) = ("up".parse().unwrap(), scope.parse().unwrap());
        uses.note_one(license(number), &upstream, &scope, NOON.plus(after));
    }

    #[test]
    fn a_use_is_noted_once_an_hour() {
        let uses = Uses::default();
        for minutes in [0, 1, 30, 59] {
            note(&uses, 1, "read", Duration::from_mins(minutes));
        }
        assert_eq!(uses.waiting().len(), 1);
        note(&uses, 1, "write", Duration::ZERO);
        note(&uses, 2, "read", Duration::ZERO);
        assert_eq!(uses.waiting().len(), 3);
        note(&uses, 1, "read", Duration::from_hours(1));
        assert_eq!(uses.waiting().len(), 4);
    }

    #[test]
    fn what_waits_is_bounded_and_noted_later() {
        let uses = Uses::default();
        for number in 0..MOST_WAITING + 5 {
            note(&uses, number, "read", Duration::ZERO);
        }
        assert_eq!(uses.waiting().len(), MOST_WAITING);
        uses.waiting().clear();
        note(&uses, MOST_WAITING + 4, "read", Duration::ZERO);
        assert_eq!(uses.waiting().len(), 1);
    }

    #[tokio::test]
    async fn uses_are_written_and_kept_when_the_store_is_away() {
        let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
        let uses = Uses::default();
        for number in 0..=BATCH {
            note(&uses, number, "read", Duration::ZERO);
        }
        // No tables yet: the store refuses.
        uses.write(&store).await;
        assert_eq!(uses.waiting().len(), BATCH + 1);
        assert!(store.scope_uses(NOON).await.is_err());
        store.migrate(NOON).await.unwrap();
        uses.write(&store).await;
        assert_eq!(uses.waiting().len(), 0);
        assert_eq!(store.scope_uses(NOON).await.unwrap().len(), BATCH + 1);
        assert_eq!(
            store.scope_uses(NOON.plus(Duration::from_millis(1))).await,
            Ok(Vec::new())
        );
    }
}
