//! The registry running: a lock around the pure core, its journal, the clock, and the tasks that evict and check.
//!
//! The lock is held for a step of the core and never across an `.await` or a write: entries for the journal are queued
//! under it, so their order is the order of the changes, and whoever answers a client waits for [`Handle::written`].
//! That also hands them to the journal's thread; those that nobody waits for go there when watchers are told.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use madang_base::{Moment, Name};
use madang_runtime::{Scope, now, sleep_until};
use madang_telemetry::Exposition;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::checks::{self, Job};
use crate::explain::Explanation;
use crate::instance::{Face, Instance, InvalidInstance, Status};
use crate::journal::{Entry, GROUP, Journal, Kept, OpenError, Ticket, Writer};
use crate::local;
use crate::metrics::Meters;
use crate::registry::{DeltaVersion, RegisterError, Registered, Registry, Removed, UnknownInstance};
use crate::removals::{Removals, Why};
use crate::settings::Settings;
use crate::view::{Change, ServiceView, Snapshot};

/// Changes within this time wake watchers once.
const COALESCE: Duration = Duration::from_millis(1);

/// The least time between two calls to watchers: in a wave of registrations each new picture costs more than the change.
const REST: Duration = Duration::from_millis(100);

/// How long an end waits for the journal.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A handle to the running registry. Clones are the same.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.scope).finish()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// Something changed that watchers have not been told.
    news: Notify,
    meters: Meters,
    faces: Mutex<Vec<Counted>>,
    scope: Scope,
}

/// Writes the metrics of a face.
type Counted = Box<dyn Fn(&mut Exposition) + Send + Sync>;

#[derive(Debug)]
struct State {
    registry: Registry,
    journal: Writer,
    removals: Removals,
}

/// Opens the registry whose files are in `folder`, with what was registered before, and keeps it until `scope` ends.
///
/// # Errors
/// [`OpenError`] when the files of an earlier run cannot be used; they stay as they are.
///
/// # Panics
/// Outside a tokio runtime.
pub fn open(folder: &Path, settings: Settings, scope: &Scope) -> Result<Handle, OpenError> {
    let (journal, entries) = Journal::open(folder)?;
    let interval = settings.eviction_interval;
    let moment = now();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = u64::try_from(unix.as_millis()).unwrap_or_default();
    let mut registry = Registry::new(settings, unix_ms.saturating_sub(moment.nanos() / 1_000_000), local::is_here);
    replay(&mut registry, entries, moment);
    let restored = registry.leased();
    if restored > 0 {
        info!(instances = restored, "registrations restored, each with one whole lease");
    }
    let changed = watch::Sender::new(registry.revision());
    let failed = |source| OpenError::Io { path: folder.join("registry.log"), source };
    let journal = Writer::start(journal).map_err(failed)?;
    let (patience, ended) = (journal.patience(), scope.clone());
    scope.spawn("registry-log", async move {
        ended.until_cancelled(patience).await;
    });
    let shared = Shared {
        state: Mutex::new(State { registry, journal, removals: Removals::default() }),
        changed,
        news: Notify::new(),
        meters: Meters::default(),
        faces: Mutex::default(),
        scope: scope.clone(),
    };
    let handle = Handle(Arc::new(shared));
    let (evictor, ended) = (handle.clone(), scope.clone());
    scope.spawn("evict", async move {
        while ended.until_cancelled(sleep_until(now() + interval)).await.is_some() {
            evictor.tick(now());
        }
        // What was registered until the end is there after it.
        let ticket = evictor.hand_over();
        let _ = tokio::time::timeout(LAST_WORDS, ticket.settled()).await;
    });
    let (teller, ended) = (handle.clone(), scope.clone());
    scope.spawn("tell-registry", async move {
        let mut earliest = now();
        while ended.until_cancelled(teller.0.news.notified()).await.is_some() {
            sleep_until(earliest.max(now() + COALESCE)).await;
            teller.hand_over();
            let revision = teller.state().registry.revision();
            teller.tell(revision);
            earliest = now() + REST;
        }
    });
    scope.spawn("checks", checks::run(handle.clone(), scope.clone()));
    Ok(handle)
}

pub(crate) fn replay(registry: &mut Registry, entries: Vec<Entry>, now: Moment) {
    for entry in entries {
        match entry {
            Entry::Register { service, face, instance, registered_ms, up_ms, word } => {
                // Written by us, so it is a name.
                if let Ok(service) = Name::parse(&service) {
                    registry.restore(Kept { service, face, instance, registered_ms, up_ms, word }, now);
                }
            }
            Entry::Cancel { service, face, id } => {
                if let Ok(service) = Name::parse(&service) {
                    let _ = registry.cancel(&service, &face, id.as_str());
                }
            }
            Entry::Override { service, id, overridden, word } => {
                let Ok(service) = Name::parse(&service) else { continue };
                match overridden {
                    Some(overridden) => registry.restore_override(&service, &id, overridden, word),
                    None => drop(registry.clear_override(&service, id.as_str(), word, now)),
                }
            }
        }
    }
}

