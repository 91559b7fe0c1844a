//! What a client's disconnect means: the end of a call in 2026-07-28; nothing in 2025, and nothing to
//! a call that must not run twice.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// A future that goes on by itself when whoever waited for it goes away (2025 era: a disconnect
/// is no cancellation). It costs nothing while somebody waits.
pub struct Detached<T: Send + 'static> {
    future: Option<BoxFuture<'static, T>>,
    tracker: TaskTracker,
}

impl<T: Send + 'static> Detached<T> {
    /// Takes the future over.
    pub fn new(future: BoxFuture<'static, T>, tracker: TaskTracker) -> Self {
        Self {
            future: Some(future),
            tracker,
        }
    }
}

impl<T: Send + 'static> Future for Detached<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = self.future.as_mut() else {
            return Poll::Pending;
        };
        let ready = future.as_mut().poll(context);
        if ready.is_ready() {
            self.future = None;
        }
        ready
    }
}

impl<T: Send + 'static> Drop for Detached<T> {
    fn drop(&mut self) {
        // The call has a deadline of its own, so the task ends.
        if let (Some(future), Ok(runtime)) =
            (self.future.take(), tokio::runtime::Handle::try_current())
        {
            self.tracker.spawn_on(future, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_waiter_does_not_end_the_work() {
        let (told, mut heard) = tokio::sync::mpsc::channel(1);
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let future = Box::pin(async move {
            gate.await.unwrap();
            told.send(7).await.unwrap();
        });
        let detached = Detached::new(future, TaskTracker::new());
        drop(detached);
        go.send(()).unwrap();
        assert_eq!(heard.recv().await, Some(7));
    }

    #[tokio::test]
    async fn an_awaited_one_answers() {
        assert_eq!(
            Detached::new(Box::pin(async { 7 }), TaskTracker::new()).await,
            7
        );
    }
}
