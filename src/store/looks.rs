//! One look at the store for all who want the same thing at the same moment: a crowd must not take
//! every connection to be told the same. Remembers nothing.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The looks that are under way; at most one for each caller who waits.
pub struct Looks<K: Copy + Eq + Hash, V> {
    running: Mutex<HashMap<K, watch::Receiver<Option<V>>>>,
}

enum Part<V> {
    Looks(watch::Sender<Option<V>>),
    Waits(watch::Receiver<Option<V>>),
}

impl<K: Copy + Eq + Hash, V> Default for Looks<K, V> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Looks<K, V> {
    /// What `look` finds, or what somebody finds who looks for the same already; also when that is an
    /// error. Whoever looks and goes away leaves it to one who waits.
    pub async fn share<F: Future<Output = V>>(&self, key: K, look: impl FnOnce() -> F) -> V {
        loop {
            match self.part(key) {
                Part::Looks(sender) => {
                    let end = End(self, key);
                    let found = look().await;
                    drop(end);
                    sender.send_replace(Some(found.clone()));
                    return found;
                }
                Part::Waits(mut found) => {
                    if let Ok(found) = found.wait_for(Option::is_some).await
                        && let Some(found) = found.clone()
                    {
                        return found;
                    }
                }
            }
        }
    }

    fn part(&self, key: K) -> Part<V> {
        let mut running = self.running();
        if let Some(found) = running.get(&key) {
            return Part::Waits(found.clone());
        }
        let (sender, found) = watch::channel(None);
        running.insert(key, found);
        Part::Looks(sender)
    }
}

impl<K: Copy + Eq + Hash, V> Looks<K, V> {
    fn running(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a look however it ends: dropped before what was found is told, so that a later caller looks
/// anew.
struct End<'a, K: Copy + Eq + Hash, V>(&'a Looks<K, V>, K);

impl<K: Copy + Eq + Hash, V> Drop for End<'_, K, V> {
    fn drop(&mut self) {
        self.0.running().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        task::Poll,
    };

    use futures_util::{future::join_all, poll};

    use super::*;

    #[tokio::test]
    async fn a_crowd_looks_once_and_the_next_looks_anew() {
        let (looks, times) = (Looks::<u8, u32>::default(), AtomicU32::new(0));
        let look = || async {
            tokio::task::yield_now().await;
            times.fetch_add(1, Ordering::Relaxed)
        };
        let found = join_all((0..50).map(|_| looks.share(1, look))).await;
        assert_eq!(found, [0; 50]);
        assert_eq!(looks.share(2, look).await, 1);
        assert_eq!(looks.share(1, look).await, 2);
        assert!(looks.running().is_empty());
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_it_to_the_next() {
        let looks = Arc::new(Looks::<u8, u32>::default());
        let mut first = Box::pin(looks.share(1, std::future::pending::<u32>));
        assert_eq!(poll!(&mut first), Poll::Pending);
        let mut second = Box::pin(looks.share(1, || async { 7 }));
        assert_eq!(poll!(&mut second), Poll::Pending);
        drop(first);
        assert_eq!(second.await, 7);
        assert!(looks.running().is_empty());
    }
}