impl Handle {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the core is whole before anything can fail: a poisoned state is still true.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, entry: Option<Entry>) {
        if let Some(entry) = entry {
            state.journal.append(entry);
        }
        if *self.0.changed.borrow() != state.registry.revision() {
            self.0.news.notify_one();
        }
    }

    fn tell(&self, revision: u64) {
        self.0.changed.send_if_modified(|known| std::mem::replace(known, revision) != revision);
    }

    /// See [`Registry::register`].
    ///
    /// # Errors
    /// As there.
    pub fn register(&self, service: &Name, face: Face, instance: Instance) -> Result<Registered, RegisterError> {
        let state = &mut *self.state();
        match state.registry.take(service, face, instance, now()) {
            Ok(Some(entry)) => {
                self.0.meters.registrations.inc();
                self.write(state, Some(entry));
                Ok(Registered::Taken)
            }
            Ok(None) => {
                self.0.meters.renewals.inc();
                Ok(Registered::KeptNewer)
            }
            Err(error) => {
                self.0.meters.refused.inc();
                Err(error)
            }
        }
    }

    /// See [`Registry::renew`].
    ///
    /// # Errors
    /// As there.
    pub fn renew(&self, service: &Name, face: &Face, id: &str) -> Result<(Arc<Instance>, Status), UnknownInstance> {
        let done = self.state().registry.renew(service, face, id, now());
        if done.is_ok() {
            self.0.meters.renewals.inc();
        }
        done
    }

    /// See [`Registry::cancel`].
    ///
    /// # Errors
    /// As there.
    pub fn cancel(&self, service: &Name, face: &Face, id: &str) -> Result<(), UnknownInstance> {
        let state = &mut *self.state();
        let id = state.registry.cancel(service, face, id)?;
        self.0.meters.cancels.inc();
        state.removals.push(service.clone(), id.clone(), Why::Cancelled);
        let entry = Entry::Cancel { service: service.to_string(), face: face.clone(), id };
        self.write(state, Some(entry));
        Ok(())
    }

    /// See [`Registry::set_override`].
    ///
    /// # Errors
    /// As there.
    pub fn set_override(&self, service: &Name, id: &str, status: Status, by: &str) -> Result<(), UnknownInstance> {
        let state = &mut *self.state();
        let (id, overridden) = state.registry.set_override(service, id, status, by, now())?;
        info!(%service, instance = %id, %status, by, "status overridden");
        let entry =
            Entry::Override { service: service.to_string(), id, overridden: Some(overridden), word: Some(status) };
        self.write(state, Some(entry));
        Ok(())
    }

    /// See [`Registry::note_stamp`]. Shown with the next change.
    pub(crate) fn note_stamp(&self, service: &Name, face: &Face, id: &str, stamp_ms: u64) {
        self.state().registry.note_stamp(service, face, id, stamp_ms);
    }

    /// See [`Registry::clear_override`]. Whether there was one.
    ///
    /// # Errors
    /// As there.
    pub fn clear_override(&self, service: &Name, id: &str, word: Option<Status>) -> Result<bool, UnknownInstance> {
        let state = &mut *self.state();
        let Some(id) = state.registry.clear_override(service, id, word, now())? else { return Ok(false) };
        info!(%service, instance = %id, "override cleared");
        self.write(state, Some(Entry::Override { service: service.to_string(), id, overridden: None, word }));
        Ok(true)
    }

    /// See [`Registry::merge_metadata`].
    ///
    /// # Errors
    /// As there.
    pub fn merge_metadata(
        &self,
        service: &Name,
        face: &Face,
        id: &str,
        pairs: Vec<(String, String)>,
    ) -> Result<(), Option<InvalidInstance>> {
        let state = &mut *self.state();
        let instance = state.registry.merge_metadata(service, face, id, pairs, now())?;
        let entry = state.registry.keep_one(service, face, &instance.id);
        self.write(state, entry);
        Ok(())
    }

    /// Replaces everything the supervisor knows about one service; an empty list when it runs none.
    ///
    /// See [`Registry::replace_supervised`].
    pub fn register_supervised(&self, service: &Name, instances: Vec<Instance>) {
        let state = &mut *self.state();
        for removed in state.registry.replace_supervised(service, instances, now()) {
            let Removed { service, face, id } = removed;
            info!(%service, instance = %id, "registration removed: its process has ended");
            state.removals.push(service.clone(), id.clone(), Why::ProcessEnded);
            self.write(state, Some(Entry::Cancel { service: service.to_string(), face, id }));
        }
        // A process that is gone gets no request a moment later: this waits for nothing.
        self.tell(state.registry.revision());
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Gives the journal's thread what has gathered.
    fn hand_over(&self) -> Ticket {
        let journal = &mut self.state().journal;
        journal.hand_over();
        journal.ticket()
    }

    /// Waits until every change made before this call is in the journal, or until the disk has had its time (250 ms).
    ///
    /// Whoever answers a client that changed something waits for this first.
    pub async fn written(&self) {
        let (ticket, leads, mut gathered) = {
            let journal = &mut self.state().journal;
            (journal.ticket(), journal.leads(), journal.gathered())
        };
        if leads {
            let lead = Lead(self);
            // As long as each turn of the runtime brings another change, they go to the thread as one.
            while gathered < GROUP {
                tokio::task::yield_now().await;
                let before = std::mem::replace(&mut gathered, self.state().journal.gathered());
                if gathered <= before {
                    break;
                }
            }
            drop(lead);
        }
        ticket.written().await;
    }

    /// From here on the journal is like a disk that hangs.
    #[cfg(test)]
    pub(crate) fn stall_journal(&self) {
        self.state().journal = Writer::stalled(16);
    }

    pub(crate) fn due_checks(&self, most: usize) -> Vec<Job> {
        self.state().registry.due_checks(now(), most)
    }

    pub(crate) fn checked(&self, job: &Job, said: Result<(), String>) {
        let state = &mut *self.state();
        self.0.meters.checks.inc();
        if said.is_err() {
            self.0.meters.failed_checks.inc();
        }
        state.registry.checked(job, said, now());
        self.write(state, None);
    }

    /// What is listed now, with every change made before this call.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state().registry.snapshot(now())
    }

    /// See [`Registry::delta`].
    #[must_use]
    pub fn delta(&self) -> (Arc<Snapshot>, Vec<Change>) {
        self.state().registry.delta(now())
    }

    pub(crate) fn delta_version(&self) -> DeltaVersion {
        self.state().registry.delta_version(now())
    }

    /// One service as it changes; wakes for changes of this service alone.
    #[must_use]
    pub fn watch_service(&self, service: &Name) -> ServiceWatch {
        ServiceWatch { handle: self.clone(), service: service.clone(), changed: self.watch(), seen: None }
    }

    /// The revision of the last change; wakes at each. Changes in quick succession are one wake-up.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// See [`Registry::explain`].
    #[must_use]
    pub fn explain(&self, service: &Name, id: &str) -> Option<Explanation> {
        self.state().registry.explain(service, id, now())
    }

    /// Why the last registration of that id ended; none when that is long ago or it never was there.
    #[must_use]
    pub fn why_removed(&self, service: &Name, id: &str) -> Option<Why> {
        self.state().removals.find(service, id)
    }

    /// Services in self-preservation, with the reason.
    #[must_use]
    pub fn preserved(&self) -> Vec<(Name, String)> {
        self.state().registry.preserved()
    }

    /// What a face counts, written with the rest. Once per face.
    pub(crate) fn add_metrics(&self, write: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        self.0.faces.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(write));
    }

    /// Appends this crate's metrics to a page.
    pub fn write_metrics(&self, out: &mut Exposition) {
        let (snapshot, preserved) = (self.snapshot(), self.preserved().len());
        let failures = self.state().journal.failures();
        self.0.meters.write(&snapshot, preserved, failures, out);
        self.0.faces.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|write| write(out));
    }

    /// Evicts, and keeps the files small.
    fn tick(&self, now: Moment) {
        let state = &mut *self.state();
        for evicted in state.registry.sweep(now) {
            let Removed { service, face, id } = evicted;
            info!(%service, instance = %id, "lease expired");
            state.removals.push(service.clone(), id.clone(), Why::Expired);
            self.0.meters.evictions.inc();
            self.write(state, Some(Entry::Cancel { service: service.to_string(), face, id }));
        }
        let news = state.registry.preservation_news();
        for (service, why) in &news {
            match why {
                Some(why) => warn!(%service, why, "service preserves itself"),
                None => info!(%service, "self-preservation of the service has ended"),
            }
        }
        if !news.is_empty() {
            // Nothing that is listed changed, and yet there is something to see.
            self.0.changed.send_modify(|_| {});
        }
        // Deltas tell changes from the time they were seen: look at least this often.
        let _ = state.registry.snapshot(now);
        let State { registry, journal, .. } = state;
        journal.compact_when_needed(|| registry.kept().collect());
    }
}

