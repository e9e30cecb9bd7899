//! The registry itself: pure, synchronous, and told the time.
//!
//! Records are keyed by (service, face, id). What is listed follows from them: views are rebuilt when somebody reads
//! after a change, and the changes of the last minutes are the differences between one view and the next. So a delta
//! always leads from one listing to another, also when two records merge into one instance.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use madang_base::{Moment, Name};
use serde::{Deserialize, Serialize};

use crate::checks::{Health, Job};
use crate::explain::Explanation;
use crate::instance::{Face, Instance, InstanceId, InvalidInstance, Status};
use crate::preserve::Losses;
use crate::settings::Settings;
use crate::view::{Change, Kind, Listed, ServiceView, Snapshot};

mod changes;
mod record;
mod supervised;

pub(crate) use changes::DeltaVersion;

use changes::Changes;
use record::{Lease, Record, effective, merged_status};
use supervised::Here;

/// The most bytes of all descriptions with a lease.
const MAX_BYTES: usize = 256 << 20;

/// A sweep that comes this much too late tells of a paused process, not of silent instances.
const PAUSE: Duration = Duration::from_secs(5);

/// Losses are counted over this, or over the service's longest lease when that is longer.
const LOSS_WINDOW: Duration = Duration::from_secs(60);

/// A status an operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The status.
    pub status: Status,
    /// Who set it.
    pub by: String,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// Why an instance is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// It breaks a limit of the model.
    #[error(transparent)]
    Invalid(#[from] InvalidInstance),
    /// There is no room.
    #[error("{0} instances are registered, the most this registry takes (`registry.max_instances`)")]
    Full(usize),
    /// There is no room for descriptions this large.
    #[error("the descriptions of all instances have {0} bytes, the most this registry takes; register less metadata")]
    TooMuch(usize),
}

/// Nobody registered it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no instance `{id}` of `{service}` is registered")]
pub struct UnknownInstance {
    /// The service asked for.
    pub service: String,
    /// The id asked for.
    pub id: String,
}

/// What a registration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// The description counts from now on.
    Taken,
    /// A newer description stands; its lease was renewed.
    KeptNewer,
}

/// All services and their instances.
#[derive(Debug)]
pub struct Registry {
    settings: Settings,
    here: Here,
    /// Unix milliseconds at `Moment::default()`.
    epoch_ms: u64,
    services: HashMap<Name, Service>,
    leased: usize,
    /// Bytes of descriptions with a lease, about, and the most.
    bytes: usize,
    max_bytes: usize,
    revision: u64,
    stale: BTreeSet<Name>,
    snapshot: Arc<Snapshot>,
    changes: Changes,
    swept: Option<Moment>,
}

#[derive(Debug, Default)]
struct Service {
    records: BTreeMap<(InstanceId, Face), Record>,
    overrides: BTreeMap<InstanceId, Override>,
    evictions: VecDeque<Moment>,
    held: Option<Losses>,
    /// Whether `held` has been told to the log.
    told: bool,
}

/// A record that left without its registrar's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its service.
    pub service: Name,
    /// Who had registered it.
    pub face: Face,
    /// Its id there.
    pub id: InstanceId,
}

