//! The thread that writes the journal, so that a disk that is slow or gone stops nobody.
//!
//! Entries gather under the registry's lock and are handed over together: to wake the thread costs more than to write.
//! So many may wait; beyond, or when a write failed, entries are dropped and counted, and the next compaction writes
//! everything again: what is lost in between is only lost to a restart in that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use madang_telemetry::Counter;
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::{Entry, Journal};

/// Orders that may wait.
const QUEUE: u64 = 4096;

/// Entries of one write.
pub(crate) const GROUP: usize = 64;

/// How long an answer waits for its entry; up to twice as long when it was not the first to wait. A disk that takes
/// longer is as good as gone.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum Order {
    Append(Entry),
    Compact(Vec<Entry>),
}

/// Where entries are handed in. All calls come under the registry's lock.
#[derive(Debug)]
pub(crate) struct Writer {
    gathered: Vec<Order>,
    /// Somebody waits for more, and then hands over.
    led: bool,
    orders: Sender<Vec<Order>>,
    room: u64,
    queued: u64,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    progress: watch::Sender<Progress>,
    /// How many orders the thread was given.
    handed: AtomicU64,
    /// It was given some.
    begun: Notify,
    /// The files lack something, or are large: everything should be written again.
    wants_compaction: AtomicBool,
    failures: Counter,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// How many orders are done, written or not.
    done: u64,
    /// How many nobody waits for: those that are done, and those that had their time.
    released: u64,
}

/// A promise that everything queued so far is written, or never will be.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: u64,
    progress: watch::Receiver<Progress>,
}

impl Ticket {
    /// Waits, but not for longer than an answer may.
    pub(crate) async fn written(mut self) {
        let number = self.number;
        // Fails only when the registry is gone, and then nobody waits.
        let _ = self.progress.wait_for(|progress| progress.released >= number).await;
    }

    /// Waits however long it takes.
    pub(crate) async fn settled(mut self) {
        let number = self.number;
        let _ = self.progress.wait_for(|progress| progress.done >= number).await;
    }
}

impl Writer {
    /// Starts the thread; it ends when the writer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(journal: Journal) -> std::io::Result<Self> {
        let (writer, queue) = Self::new(QUEUE);
        let shared = Arc::clone(&writer.shared);
        let mut work = Work { journal, shared, appends_fail: false, compactions_fail: false };
        std::thread::Builder::new().name("registry-log".to_owned()).spawn(move || work.all(&queue))?;
        Ok(writer)
    }

    fn new(room: u64) -> (Self, Receiver<Vec<Order>>) {
        let (orders, queue) = channel();
        let shared = Shared {
            progress: watch::Sender::default(),
            handed: AtomicU64::new(0),
            begun: Notify::new(),
            wants_compaction: AtomicBool::new(false),
            failures: Counter::new(),
        };
        (Self { gathered: Vec::new(), led: false, orders, room, queued: 0, shared: Arc::new(shared) }, queue)
    }

    /// One whose thread takes nothing: a disk that hangs.
    #[cfg(test)]
    pub(crate) fn stalled(room: u64) -> Self {
        let (writer, queue) = Self::new(room);
        std::mem::forget(queue);
        madang_runtime::Scope::new("test").spawn("patience", writer.patience());
        writer
    }

    /// Lets those go that have waited for [`PATIENCE`]: one timer for all of them. Ends never.
    pub(crate) fn patience(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            loop {
                shared.begun.notified().await;
                loop {
                    let waited = shared.handed.load(Relaxed);
                    tokio::time::sleep(PATIENCE).await;
                    shared.progress.send_if_modified(|progress| {
                        let is_late = progress.released < waited;
                        progress.released = progress.released.max(waited);
                        is_late
                    });
                    if shared.handed.load(Relaxed) == waited {
                        break;
                    }
                }
            }
        }
    }

    /// Takes one entry. The thread gets it with the next [`Self::hand_over`].
    pub(crate) fn append(&mut self, entry: Entry) {
        self.queue(Order::Append(entry));
    }

    /// Takes a compaction when it is time; `everything` is asked only then.
    pub(crate) fn compact_when_needed(&mut self, everything: impl FnOnce() -> Vec<Entry>) {
        if self.shared.wants_compaction.swap(false, Relaxed) {
            self.queue(Order::Compact(everything()));
        }
    }

    fn queue(&mut self, order: Order) {
        if self.queued - self.shared.progress.borrow().done < self.room {
            self.queued += 1;
            self.gathered.push(order);
        } else {
            self.shared.lost(1);
        }
    }

    /// Whether the caller is the one who hands over what gathers now.
    pub(crate) fn leads(&mut self) -> bool {
        !self.gathered.is_empty() && !std::mem::replace(&mut self.led, true)
    }

    /// Orders that wait to be handed over.
    pub(crate) fn gathered(&self) -> usize {
        self.gathered.len()
    }

    /// Gives the thread what has gathered.
    pub(crate) fn hand_over(&mut self) {
        self.led = false;
        if self.gathered.is_empty() {
            return;
        }
        let orders = std::mem::take(&mut self.gathered);
        self.shared.handed.store(self.queued, Relaxed);
        self.shared.begun.notify_one();
        // Fails only when the thread has failed.
        if let Err(unsent) = self.orders.send(orders) {
            self.shared.lost(unsent.0.len() as u64);
        }
    }

    /// For what has been queued so far.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket { number: self.queued, progress: self.shared.progress.subscribe() }
    }

    /// Entries that are not on disk.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.get()
    }
}