/// Hands over what has gathered, also when its client leaves: others wait for it.
struct Lead<'a>(&'a Handle);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.hand_over();
    }
}

/// One service as it changes.
#[derive(Debug)]
pub struct ServiceWatch {
    handle: Handle,
    service: Name,
    changed: watch::Receiver<u64>,
    seen: Option<Arc<ServiceView>>,
}

impl ServiceWatch {
    /// The service now, at the first call; then again whenever something about it changed. Changes in quick succession
    /// are one. A service that lists nothing is an empty view.
    ///
    /// Cancel-safe: a view is only seen when it is returned. Ends never; the handle it holds keeps the registry.
    pub async fn next(&mut self) -> Arc<ServiceView> {
        loop {
            self.changed.borrow_and_update();
            let view = self.handle.snapshot().service(self.service.as_str()).cloned();
            let is_seen = match (&view, &self.seen) {
                (Some(view), Some(seen)) => Arc::ptr_eq(view, seen),
                (None, Some(seen)) => seen.instances.is_empty(),
                (_, None) => false,
            };
            if !is_seen {
                let view = view.unwrap_or_default();
                self.seen = Some(Arc::clone(&view));
                return view;
            }
            // Fails only when the sender is gone, and the handle holds it.
            let _ = self.changed.changed().await;
        }
    }
}
