//! The registry itself: pure, synchronous, and told the time.
//!
//! Records are keyed by (service, face, id). What is listed follows from them: views are rebuilt when somebody reads
//! after a change, and the changes of the last minutes are the differences between one view and the next. So a delta
//! always leads from one listing to another, also when two records merge into one instance.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use madang_base::{Moment, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::checks::Health;
use crate::instance::{Face, Instance, InstanceId, InvalidInstance, Status};
use crate::preserve::Losses;
use crate::settings::Settings;
use crate::view::{Kind, Snapshot};

mod changes;
mod evictions;
mod health;
mod listing;
mod overrides;
mod record;
mod supervised;

pub(crate) use changes::DeltaVersion;

use changes::Changes;
use record::{Lease, Record};
use supervised::Here;

/// The most bytes of all descriptions with a lease.
const MAX_BYTES: usize = 256 << 20;

/// A status an operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Override)]
pub struct Override {
    /// The status.
    pub status: Status,
    /// Who set it.
    pub by: String,
    /// When, in milliseconds since 1970.
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
    /// Services whose listing is older than their records.
    stale: Vec<Name>,
    snapshot: Arc<Snapshot>,
    changes: Changes,
    swept: Option<Moment>,
}

#[derive(Debug, Default)]
struct Service {
    records: BTreeMap<(InstanceId, Face), Record>,
    overrides: BTreeMap<InstanceId, Override>,
    evictions: VecDeque<Moment>,
    /// Whether it is among those whose listing is too old.
    stale: bool,
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

impl Service {
    fn note_stale(&mut self, name: &Name, all: &mut Vec<Name>) {
        if !std::mem::replace(&mut self.stale, true) {
            all.push(name.clone());
        }
    }
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
            stale: Vec::new(),
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

    fn note_stale(&mut self, service: &Name) {
        if let Some(known) = self.services.get_mut(service) {
            known.note_stale(service, &mut self.stale);
        }
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
        let taken = self.take(service, face, instance, now)?;
        Ok(if taken.is_some() { Registered::Taken } else { Registered::KeptNewer })
    }

    /// The same, with what must survive a restart when the description counts.
    pub(crate) fn take(
        &mut self,
        service: &Name,
        face: Face,
        instance: Instance,
        now: Moment,
    ) -> Result<Option<crate::journal::Entry>, RegisterError> {
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
            return Ok(None);
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
        let kept = record.keep(service, &key.1);
        self.insert(service, key, record);
        Ok(Some(kept))
    }

    fn record(&self, instance: Instance, lease: Lease, now: Moment) -> Record {
        let unix_ms = self.unix_ms(now);
        Record {
            word: instance.status,
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
            row: None,
        }
    }

    fn insert(&mut self, service: &Name, key: (InstanceId, Face), mut record: Record) {
        self.revision += 1;
        record.revision = self.revision;
        if !self.services.contains_key(service) {
            self.services.insert(service.clone(), Service::default());
        }
        let Some(known) = self.services.get_mut(service) else { return };
        record.judge(record.word, known.overrides.get(&key.0));
        self.bytes += record.weight();
        if let Some(earlier) = known.records.insert(key, record) {
            self.bytes -= earlier.weight();
        }
        known.note_stale(service, &mut self.stale);
    }

    /// Brings back a record of an earlier run, with one whole lease of grace.
    pub(crate) fn restore(&mut self, kept: crate::journal::Kept, now: Moment) {
        let crate::journal::Kept { service, face, instance, registered_ms, up_ms, word } = kept;
        let key = (instance.id.clone(), face);
        let lease = Lease::Until(now + instance.terms.duration());
        let mut record = self.record(Arc::unwrap_or_clone(instance), lease, now);
        (record.registered_ms, record.up_ms, record.restored) = (registered_ms, up_ms, true);
        record.word = word.unwrap_or(record.word);
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
            known.note_stale(service, &mut self.stale);
        }
        if !known.records.keys().any(|(id, _)| *id == key.0) {
            known.overrides.remove(&key.0);
        }
    }

    fn exists(&self, service: &Name, id: &str) -> Result<(), UnknownInstance> {
        let known = self.services.get(service);
        let found = known.is_some_and(|known| known.records.keys().any(|(other, _)| other.as_str() == id));
        if found { Ok(()) } else { Err(UnknownInstance { service: service.to_string(), id: id.to_owned() }) }
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
        let known = instance.metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        instance.metadata = known.chain(pairs).collect();
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

    /// All that must survive a restart: self-registered records, and overrides.
    pub(crate) fn kept(&self) -> impl Iterator<Item = crate::journal::Entry> + '_ {
        self.services.iter().flat_map(|(name, service)| {
            let leased = service.records.iter().filter(|(_, record)| record.lease != Lease::Held);
            let records = leased.map(|((_, face), record)| record.keep(name, face));
            let overrides = service.overrides.iter().map(|(id, overridden)| crate::journal::Entry::Override {
                service: name.to_string(),
                id: id.clone(),
                overridden: Some(overridden.clone()),
                word: None,
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
