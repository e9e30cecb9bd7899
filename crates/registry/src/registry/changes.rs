//! What changed in the last minutes: the latest of each instance, for deltas.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use madang_base::{Moment, Name};

use crate::instance::InstanceId;
use crate::view::Change;

/// How long a change stays in deltas: three minutes, as Eureka's `retentionTimeInMSInDeltaQueue`.
const RETENTION: Duration = Duration::from_secs(180);

/// Changes kept at most. Beyond, the oldest go; a reader of deltas sees from the hash that it missed some.
pub(super) const MAX_CHANGES: usize = 50_000;

/// The latest change of each instance, and the order in which they are forgotten.
#[derive(Debug, Default)]
pub(super) struct Changes {
    latest: BTreeMap<Name, BTreeMap<InstanceId, (u64, Change)>>,
    order: VecDeque<(Moment, u64, Name, InstanceId)>,
    next: u64,
    /// Grows when something is forgotten: then the delta is another one, although nothing changed.
    pub(super) forgotten: u64,
}

impl Changes {
    /// Takes changes of one service.
    pub(super) fn extend(&mut self, service: &Name, changes: impl Iterator<Item = Change>, now: Moment) {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return;
        }
        let latest = self.latest.entry(service.clone()).or_default();
        for change in changes {
            let id = change.listed.instance.id.clone();
            self.next += 1;
            self.order.push_back((now, self.next, service.clone(), id.clone()));
            latest.insert(id, (self.next, change));
        }
    }

    /// The latest of each instance, by service and id.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Change> {
        self.latest.values().flat_map(BTreeMap::values).map(|(_, change)| change)
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.order.front().is_some_and(|(at, ..)| now.since(*at) > RETENTION) {
            self.forget_oldest();
        }
        if self.order.len() > MAX_CHANGES {
            // Instances that changed several times first.
            let latest = &self.latest;
            self.order.retain(|(_, number, service, id)| is_latest(latest, *number, service, id));
            while self.order.len() > MAX_CHANGES / 4 * 3 {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, number, service, id)) = self.order.pop_front() else { return };
        if is_latest(&self.latest, number, &service, &id)
            && let Some(known) = self.latest.get_mut(&service)
        {
            known.remove(&id);
            if known.is_empty() {
                self.latest.remove(&service);
            }
            self.forgotten += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.latest().count(), self.order.len())
    }
}

fn is_latest(
    latest: &BTreeMap<Name, BTreeMap<InstanceId, (u64, Change)>>,
    number: u64,
    service: &Name,
    id: &InstanceId,
) -> bool {
    latest.get(service).and_then(|known| known.get(id)).is_some_and(|(latest, _)| *latest == number)
}

/// Tells one delta from every other of the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeltaVersion {
    pub(crate) revision: u64,
    pub(super) forgotten: u64,
}
