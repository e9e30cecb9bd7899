//! The thread that writes the journal, so that a disk that is slow or gone stops nobody.
//!
//! Entries wait in a bounded queue. When it is full, or a write failed, entries are dropped and counted, and the next
//! compaction writes everything again: what is lost in between is only lost to a restart in that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use madang_telemetry::Counter;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{Entry, Journal};

/// Entries that may wait.
const QUEUE: usize = 4096;

/// Entries of one write.
const GROUP: usize = 64;

/// How long an answer waits for its entry. A disk that takes longer is as good as gone.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

enum Order {
    Append(Entry),
    Compact(Vec<Entry>),
}

/// Where entries are handed in. All calls come under the registry's lock.
#[derive(Debug)]
pub(crate) struct Writer {
    orders: SyncSender<Order>,
    queued: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How many orders are done, written or not.
    done: watch::Sender<u64>,
    /// The files lack something, or are large: everything should be written again.
    wants_compaction: AtomicBool,
    failures: Counter,
}

/// A promise that everything queued so far is written, or never will be.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: u64,
    done: watch::Receiver<u64>,
}

impl Ticket {
    /// Waits, but not for longer than an answer may.
    pub(crate) async fn written(self) {
        let _ = tokio::time::timeout(PATIENCE, self.settled()).await;
    }

    /// Waits however long it takes.
    pub(crate) async fn settled(mut self) {
        let number = self.number;
        // Fails only when the thread ended, and then nothing is written any more.
        let _ = self.done.wait_for(|done| *done >= number).await;
    }
}

impl Writer {
    /// Starts the thread; it ends when the writer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(journal: Journal) -> std::io::Result<Self> {
        let (orders, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            done: watch::Sender::new(0),
            wants_compaction: AtomicBool::new(false),
            failures: Counter::new(),
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("registry-log".to_owned()).spawn(move || work(journal, &queue, &theirs))?;
        Ok(Self { orders, queued: 0, shared })
    }

    /// One whose thread takes nothing: a disk that hangs.
    #[cfg(test)]
    pub(crate) fn stalled(room: usize) -> Self {
        let (orders, queue) = sync_channel(room);
        std::mem::forget(queue);
        let (done, wants_compaction) = (watch::Sender::new(0), AtomicBool::new(false));
        Self { orders, queued: 0, shared: Arc::new(Shared { done, wants_compaction, failures: Counter::new() }) }
    }

    /// Queues one entry.
    pub(crate) fn append(&mut self, entry: Entry) {
        self.queue(Order::Append(entry));
    }

    /// Queues a compaction when it is time; `everything` is asked only then.
    pub(crate) fn compact_when_needed(&mut self, everything: impl FnOnce() -> Vec<Entry>) {
        if self.shared.wants_compaction.swap(false, Relaxed) {
            self.queue(Order::Compact(everything()));
        }
    }

    fn queue(&mut self, order: Order) {
        match self.orders.try_send(order) {
            Ok(()) => self.queued += 1,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.failures.inc();
                self.shared.wants_compaction.store(true, Relaxed);
            }
        }
    }

    /// For what has been queued so far.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket { number: self.queued, done: self.shared.done.subscribe() }
    }

    /// Entries that are not on disk.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.get()
    }
}

fn work(mut journal: Journal, queue: &Receiver<Order>, shared: &Shared) {
    let (mut appends_fail, mut compactions_fail) = (false, false);
    let mut next = None;
    while let Some(order) = next.take().or_else(|| queue.recv().ok()) {
        let mut count = 1;
        let (written, failed) = match order {
            Order::Append(entry) => {
                let mut entries = vec![entry];
                // Those that wait already go in the same write.
                while entries.len() < GROUP && next.is_none() {
                    match queue.try_recv() {
                        Ok(Order::Append(entry)) => entries.push(entry),
                        Ok(other @ Order::Compact(_)) => next = Some(other),
                        Err(_) => break,
                    }
                }
                count = entries.len() as u64;
                (journal.append(&entries), &mut appends_fail)
            }
            Order::Compact(entries) => {
                let written = journal.compact(entries.into_iter());
                if written.is_err() {
                    shared.wants_compaction.store(true, Relaxed);
                }
                (written, &mut compactions_fail)
            }
        };
        // Told when it begins and when it ends, not each time.
        match &written {
            Ok(()) if *failed => info!("registrations are written to disk again"),
            Ok(()) => {}
            Err(error) if *failed => debug!(%error, "a registration is still not on disk"),
            Err(error) => {
                warn!(%error, "registrations cannot be written to disk; they count, but a restart would not know them");
            }
        }
        *failed = written.is_err();
        if *failed {
            shared.failures.add(count);
        }
        if journal.wants_compaction() {
            shared.wants_compaction.store(true, Relaxed);
        }
        shared.done.send_modify(|done| *done += count);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::instance::Face;
    use crate::instance::testing::instance;

    fn register(id: &str) -> Entry {
        let (service, face) = ("orders".to_owned(), Face::new("eureka"));
        Entry::Register { service, face, instance: Arc::new(instance(id, 80)), registered_ms: 1, up_ms: 2, word: None }
    }

    #[tokio::test]
    async fn what_a_ticket_waited_for_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::start(Journal::open(folder.path()).unwrap().0).unwrap();
        for count in 1..=3 {
            writer.append(register("a"));
            writer.ticket().settled().await;
            assert_eq!(Journal::open(folder.path()).unwrap().1.len(), count);
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_stops_nobody_and_is_written_again_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut writer = Writer::start(Journal::open(&data).unwrap().0).unwrap();
        writer.shared.wants_compaction.store(true, Relaxed);
        fs::remove_dir_all(&data).unwrap();
        // A deleted file still takes appends; writing all again is what fails.
        writer.compact_when_needed(|| vec![register("a")]);
        writer.append(register("b"));
        writer.ticket().settled().await;
        assert!(writer.failures() > 0);
        fs::create_dir(&data).unwrap();
        writer.compact_when_needed(|| vec![register("a"), register("b")]);
        writer.append(register("c"));
        writer.ticket().settled().await;
        assert_eq!(Journal::open(&data).unwrap().1, [register("a"), register("b"), register("c")]);
    }

    #[tokio::test]
    async fn an_answer_waits_for_a_hanging_disk_only_so_long_and_what_does_not_fit_is_counted() {
        let mut writer = Writer::stalled(2);
        (0..3).for_each(|_| writer.append(register("a")));
        let before = std::time::Instant::now();
        writer.ticket().written().await;
        assert!((PATIENCE..Duration::from_secs(20)).contains(&before.elapsed()), "{:?}", before.elapsed());
        assert_eq!((writer.failures(), writer.shared.wants_compaction.load(Relaxed)), (1, true));
    }
}
