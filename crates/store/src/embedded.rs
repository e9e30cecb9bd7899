//! The store in one file: a full copy in memory, one thread that writes, one fsync for all who wait.
//!
//! Reads, and what watches get, come from memory and show only what is on disk. Writes wait in a bounded queue; the
//! writer takes all that wait, decides them one after the other (`draft`, pure), commits them as one transaction of the
//! file with a revision each, and only then publishes and answers. Changes are remembered in memory for watches; after a
//! restart a watch begins at the present.

mod draft;
mod file;
mod follow;
mod leases;
mod owner;
mod queue;
mod state;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::StorageBackend;
use tokio::sync::{oneshot, watch};

use self::file::{Content, StoreFile};
use self::follow::Follower;
use self::leases::Leases;
use self::owner::Owner;
use self::queue::{Queue, Reply, Work};
use self::state::State;
use crate::clock::Clock;
use crate::error::{OpenError, StoreError};
use crate::model::{KeyRange, LeaseId, Revision};
use crate::store::{Answer, Backend, Read, Store};
use crate::txn::{RangeAnswer, Txn, TxnAnswer};
use crate::watch::Watch;

/// How a store is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most bytes of memory its keys and values may take, each with what it costs to keep; 256 MiB. A file that
    /// holds more opens, and takes only writes that make it smaller.
    pub cap: u64,
    /// How much of the past is remembered for watches.
    pub history: History,
    /// How long a read waits for a revision that is not known yet; 5 s.
    pub patience: Duration,
    /// What leases and the past are measured with.
    pub clock: Clock,
}

/// How much of the past is remembered: the limit that is reached first counts. It is the one buffer of all watches; a
/// watch that falls out of it is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// As many writes; 10,000.
    pub revisions: usize,
    /// For as long; 10 minutes.
    pub age: Duration,
    /// As many bytes of keys and values; 64 MiB.
    pub bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cap: 256 << 20, history: History::default(), patience: Duration::from_secs(5), clock: Clock::real() }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { revisions: 10_000, age: Duration::from_secs(600), bytes: 64 << 20 }
    }
}

/// Opens the store in the file `path`, which is made when it is not there; its folder must be. Reads the whole file and
/// checks every checksum in it, so it takes a while for a large one, and blocks the thread.
///
/// # Errors
/// [`OpenError`]; what is in the file stays as it is then.
pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
    let owner = Owner::take(path)?;
    let (file, content) = StoreFile::open(path)?;
    start(file, content, Some(owner), options, path)
}

/// Opens a store that is kept by `backend` instead of a file: tests of what disks do, and a store in memory alone.
///
/// # Errors
/// As [`open`].
pub fn open_on(backend: impl StorageBackend, options: Options) -> Result<Store, OpenError> {
    let (file, content) = StoreFile::open_on(backend)?;
    start(file, content, None, options, Path::new("memory"))
}

fn start(
    file: StoreFile,
    content: Content,
    owner: Option<Owner>,
    options: Options,
    path: &Path,
) -> Result<Store, OpenError> {
    let mut leases = Leases::default();
    let now = options.clock.now();
    for (lease, ttl) in &content.leases {
        leases.grant(*lease, *ttl, now);
    }
    for item in content.items.values() {
        if let Some(lease) = item.lease {
            leases.attach(lease, &item.key);
        }
    }
    let state = State::new(content.items, content.revision, leases.count(), options.history);
    let progress = watch::Sender::new(Progress { revision: content.revision, ended: false });
    let shared = Arc::new(Shared {
        state: RwLock::new(state),
        leases: Mutex::new(leases),
        queue: Arc::new(Queue::new()),
        progress,
        clock: options.clock.clone(),
    });
    let queue = Arc::downgrade(&shared.queue);
    options.clock.on_advance(move || {
        if let Some(queue) = queue.upgrade() {
            queue.nudge();
        }
    });
    let writer = writer::Writer::new(file, owner, Arc::clone(&shared), content.next_lease, options.cap);
    let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
    let unusable = |error: std::io::Error| OpenError::Unusable { path: path.to_owned(), cause: error.to_string() };
    let thread = thread.map_err(unusable)?;
    Ok(Store::new(Embedded { shared, thread: Mutex::new(Some(thread)), patience: options.patience }))
}

