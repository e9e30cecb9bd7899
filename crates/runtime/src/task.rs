//! What is wrapped around a spawned future: a panic becomes a log line, an end is always counted.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::{AbortHandle, JoinHandle};
use tracing::error;

/// A spawned task. Dropping this lets the task run on; its scope still waits for it.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Option<T>>);

impl<T> Task<T> {
    pub(crate) fn new(handle: JoinHandle<Option<T>>) -> Self {
        Self(handle)
    }

    pub(crate) fn abort_handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }

    /// Ends the task at its next `.await`.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for the end; `None` when the task panicked or was aborted.
    pub async fn join(self) -> Option<T> {
        self.0.await.ok().flatten()
    }
}

/// Polls `future` to its end; `None` after a panic, which is logged under `scope` and `name` and harms nobody else.
pub(crate) async fn contain<F: Future>(scope: &str, name: &'static str, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|ctx| {
        // Nothing of the future is touched after its panic, so no broken state can be seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(ctx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => {
                error!(scope, task = name, panic = message(panic.as_ref()), "task panicked");
                Poll::Ready(None)
            }
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "(no message)"
    }
}
