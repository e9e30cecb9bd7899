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
    pub(super) latest: BTreeMap<(Name, InstanceId), (u64, Change)>,
    pub(super) order: VecDeque<(Moment, u64, (Name, InstanceId))>,
    next: u64,
    /// Grows when something is forgotten: then the delta is another one, although nothing changed.
    pub(super) forgotten: u64,
}

impl Changes {
    pub(super) fn push(&mut self, change: Change, now: Moment) {
        let key = (change.listed.service.clone(), change.listed.instance.id.clone());
        self.next += 1;
        self.order.push_back((now, self.next, key.clone()));
        self.latest.insert(key, (self.next, change));
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.order.front().is_some_and(|(at, _, _)| now.since(*at) > RETENTION) {
            self.forget_oldest();
        }
        if self.order.len() > MAX_CHANGES {
            // Instances that changed several times first.
            self.order.retain(|(_, number, key)| self.latest.get(key).is_some_and(|(latest, _)| latest == number));
            while self.order.len() > MAX_CHANGES / 4 * 3 {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, number, key)) = self.order.pop_front() else { return };
        if self.latest.get(&key).is_some_and(|(latest, _)| *latest == number) {
            self.latest.remove(&key);
            self.forgotten += 1;
        }
    }
}

/// Tells one delta from every other of the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeltaVersion {
    pub(crate) revision: u64,
    pub(super) forgotten: u64,
}