/// What the writer and everybody else share. No lock is held across an `.await` or a write to disk.
struct Shared {
    state: RwLock<State>,
    leases: Mutex<Leases>,
    queue: Arc<Queue>,
    progress: watch::Sender<Progress>,
    clock: Clock,
}

/// Where the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    revision: Revision,
    /// The file is closed.
    ended: bool,
}

impl Shared {
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        // A change is published in one call; a panic inside it would leave it half done, and there is none to expect.
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn leases<T>(&self, change: impl FnOnce(&mut Leases) -> T) -> T {
        change(&mut self.leases.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues work and waits for its answer.
    async fn order<T>(&self, size: usize, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(size, work(reply)).await?;
        answer.await.unwrap_or(Err(StoreError::Ended))
    }

    /// Waits until `revision` is known; the last one that is when it does not come.
    async fn reach(&self, revision: Revision, patience: Duration) -> Result<(), StoreError> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.revision >= revision || progress.ended);
        let _ = tokio::time::timeout(patience, reached).await;
        let known = self.progress.borrow().revision;
        if known >= revision { Ok(()) } else { Err(StoreError::Behind { wanted: revision, known }) }
    }
}

struct Embedded {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    patience: Duration,
}

impl Backend for Embedded {
    fn range(&self, range: KeyRange, limit: usize, read: Read) -> Answer<'_, Result<RangeAnswer, StoreError>> {
        Box::pin(async move {
            if let Read::AtLeast(revision) = read {
                self.shared.reach(revision, self.patience).await?;
            }
            Ok(self.shared.read(|state| state.range(&range, limit)))
        })
    }

    fn txn(&self, txn: Txn) -> Answer<'_, Result<TxnAnswer, StoreError>> {
        Box::pin(async move {
            txn.check()?;
            self.shared.order(txn.size(), |reply| Work::Txn { txn, reply }).await
        })
    }

    fn watch(&self, range: KeyRange, from: Revision) -> Result<Watch, StoreError> {
        if self.shared.progress.borrow().ended {
            return Err(StoreError::Ended);
        }
        Ok(Watch::new(Follower::new(Arc::clone(&self.shared), range, from)))
    }

    fn grant(&self, ttl: Duration) -> Answer<'_, Result<LeaseId, StoreError>> {
        // etcd counts leases in whole seconds.
        let whole = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let ttl = Duration::from_secs(whole.max(1));
        Box::pin(self.shared.order(0, move |reply| Work::Grant { ttl, reply }))
    }

    fn keep_alive(&self, lease: LeaseId) -> Answer<'_, Result<Duration, StoreError>> {
        let kept = self.shared.leases(|leases| leases.keep_alive(lease, self.shared.clock.now()));
        Box::pin(std::future::ready(kept.ok_or(StoreError::NoLease { lease })))
    }

    fn revoke(&self, lease: LeaseId) -> Answer<'_, Result<Revision, StoreError>> {
        Box::pin(self.shared.order(0, move |reply| Work::Revoke { lease, reply: Some(reply) }))
    }

    fn compact(&self, to: Revision) -> Answer<'_, Result<(), StoreError>> {
        let done = self.shared.write(|state| state.compact(to));
        Box::pin(std::future::ready(done))
    }

    fn revision(&self) -> Revision {
        self.shared.read(State::revision)
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.shared.queue.close();
            // Fails only when the sender is gone, and `self` holds it.
            let _ = self.shared.progress.subscribe().wait_for(|progress| progress.ended).await;
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.queue.close();
        // As long as the last commit takes: whoever opens the file next must find it free.
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
