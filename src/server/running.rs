//! Calls of the 2025 era that run now, so that `notifications/cancelled` can end them.

use dashmap::DashMap;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{auth::SessionKey, mcp::Id};

/// By session and the client's own request id. Several clients may share a license key and count
/// from one, so an id that more than one call carries cancels none of them.
#[derive(Default)]
pub struct Running(DashMap<(SessionKey, Id), Vec<CancellationToken>>);

/// A call in the table, until dropped.
pub struct Entry<'r> {
    table: &'r Running,
    key: (SessionKey, Id),
    token: CancellationToken,
}

impl Running {
    /// Enters a call.
    pub fn enter(&self, session: SessionKey, id: Id) -> Entry<'_> {
        let (key, token) = ((session, id), CancellationToken::new());
        self.0.entry(key.clone()).or_default().push(token.clone());
        Entry {
            table: self,
            key,
            token,
        }
    }

    /// Cancels the one call of this session with this id; anything else is ignored.
    pub fn cancel(&self, session: SessionKey, id: Option<&Value>) {
        let id = match id {
            Some(Value::Number(number)) => Id::Number(number.clone()),
            Some(Value::String(text)) => Id::Text(text.clone()),
            _ => return,
        };
        if let Some(tokens) = self.0.get(&(session, id))
            && let [only] = tokens.as_slice()
        {
            only.cancel();
        }
    }

    /// How many keys are in the table.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is nothing running?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry<'_> {
    /// Resolves when the call is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.token.cancel();
        let key = &self.key;
        if let Some(mut tokens) = self.table.0.get_mut(key) {
            tokens.retain(|token| !token.is_cancelled());
        }
        self.table.0.remove_if(key, |_, tokens| tokens.is_empty());
    }
}
