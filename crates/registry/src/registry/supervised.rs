//! The supervisor's records, and how each meets what the application registered itself: one process, one instance.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use madang_base::{Moment, Name};

use super::record::Lease;
use super::{Registry, Removed, Service};
use crate::instance::{Face, Instance, InstanceId};
use crate::view::Kind;

/// Answers whether an address is one of this machine's.
pub(super) type Here = fn(IpAddr) -> bool;

impl Registry {
    /// Replaces everything the supervisor knows about one service.
    ///
    /// Where a process is gone, what it registered itself goes with it; that is what is returned.
    pub fn replace_supervised(&mut self, service: &Name, instances: Vec<Instance>, now: Moment) -> Vec<Removed> {
        let wanted: BTreeMap<_, _> = instances
            .into_iter()
            .filter(|instance| instance.check().is_ok())
            .map(|instance| (instance.id.clone(), instance))
            .collect();
        let merged = self.processes(service);
        let known = self.services.get(service);
        let gone: Vec<_> = known
            .into_iter()
            .flat_map(|known| known.records.keys())
            .filter(|(id, face)| *face == Face::SUPERVISE && !wanted.contains_key(id))
            .cloned()
            .collect();
        for key in gone {
            self.remove(service, &key);
        }
        for (id, instance) in wanted {
            let key = (id, Face::SUPERVISE);
            let earlier = self.services.get(service).and_then(|known| known.records.get(&key));
            if earlier.is_some_and(|earlier| *earlier.instance == instance) {
                continue;
            }
            let (registered_ms, up_ms) = earlier.map_or((0, 0), |earlier| (earlier.registered_ms, earlier.up_ms));
            let mut record = self.record(instance, Lease::Held, now);
            if registered_ms > 0 {
                record.registered_ms = registered_ms;
                record.kind = Kind::Modified;
            }
            if up_ms > 0 {
                record.up_ms = up_ms;
            }
            self.insert(service, key, record);
        }
        let ended = |place: &(InstanceId, u16)| {
            let key = (place.0.clone(), Face::SUPERVISE);
            let record = self.services.get(service).and_then(|known| known.records.get(&key));
            record.is_none_or(|record| record.instance.port.number != place.1)
        };
        let ended: Vec<_> = merged.into_iter().filter(|(_, place)| ended(place)).map(|(own, _)| own).collect();
        let mut removed = Vec::new();
        for id in ended {
            let known = self.services.get(service).into_iter().flat_map(|known| known.records.keys());
            let own = known.filter(|(other, face)| *other == id && *face != Face::SUPERVISE);
            removed.extend(own.map(|(id, face)| Removed {
                service: service.clone(),
                face: face.clone(),
                id: id.clone(),
            }));
        }
        for Removed { face, id, .. } in &removed {
            self.remove(service, &(id.clone(), face.clone()));
        }
        removed
    }

    /// Self-registered id -> the id and port of the process it is.
    fn processes(&self, service: &Name) -> Vec<(InstanceId, (InstanceId, u16))> {
        let Some(known) = self.services.get(service) else { return Vec::new() };
        let partners = known.partners(self.here).into_iter();
        let port = |id: &InstanceId| Some(known.records.get(&(id.clone(), Face::SUPERVISE))?.instance.port.number);
        partners.filter_map(|(own, process)| Some((own, (process.clone(), port(&process)?)))).collect()
    }
}

impl Service {
    /// Self-registered id -> supervised id of the same process: same port, and an address of this machine. One
    /// supervised record has one partner, the last registered.
    pub(super) fn partners(&self, here: Here) -> BTreeMap<InstanceId, InstanceId> {
        let supervised: HashMap<u16, &InstanceId> = self
            .records
            .iter()
            .filter(|((_, face), _)| *face == Face::SUPERVISE)
            .map(|((id, _), record)| (record.instance.port.number, id))
            .collect();
        if supervised.is_empty() {
            return BTreeMap::new();
        }
        let mut best: BTreeMap<&InstanceId, (&InstanceId, u64)> = BTreeMap::new();
        for ((id, face), record) in &self.records {
            if *face == Face::SUPERVISE {
                continue;
            }
            let ports = [record.instance.port, record.instance.secure_port];
            let mut ports = ports.iter().filter(|port| port.enabled);
            let partner = ports.find_map(|port| supervised.get(&port.number));
            // The address last: asking the system costs a call.
            if let Some(partner) = partner.filter(|_| is_here(&record.instance, here)) {
                let place = best.entry(partner).or_insert((id, record.revision));
                if record.revision > place.1 {
                    *place = (id, record.revision);
                }
            }
        }
        best.into_iter().map(|(supervised, (id, _))| (id.clone(), supervised.clone())).collect()
    }
}

fn is_here(instance: &Instance, here: Here) -> bool {
    instance.host.eq_ignore_ascii_case("localhost")
        || [&instance.address, &instance.host].into_iter().filter_map(|text| text.parse().ok()).any(here)
}