impl Registry {
    /// An empty registry. `epoch_ms` is the Unix time at the origin of the moments it will be told.
    #[must_use]
    pub fn new(settings: Settings, epoch_ms: u64, here: fn(IpAddr) -> bool) -> Self {
        Self {
            settings,
            here,
            epoch_ms,
            services: HashMap::new(),
            leased: 0,
            bytes: 0,
            max_bytes: MAX_BYTES,
            // Grows over restarts as well: a client must not take a new history for the one it knows.
            revision: epoch_ms,
            stale: BTreeSet::new(),
            snapshot: Arc::default(),
            changes: Changes::default(),
            swept: None,
        }
    }

    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Instances with a lease; they count against the cap.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.leased
    }

    /// Unix milliseconds at `now`.
    fn unix_ms(&self, now: Moment) -> u64 {
        self.epoch_ms + now.nanos() / 1_000_000
    }

    /// Takes or replaces the description of one instance and gives it a whole lease.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing changes then.
    pub fn register(
        &mut self,
        service: &Name,
        face: Face,
        instance: Instance,
        now: Moment,
    ) -> Result<Registered, RegisterError> {
        instance.check()?;
        let unix_ms = self.unix_ms(now);
        let key = (instance.id.clone(), face);
        let earlier = self.services.get(service).and_then(|known| known.records.get(&key));
        if earlier.is_none() && self.leased >= self.settings.max_instances {
            return Err(RegisterError::Full(self.leased));
        }
        let (bytes, before) = (instance.bytes(), earlier.map_or(0, |earlier| earlier.instance.bytes()));
        if bytes > before && self.bytes - before + bytes > self.max_bytes {
            return Err(RegisterError::TooMuch(self.max_bytes));
        }
        if earlier.is_some_and(|earlier| earlier.instance.stamp_ms > instance.stamp_ms) {
            let _ = self.renew(service, &key.1, key.0.as_str(), now);
            return Ok(Registered::KeptNewer);
        }
        let up_before = earlier.map_or(0, |earlier| earlier.up_ms);
        let checked = earlier.filter(|earlier| earlier.instance.is_checked_as(&instance));
        let checked = checked.map(|earlier| (earlier.health.clone(), earlier.next_check));
        self.leased += usize::from(earlier.is_none());
        let lease = Lease::Until(now + instance.terms.duration());
        let mut record = self.record(instance, lease, now);
        if up_before > 0 {
            record.up_ms = up_before;
        }
        record.registered_ms = unix_ms;
        if let Some((health, next_check)) = checked {
            (record.health, record.next_check) = (health, next_check);
        }
        self.insert(service, key, record);
        Ok(Registered::Taken)
    }

    fn record(&self, instance: Instance, lease: Lease, now: Moment) -> Record {
        let unix_ms = self.unix_ms(now);
        Record {
            effective: instance.status,
            up_ms: if instance.status == Status::Up { unix_ms } else { 0 },
            instance: Arc::new(instance),
            lease,
            registered_ms: unix_ms,
            updated_ms: unix_ms,
            kind: Kind::Added,
            revision: 0,
            restored: false,
            renewed: Arc::new(AtomicU64::new(unix_ms)),
            health: Health::default(),
            next_check: now,
        }
    }

    fn insert(&mut self, service: &Name, key: (InstanceId, Face), mut record: Record) {
        self.revision += 1;
        record.revision = self.revision;
        let known = self.services.entry(service.clone()).or_default();
        if let Some(overridden) = known.overrides.get(&key.0) {
            record.effective = effective(record.instance.status, Some(overridden));
        }
        self.bytes += record.weight();
        if let Some(earlier) = known.records.insert(key, record) {
            self.bytes -= earlier.weight();
        }
        self.stale.insert(service.clone());
    }

    /// Brings back a record of an earlier run, with one whole lease of grace.
    pub(crate) fn restore(&mut self, kept: crate::journal::Kept, now: Moment) {
        let crate::journal::Kept { service, face, instance, registered_ms, up_ms } = kept;
        let key = (instance.id.clone(), face);
        let lease = Lease::Until(now + instance.terms.duration());
        let mut record = self.record(Arc::unwrap_or_clone(instance), lease, now);
        (record.registered_ms, record.up_ms, record.restored) = (registered_ms, up_ms, true);
        let is_new = self.services.get(&service).is_none_or(|known| !known.records.contains_key(&key));
        self.leased += usize::from(is_new);
        self.insert(&service, key, record);
    }

    /// Extends the lease by its whole duration. Gives what is known, so that the face can compare.
    ///
    /// # Errors
    /// [`UnknownInstance`] when this face registered no such instance.
    pub fn renew(
        &mut self,
        service: &Name,
        face: &Face,
        id: &str,
        now: Moment,
    ) -> Result<(Arc<Instance>, Status), UnknownInstance> {
        let unix_ms = self.unix_ms(now);
        let record = self.find(service, face, id)?;
        record.lease = Lease::Until(now + record.instance.terms.duration());
        record.renewed.store(unix_ms, Relaxed);
        record.restored = false;
        Ok((Arc::clone(&record.instance), record.effective))
    }

    fn find(&mut self, service: &Name, face: &Face, id: &str) -> Result<&mut Record, UnknownInstance> {
        let unknown = || UnknownInstance { service: service.to_string(), id: id.to_owned() };
        let key = (InstanceId::parse(id).map_err(|_| unknown())?, face.clone());
        let known = self.services.get_mut(service).ok_or_else(unknown)?;
        known.records.get_mut(&key).ok_or_else(unknown)
    }

    /// Removes one record, and what operators decided about it.
    ///
    /// # Errors
    /// [`UnknownInstance`] when this face registered no such instance.
    pub fn cancel(&mut self, service: &Name, face: &Face, id: &str) -> Result<InstanceId, UnknownInstance> {
        let id = self.find(service, face, id)?.instance.id.clone();
        self.remove(service, &(id.clone(), face.clone()));
        Ok(id)
    }

    fn remove(&mut self, service: &Name, key: &(InstanceId, Face)) {
        let Some(known) = self.services.get_mut(service) else { return };
        if let Some(record) = known.records.remove(key) {
            self.leased -= usize::from(record.lease != Lease::Held);
            self.bytes -= record.weight();
            self.revision += 1;
            self.stale.insert(service.clone());
        }
        if !known.records.keys().any(|(id, _)| *id == key.0) {
            known.overrides.remove(&key.0);
        }
    }

    /// Sets what operators decided; it holds until it is cleared, or until the instance leaves.
    ///
    /// # Errors
    /// [`UnknownInstance`] when no face registered it.
    pub fn set_override(
        &mut self,
        service: &Name,
        id: &str,
        status: Status,
        by: &str,
        now: Moment,
    ) -> Result<(InstanceId, Override), UnknownInstance> {
        let overridden = Override { status, by: by.to_owned(), at_ms: self.unix_ms(now) };
        let id = self.touch(service, id, now, |record| record.effective = status)?;
        if let Some(known) = self.services.get_mut(service) {
            known.overrides.insert(id.clone(), overridden.clone());
        }
        Ok((id, overridden))
    }

    /// Clears it. The instance's own word counts again, or `own` when given. `None` when there was no override.
    ///
    /// # Errors
    /// [`UnknownInstance`] when no face registered it.
    pub fn clear_override(
        &mut self,
        service: &Name,
        id: &str,
        own: Option<Status>,
        now: Moment,
    ) -> Result<Option<InstanceId>, UnknownInstance> {
        let known = self.services.get_mut(service);
        let had =
            known.is_some_and(|known| InstanceId::parse(id).is_ok_and(|id| known.overrides.remove(&id).is_some()));
        if !had {
            return self.exists(service, id).map(|()| None);
        }
        self.touch(service, id, now, |record| record.effective = own.unwrap_or(record.instance.status)).map(Some)
    }

    pub(crate) fn restore_override(&mut self, service: &Name, id: &InstanceId, overridden: Override) {
        let Some(known) = self.services.get_mut(service) else { return };
        for ((_, _), record) in known.records.iter_mut().filter(|((other, _), _)| other == id) {
            record.effective = effective(record.instance.status, Some(&overridden));
        }
        known.overrides.insert(id.clone(), overridden);
        self.stale.insert(service.clone());
    }

    fn exists(&self, service: &Name, id: &str) -> Result<(), UnknownInstance> {
        let known = self.services.get(service);
        let found = known.is_some_and(|known| known.records.keys().any(|(other, _)| other.as_str() == id));
        if found { Ok(()) } else { Err(UnknownInstance { service: service.to_string(), id: id.to_owned() }) }
    }

    /// Changes every face's record of one instance.
    fn touch(
        &mut self,
        service: &Name,
        id: &str,
        now: Moment,
        change: impl Fn(&mut Record),
    ) -> Result<InstanceId, UnknownInstance> {
        self.exists(service, id)?;
        let unix_ms = self.unix_ms(now);
        self.revision += 1;
        let records = self.services.get_mut(service).into_iter().flat_map(|known| known.records.iter_mut());
        let mut found = None;
        for ((other, _), record) in records.filter(|((other, _), _)| other.as_str() == id) {
            change(record);
            (record.kind, record.updated_ms, record.revision) = (Kind::Modified, unix_ms, self.revision);
            if record.up_ms == 0 && record.effective == Status::Up {
                record.up_ms = unix_ms;
            }
            found = Some(other.clone());
        }
        self.stale.insert(service.clone());
        found.ok_or_else(|| UnknownInstance { service: service.to_string(), id: id.to_owned() })
    }

    /// Adds to the metadata of one record; values that are there are replaced.
    ///
    /// # Errors
    /// `None` when this face registered no such instance, otherwise the limit that would be broken.
    pub fn merge_metadata(
        &mut self,
        service: &Name,
        face: &Face,
        id: &str,
        pairs: Vec<(String, String)>,
        now: Moment,
    ) -> Result<Arc<Instance>, Option<InvalidInstance>> {
        let record = self.find(service, face, id).map_err(|_| None)?;
        let mut instance = Instance::clone(&record.instance);
        instance.metadata.extend(pairs);
        instance.check().map_err(Some)?;
        let instance = Arc::new(instance);
        let before = record.weight();
        record.instance = Arc::clone(&instance);
        let after = record.weight();
        self.bytes = self.bytes - before + after;
        let own = face.clone();
        let _ = self.touch(service, id, now, |_| {});
        let _ = self.renew(service, &own, id, now);
        Ok(instance)
    }

    /// The checks whose time has come, up to `most`; each is asked again an interval later.
    pub(crate) fn due_checks(&mut self, now: Moment, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (name, service) in &mut self.services {
            for ((_, face), record) in &mut service.records {
                let Some(check) = record.instance.check.as_ref().filter(|_| now >= record.next_check) else { continue };
                if jobs.len() == most {
                    return jobs;
                }
                record.next_check = now + check.interval();
                let instance = Arc::clone(&record.instance);
                jobs.push(Job { service: name.clone(), face: face.clone(), instance });
            }
        }
        jobs
    }

    /// Takes the answer to a check. `said` is `Err` with the reason when it failed.
    pub(crate) fn checked(&mut self, job: &Job, said: Result<(), String>, now: Moment) {
        let unix_ms = self.unix_ms(now);
        let Ok(record) = self.find(&job.service, &job.face, job.instance.id.as_str()) else { return };
        // The answer of an instance that has moved meanwhile says nothing.
        if !record.instance.is_checked_as(&job.instance) {
            return;
        }
        let before = record.is_failing();
        record.health.note(said, unix_ms);
        if before == record.is_failing() {
            return;
        }
        self.revision += 1;
        let revision = self.revision;
        if let Ok(record) = self.find(&job.service, &job.face, job.instance.id.as_str()) {
            (record.kind, record.updated_ms, record.revision) = (Kind::Modified, unix_ms, revision);
        }
        self.stale.insert(job.service.clone());
    }

    /// Evicts what has expired, unless the service preserves itself. Call about every `eviction_interval`.
    pub(crate) fn sweep(&mut self, now: Moment) -> Vec<Removed> {
        self.forgive_pause(now);
        let mut gone = Vec::new();
        let (threshold, preserve) = (self.settings.threshold, self.settings.self_preservation);
        for (name, service) in &mut self.services {
            let leases = || service.records.values().filter(|record| record.lease != Lease::Held);
            let longest = leases().map(|record| record.instance.terms.duration()).max().unwrap_or_default();
            let window = longest.max(LOSS_WINDOW);
            while service.evictions.front().is_some_and(|at| now.since(*at) > window) {
                service.evictions.pop_front();
            }
            let expired = leases().filter(|record| record.lease.expired(now)).count();
            let losses = Losses { leased: leases().count(), expired, evicted: service.evictions.len() };
            service.held = (preserve && losses.hold(threshold)).then_some(losses);
            if expired == 0 || service.held.is_some() {
                continue;
            }
            for (key, _) in service.records.iter().filter(|(_, record)| record.lease.expired(now)) {
                service.evictions.push_back(now);
                gone.push(Removed { service: name.clone(), face: key.1.clone(), id: key.0.clone() });
            }
        }
        for Removed { service, face, id } in &gone {
            self.remove(service, &(id.clone(), face.clone()));
        }
        self.services.retain(|_, service| !service.records.is_empty() || !service.evictions.is_empty());
        gone
    }

    /// While this process did not run, nobody could send news: that time is added to every lease.
    fn forgive_pause(&mut self, now: Moment) {
        let interval = self.settings.eviction_interval;
        let Some(last) = self.swept.replace(now) else { return };
        let lost = now.since(last).saturating_sub(interval);
        if lost < PAUSE {
            return;
        }
        for record in self.services.values_mut().flat_map(|service| service.records.values_mut()) {
            if let Lease::Until(end) = &mut record.lease
                && *end > last
            {
                *end = *end + lost;
            }
        }
    }

    /// What is listed now: never older than the last change.
    pub fn snapshot(&mut self, now: Moment) -> Arc<Snapshot> {
        if self.stale.is_empty() {
            return Arc::clone(&self.snapshot);
        }
        let mut services = self.snapshot.services.clone();
        for name in std::mem::take(&mut self.stale) {
            let before = services.remove(&name).unwrap_or_default();
            let after = self.list(&name, &before, now);
            self.note_changes(&before, &after, now);
            if !after.instances.is_empty() {
                services.insert(name, Arc::new(after));
            }
        }
        self.snapshot = Arc::new(Snapshot { revision: self.revision, services });
        Arc::clone(&self.snapshot)
    }

    /// The changes of the last three minutes, each instance once with its latest, and the listing they lead to.
    pub fn delta(&mut self, now: Moment) -> (Arc<Snapshot>, Vec<Change>) {
        self.delta_version(now);
        (Arc::clone(&self.snapshot), self.changes.latest.values().map(|(_, change)| change.clone()).collect())
    }

    /// The version of what [`Self::delta`] would give.
    pub(crate) fn delta_version(&mut self, now: Moment) -> DeltaVersion {
        self.snapshot(now);
        self.changes.forget(now);
        DeltaVersion { revision: self.revision, forgotten: self.changes.forgotten }
    }

    fn note_changes(&mut self, before: &ServiceView, after: &ServiceView, now: Moment) {
        let gone = before.instances.iter().filter(|listed| after.get(&listed.instance.id).is_none());
        let gone = gone.map(|listed| Change { kind: Kind::Deleted, listed: Arc::clone(listed) });
        let same = |listed: &&Arc<Listed>| before.get(&listed.instance.id).is_some_and(|old| Arc::ptr_eq(old, listed));
        let fresh = after.instances.iter().filter(|listed| !same(listed));
        let fresh = fresh.map(|listed| Change { kind: listed.kind, listed: Arc::clone(listed) });
        for change in gone.chain(fresh) {
            self.changes.push(change, now);
        }
        self.changes.forget(now);
    }

    fn list(&self, name: &Name, before: &ServiceView, now: Moment) -> ServiceView {
        let Some(service) = self.services.get(name) else { return ServiceView::default() };
        let partners = service.partners(self.here);
        let taken: BTreeSet<_> = partners.values().collect();
        let mut instances: Vec<Arc<Listed>> = Vec::with_capacity(service.records.len());
        for (key, record) in &service.records {
            if key.1 == Face::SUPERVISE && taken.contains(&key.0) {
                continue;
            }
            // Two faces with the same id are one entry in every document: the first face by name stands.
            if instances.last().is_some_and(|last| last.instance.id == key.0) {
                continue;
            }
            let partner = partners.get(&key.0).filter(|_| key.1 != Face::SUPERVISE);
            let partner = partner.and_then(|id| service.records.get(&(id.clone(), Face::SUPERVISE)));
            let revision = partner.map_or(record.revision, |partner| partner.revision.max(record.revision));
            let kept = before.get(&key.0).filter(|old| {
                let same_partner =
                    old.supervised.as_ref().map(|one| &one.id) == partner.map(|partner| &partner.instance.id);
                old.revision == revision && old.face == key.1 && same_partner
            });
            instances.push(match kept {
                Some(kept) => Arc::clone(kept),
                None => Arc::new(self.listed(name, service, key, record, partner, revision, now)),
            });
        }
        ServiceView::new(instances)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one row, named where it is built")]
    fn listed(
        &self,
        name: &Name,
        service: &Service,
        key: &(InstanceId, Face),
        record: &Record,
        partner: Option<&Record>,
        revision: u64,
        now: Moment,
    ) -> Listed {
        let overridden = service.overrides.get(&key.0);
        let overridden =
            overridden.or_else(|| partner.and_then(|partner| service.overrides.get(&partner.instance.id))).cloned();
        Listed {
            service: name.clone(),
            instance: Arc::clone(&record.instance),
            face: key.1.clone(),
            supervised: partner.map(|partner| Arc::clone(&partner.instance)),
            status: merged_status(record, partner),
            overridden,
            registered_ms: record.registered_ms,
            up_ms: record.up_ms,
            updated_ms: if partner.is_some() { self.unix_ms(now) } else { record.updated_ms },
            kind: record.kind,
            revision,
            renewed: Arc::clone(&record.renewed),
        }
    }

    /// Everything known about one instance, and why it looks as it does.
    #[must_use]
    pub fn explain(&mut self, service: &Name, id: &str, now: Moment) -> Option<Explanation> {
        let snapshot = self.snapshot(now);
        let listed = snapshot.service(service.as_str())?.find(id)?;
        let known = self.services.get(service)?;
        let ids = [Some(&listed.instance.id), listed.supervised.as_ref().map(|one| &one.id)];
        let records = known.records.iter().filter(|((id, _), _)| ids.contains(&Some(id)));
        let records = records.map(|((_, face), record)| record.explain(face, now, known.held.is_some())).collect();
        let preserved = known.held.map(|losses| losses.explain(self.settings.threshold));
        Some(Explanation::new(listed, records, preserved))
    }

    /// Which services preserve themselves now.
    pub(crate) fn preserved(&self) -> Vec<(Name, String)> {
        let held = self.services.iter().filter_map(|(name, service)| Some((name, service.held?)));
        let mut all: Vec<_> =
            held.map(|(name, losses)| (name.clone(), losses.explain(self.settings.threshold))).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Services that began to preserve themselves since the last call.
    pub(crate) fn newly_preserved(&mut self) -> Vec<(Name, String)> {
        let threshold = self.settings.threshold;
        let mut fresh = Vec::new();
        for (name, service) in &mut self.services {
            let began = service.held.filter(|_| !service.told);
            service.told = service.held.is_some();
            fresh.extend(began.map(|losses| (name.clone(), losses.explain(threshold))));
        }
        fresh
    }

    /// All that must survive a restart: self-registered records, and overrides.
    pub(crate) fn kept(&self) -> impl Iterator<Item = crate::journal::Entry> + '_ {
        self.services.iter().flat_map(|(name, service)| {
            let leased = service.records.iter().filter(|(_, record)| record.lease != Lease::Held);
            let records = leased.map(|((_, face), record)| record.keep(name, face));
            let overrides = service.overrides.iter().map(|(id, overridden)| crate::journal::Entry::Override {
                service: name.to_string(),
                id: id.clone(),
                overridden: Some(overridden.clone()),
            });
            records.chain(overrides)
        })
    }

    pub(crate) fn keep_one(&self, service: &Name, face: &Face, id: &InstanceId) -> Option<crate::journal::Entry> {
        let record = self.services.get(service)?.records.get(&(id.clone(), face.clone()))?;
        Some(record.keep(service, face))
    }
}

#[cfg(test)]
mod tests;
