//! What waits for the writer.
//!
//! At most 16 MiB of it: whoever brings more waits until there is room.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::StoreError;
use crate::model::{LeaseId, Revision};
use crate::txn::{Txn, TxnAnswer};

/// Room, in KiB; each work takes 1 at least.
const ROOM: usize = 16 * 1024;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(super) enum Work {
    Txn {
        txn: Txn,
        reply: Reply<TxnAnswer>,
    },
    Grant {
        ttl: Duration,
        reply: Reply<LeaseId>,
    },
    /// Without a reply when the time of the lease is over.
    Revoke {
        lease: LeaseId,
        reply: Option<Reply<Revision>>,
    },
}

/// Work with the room it takes, given back when it is done.
pub(super) struct Waiting {
    pub(super) work: Work,
    _room: Option<OwnedSemaphorePermit>,
}

impl From<Work> for Waiting {
    fn from(work: Work) -> Self {
        Self { work, _room: None }
    }
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Waiting>,
    nudged: bool,
    closed: bool,
}

/// Why the writer wakes up.
pub(super) enum Turn {
    /// There is this to do; nothing when it is only time to look at the clock.
    Do(Vec<Waiting>),
    /// Everything is done and nothing will come.
    End,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), room: Arc::new(Semaphore::new(ROOM)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work of `size` bytes at the end, once there is room.
    pub(super) async fn push(&self, size: usize, work: Work) -> Result<(), StoreError> {
        let wanted = u32::try_from((size / 1024 + 1).min(ROOM)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| StoreError::Ended)?;
        let mut inner = self.lock();
        if inner.closed {
            return Err(StoreError::Ended);
        }
        inner.waiting.push(Waiting { work, _room: Some(room) });
        drop(inner);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes everything that waits; waits for it, and no longer than `limit`.
    pub(super) fn take(&self, limit: Option<Duration>) -> Turn {
        let mut inner = self.lock();
        loop {
            if !inner.waiting.is_empty() || inner.nudged {
                inner.nudged = false;
                return Turn::Do(std::mem::take(&mut inner.waiting));
            }
            if inner.closed {
                return Turn::End;
            }
            match limit {
                None => inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let (guard, waited) =
                        self.changed.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner);
                    inner = guard;
                    inner.nudged |= waited.timed_out();
                }
            }
        }
    }

    /// Has the writer look at the clock.
    pub(super) fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Takes no more; what waits is still done.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.changed.notify_one();
    }

    /// As `close`, and forgets what waits: whoever waits for an answer learns that none will come.
    pub(super) fn abandon(&self) {
        self.close();
        self.lock().waiting.clear();
    }
}