impl Shared {
    fn lost(&self, count: u64) {
        self.failures.add(count);
        self.wants_compaction.store(true, Relaxed);
    }
}

/// What the thread has.
struct Work {
    journal: Journal,
    shared: Arc<Shared>,
    appends_fail: bool,
    compactions_fail: bool,
}

impl Work {
    fn all(&mut self, queue: &Receiver<Vec<Order>>) {
        while let Ok(mut orders) = queue.recv() {
            // What was handed over meanwhile goes in the same write.
            while orders.len() < GROUP
                && let Ok(more) = queue.try_recv()
            {
                orders.extend(more);
            }
            let count = orders.len() as u64;
            let mut entries = Vec::new();
            for order in orders {
                match order {
                    Order::Append(entry) => entries.push(entry),
                    Order::Compact(everything) => {
                        self.append(&mut entries);
                        self.compact(everything);
                    }
                }
                if entries.len() == GROUP {
                    self.append(&mut entries);
                }
            }
            self.append(&mut entries);
            if self.journal.wants_compaction() {
                self.shared.wants_compaction.store(true, Relaxed);
            }
            self.shared.progress.send_modify(|progress| {
                progress.done += count;
                progress.released = progress.released.max(progress.done);
            });
        }
    }

    fn append(&mut self, entries: &mut Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let written = self.journal.append(entries);
        if note(&written, &mut self.appends_fail) {
            self.shared.failures.add(entries.len() as u64);
        }
        entries.clear();
    }

    fn compact(&mut self, everything: Vec<Entry>) {
        let written = self.journal.compact(everything.into_iter());
        if note(&written, &mut self.compactions_fail) {
            self.shared.lost(1);
        }
    }
}

/// Whether it failed. Told when that begins and when it ends, not each time.
fn note(written: &std::io::Result<()>, fails: &mut bool) -> bool {
    match written {
        Ok(()) if *fails => info!("registrations are written to disk again"),
        Ok(()) => {}
        Err(error) if *fails => debug!(%error, "a registration is still not on disk"),
        Err(error) => {
            warn!(%error, "registrations cannot be written to disk; they count, but a restart would not know them");
        }
    }
    *fails = written.is_err();
    *fails
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
            writer.hand_over();
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
        writer.hand_over();
        writer.ticket().settled().await;
        assert!(writer.failures() > 0);
        fs::create_dir(&data).unwrap();
        writer.compact_when_needed(|| vec![register("a"), register("b")]);
        writer.append(register("c"));
        writer.hand_over();
        writer.ticket().settled().await;
        assert_eq!(Journal::open(&data).unwrap().1, [register("a"), register("b"), register("c")]);
    }

    #[tokio::test]
    async fn an_answer_waits_for_a_hanging_disk_only_so_long_and_what_does_not_fit_is_counted() {
        let mut writer = Writer::stalled(2);
        (0..3).for_each(|_| writer.append(register("a")));
        writer.hand_over();
        let before = std::time::Instant::now();
        writer.ticket().written().await;
        assert!((PATIENCE..Duration::from_secs(20)).contains(&before.elapsed()), "{:?}", before.elapsed());
        assert_eq!((writer.failures(), writer.shared.wants_compaction.load(Relaxed)), (1, true));
    }
}
