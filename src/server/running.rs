//! Calls of the 2025 era that run now, so that `notifications/cancelled` can end them.

use dashmap::DashMap;
use futures_util::future::{AbortHandle, AbortRegistration};
use serde_json::Value;

use crate::{auth::SessionKey, mcp::Id};

/// By session and the client's own request id. Several clients may share a license key and count
/// from one, so an id that more than one call carries cancels none of them.
#[derive(Default)]
pub struct Running(DashMap<(SessionKey, Id), Same>);

/// The calls that carry the same id.
struct Same {
    calls: u32,
    first: AbortHandle,
}

/// A call in the table, until dropped.
pub struct Entry<'r> {
    table: &'r Running,
    key: (SessionKey, Id),
}

impl Running {
    /// Enters a call; the registration ends it when it is cancelled.
    pub fn enter(&self, session: SessionKey, id: Id) -> (Entry<'_>, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        let key = (session, id);
        self.0
            .entry(key.clone())
            .and_modify(|same| same.calls += 1)
            .or_insert(Same {
                calls: 1,
                first: handle,
            });
        (Entry { table: self, key }, registration)
    }

    /// Cancels the one call of this session with this id; anything else is ignored.
    pub fn cancel(&self, session: SessionKey, id: Option<&Value>) {
        let id = match id {
            Some(Value::Number(number)) => Id::Number(number.clone()),
            Some(Value::String(text)) => Id::Text(text.clone()),
            _ => return,
        };
        if let Some(same) = self.0.get(&(session, id))
            && same.calls == 1
        {
            same.first.abort();
        }
    }

    /// How many ids are in the table.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is nothing running?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.table.0.remove_if_mut(&self.key, |_, same| {
            same.calls -= 1;
            same.calls == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{Abortable, pending};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn only_the_one_call_with_an_id_is_cancelled() {
        let (table, session) = (Running::default(), SessionKey::for_tests(1));
        let one = || Id::Number(1.into());
        let (first, registration) = table.enter(session, one());
        table.cancel(SessionKey::for_tests(2), Some(&json!(1)));
        table.cancel(session, Some(&json!(2)));
        table.cancel(session, Some(&json!("1")));
        assert!(!registration.handle().is_aborted());

        let (second, other) = table.enter(session, one());
        table.cancel(session, Some(&json!(1)));
        assert!(!registration.handle().is_aborted() && !other.handle().is_aborted());
        drop(second);

        table.cancel(session, Some(&json!(1)));
        assert!(Abortable::new(pending::<()>(), registration).await.is_err());
        drop(first);
        assert!(table.is_empty());
    }
}
