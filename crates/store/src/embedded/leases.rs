//! Leases: until when each is good, and which keys end with it. Pure; time comes in.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use madang_base::Moment;

use crate::model::LeaseId;

#[derive(Debug, Default)]
pub(super) struct Leases {
    all: HashMap<LeaseId, Lease>,
    /// The next to end first; those that are ending are not in it.
    deadlines: BTreeSet<(Moment, LeaseId)>,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    keys: BTreeSet<Bytes>,
    /// None while it is ending: nobody can keep it alive any more.
    deadline: Option<Moment>,
}

impl Leases {
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, lease: LeaseId) -> bool {
        self.all.contains_key(&lease)
    }

    pub(super) fn grant(&mut self, lease: LeaseId, ttl: Duration, now: Moment) {
        let deadline = now + ttl;
        self.deadlines.insert((deadline, lease));
        self.all.insert(lease, Lease { ttl, keys: BTreeSet::new(), deadline: Some(deadline) });
    }

    /// Its full time, from now on; none when there is no such lease, or when its end has begun.
    pub(super) fn keep_alive(&mut self, lease: LeaseId, now: Moment) -> Option<Duration> {
        let known = self.all.get_mut(&lease)?;
        let deadline = known.deadline.as_mut()?;
        // Over is over, also when the writer has not come to it yet.
        if *deadline <= now {
            return None;
        }
        self.deadlines.remove(&(*deadline, lease));
        *deadline = now + known.ttl;
        self.deadlines.insert((*deadline, lease));
        Some(known.ttl)
    }

    /// When the next one ends.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Those whose time is over, each once.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<LeaseId> {
        let mut due = Vec::new();
        while let Some((deadline, lease)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(known) = self.all.get_mut(&lease) {
                known.deadline = None;
            }
            due.push(lease);
        }
        due
    }

    pub(super) fn remove(&mut self, lease: LeaseId) {
        if let Some(Lease { deadline: Some(deadline), .. }) = self.all.remove(&lease) {
            self.deadlines.remove(&(deadline, lease));
        }
    }

    pub(super) fn attach(&mut self, lease: LeaseId, key: &Bytes) {
        if let Some(known) = self.all.get_mut(&lease) {
            known.keys.insert(key.clone());
        }
    }

    pub(super) fn detach(&mut self, lease: LeaseId, key: &Bytes) {
        if let Some(known) = self.all.get_mut(&lease) {
            known.keys.remove(key);
        }
    }

    pub(super) fn keys(&self, lease: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.all.get(&lease).into_iter().flat_map(|known| &known.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    #[test]
    fn a_lease_ends_exactly_when_its_time_is_over_and_only_once() {
        let (mut leases, start) = (Leases::default(), Moment::default());
        leases.grant(LeaseId(1), TTL, start);
        leases.grant(LeaseId(2), TTL * 2, start);
        let almost = start + TTL - Duration::from_nanos(1);
        assert_eq!(leases.take_due(almost), []);
        assert_eq!(leases.keep_alive(LeaseId(1), almost), Some(TTL));
        assert_eq!(leases.next_deadline(), Some(almost + TTL));
        assert_eq!(leases.keep_alive(LeaseId(1), almost + TTL), None, "over is over");
        assert_eq!(leases.take_due(almost + TTL), [LeaseId(1)]);
        assert_eq!(leases.take_due(almost + TTL), []);
        assert_eq!(leases.keep_alive(LeaseId(1), start), None, "its end has begun");
        assert!(leases.contains(LeaseId(1)), "it is there until its end is on disk");
        leases.remove(LeaseId(2));
        assert_eq!(leases.next_deadline(), None);
    }
}
