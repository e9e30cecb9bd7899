//! From records to what readers see: the snapshot, and the changes that led to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use madang_base::{Moment, Name};

use super::record::{Record, merged_status};
use super::{DeltaVersion, Registry, Service};
use crate::explain::Explanation;
use crate::instance::{Face, InstanceId};
use crate::view::{Change, Kind, Listed, ServiceView, Snapshot};

impl Registry {
    /// What is listed now: never older than the last change.
    pub fn snapshot(&mut self, now: Moment) -> Arc<Snapshot> {
        if self.stale.is_empty() {
            return Arc::clone(&self.snapshot);
        }
        let mut services = self.snapshot.services.clone();
        for name in std::mem::take(&mut self.stale) {
            if let Some(service) = self.services.get_mut(&name) {
                service.stale = false;
            }
            let before = services.remove(&name).unwrap_or_default();
            let after = self.list(&name, now);
            self.note_changes(&name, &before, &after, now);
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
        (Arc::clone(&self.snapshot), self.changes.latest().cloned().collect())
    }

    /// The version of what [`Self::delta`] would give.
    pub(crate) fn delta_version(&mut self, now: Moment) -> DeltaVersion {
        self.snapshot(now);
        self.changes.forget(now);
        DeltaVersion { revision: self.revision, forgotten: self.changes.forgotten }
    }

    fn note_changes(&mut self, name: &Name, before: &ServiceView, after: &ServiceView, now: Moment) {
        // The same id in both is a change of one, and only its new row is told.
        let changes = after.changes_since(before).filter_map(|changed| match changed {
            (_, Some(listed)) => Some(Change { kind: listed.kind, listed: Arc::clone(listed) }),
            (Some(listed), None) => Some(Change { kind: Kind::Deleted, listed: Arc::clone(listed) }),
            (None, None) => None,
        });
        self.changes.extend(name, changes, now);
        self.changes.forget(now);
    }

    /// Rows that say what they said are the same rows, so that readers see by the pointer what is new.
    fn list(&mut self, name: &Name, now: Moment) -> ServiceView {
        let Some(service) = self.services.get(name) else { return ServiceView::default() };
        let partners = service.partners(self.here);
        let taken: BTreeSet<_> = partners.values().collect();
        let mut instances: Vec<Arc<Listed>> = Vec::with_capacity(service.records.len());
        let (mut fresh, mut last) = (Vec::new(), None);
        for (key, record) in &service.records {
            if key.1 == Face::SUPERVISE && taken.contains(&key.0) {
                continue;
            }
            // Two faces with the same id are one entry in every document: the first face by name stands.
            let is_second = |(id, face): &(InstanceId, Face)| *face != key.1 && *id == key.0;
            if last.is_some_and(is_second) {
                continue;
            }
            last = Some(key);
            let partner = partners.get(&key.0).filter(|_| key.1 != Face::SUPERVISE);
            let partner = partner.and_then(|id| service.records.get(&(id.clone(), Face::SUPERVISE)));
            let revision = partner.map_or(record.revision, |partner| partner.revision.max(record.revision));
            let kept = record.row.as_ref().filter(|row| {
                let same_partner =
                    row.supervised.as_ref().map(|one| &one.id) == partner.map(|partner| &partner.instance.id);
                row.revision == revision && same_partner
            });
            instances.push(match kept {
                Some(kept) => Arc::clone(kept),
                None => {
                    let row = Arc::new(self.listed(name, service, key, record, partner, revision, now));
                    fresh.push((key.clone(), Arc::clone(&row)));
                    row
                }
            });
        }
        if let Some(service) = self.services.get_mut(name) {
            for (key, row) in fresh {
                if let Some(record) = service.records.get_mut(&key) {
                    record.row = Some(row);
                }
            }
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
        Some(Explanation::new(listed, records, self.preservation(service, now)))
    }
}
