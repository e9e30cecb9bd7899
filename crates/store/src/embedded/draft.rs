//! Transactions decided one after the other over what is on disk, before any of it is written. Pure.
//!
//! Each sees those before it. One that is refused leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::leases::Leases;
use super::state::{LEASE_BYTES, State, answer, size};
use crate::error::StoreError;
use crate::model::{Change, Event, Item, KeyRange, LeaseId, Revision};
use crate::txn::{Op, OpAnswer, Txn, TxnAnswer};

/// What is to be written, and published once it is.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// None is deleted.
    pub(super) items: BTreeMap<Bytes, Option<Item>>,
    /// New leases.
    pub(super) granted: BTreeMap<LeaseId, Duration>,
    /// Ended leases; one that was also granted here is only here.
    pub(super) ended: BTreeSet<LeaseId>,
    /// One for each transaction that changed something.
    pub(super) changes: Vec<Change>,
    pub(super) revision: Revision,
    pub(super) bytes: u64,
    pub(super) next_lease: u64,
}

impl Batch {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.granted.is_empty() && self.ended.is_empty()
    }
}

pub(super) struct Draft<'a> {
    state: &'a State,
    leases: &'a Leases,
    cap: u64,
    batch: Batch,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &'a State, leases: &'a Leases, next_lease: u64, cap: u64) -> Self {
        let batch = Batch { revision: state.revision(), bytes: state.bytes(), next_lease, ..Batch::default() };
        Self { state, leases, cap, batch }
    }

    pub(super) fn finish(self) -> Batch {
        self.batch
    }

    /// One transaction, which has been checked.
    pub(super) fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer, StoreError> {
        let succeeded = txn.when.iter().all(|compare| compare.holds(self.get(&compare.key)));
        let ops = if succeeded { &txn.then } else { &txn.or_else };
        for op in ops {
            if let Op::Put { lease: Some(lease), .. } = op
                && !self.has_lease(*lease)
            {
                return Err(StoreError::NoLease { lease: *lease });
            }
        }
        let mut step = Step::new(self);
        let answers = ops.iter().map(|op| step.op(op)).collect();
        let revision = step.finish()?;
        Ok(TxnAnswer { succeeded, revision, answers })
    }

    pub(super) fn grant(&mut self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let bytes = self.batch.bytes + LEASE_BYTES;
        if bytes > self.cap {
            return Err(StoreError::Full { bytes, cap: self.cap });
        }
        let lease = LeaseId(self.batch.next_lease);
        self.batch.bytes = bytes;
        self.batch.next_lease += 1;
        self.batch.granted.insert(lease, ttl);
        Ok(lease)
    }

    pub(super) fn revoke(&mut self, lease: LeaseId) -> Result<Revision, StoreError> {
        if !self.has_lease(lease) {
            return Err(StoreError::NoLease { lease });
        }
        let fresh = self.batch.items.values().flatten().filter(|item| item.lease == Some(lease)).map(|item| &item.key);
        let keys: BTreeSet<Bytes> = self.leases.keys(lease).chain(fresh).cloned().collect();
        let mut step = Step::new(self);
        for key in keys {
            // It may have been put anew since, without this lease.
            if step.draft.get(&key).is_some_and(|item| item.lease == Some(lease)) {
                step.delete(key);
            }
        }
        let revision = step.finish()?;
        self.batch.granted.remove(&lease);
        self.batch.ended.insert(lease);
        self.batch.bytes = self.batch.bytes.saturating_sub(LEASE_BYTES);
        Ok(revision)
    }

    fn has_lease(&self, lease: LeaseId) -> bool {
        let known = self.leases.contains(lease) || self.batch.granted.contains_key(&lease);
        known && !self.batch.ended.contains(&lease)
    }

    fn get(&self, key: &Bytes) -> Option<&Item> {
        self.batch.items.get(key).map_or_else(|| self.state.get(key), Option::as_ref)
    }

    /// The items of a range with what was drafted so far.
    fn within(&self, range: &KeyRange) -> impl Iterator<Item = &Item> {
        let mut old = self.state.within(range).peekable();
        let drafted = (!range.is_empty()).then(|| self.batch.items.range::<Bytes, _>(range.bounds()));
        let mut new = drafted.into_iter().flatten().peekable();
        std::iter::from_fn(move || {
            loop {
                let Some((key, _)) = new.peek() else { return old.next() };
                match old.peek() {
                    Some(item) if item.key < **key => return old.next(),
                    Some(item) if item.key == **key => {
                        old.next();
                    }
                    _ => {}
                }
                if let Some((_, Some(item))) = new.next() {
                    return Some(item);
                }
            }
        })
    }
}

/// One transaction under way, with how to take it back.
struct Step<'d, 'a> {
    draft: &'d mut Draft<'a>,
    /// The revision it gets when it changes something.
    revision: Revision,
    events: Vec<Event>,
    bytes_before: u64,
    before: Vec<(Bytes, Option<Option<Item>>)>,
}

impl<'d, 'a> Step<'d, 'a> {
    fn new(draft: &'d mut Draft<'a>) -> Self {
        let (revision, bytes_before) = (draft.batch.revision.next(), draft.batch.bytes);
        Self { draft, revision, events: Vec::new(), bytes_before, before: Vec::new() }
    }

    fn op(&mut self, op: &Op) -> OpAnswer {
        match op {
            Op::Put { key, value, lease } => {
                self.put(key, value, *lease);
                OpAnswer::Put
            }
            Op::Delete(range) => {
                let keys: Vec<Bytes> = self.draft.within(range).map(|item| item.key.clone()).collect();
                let count = keys.len();
                keys.into_iter().for_each(|key| self.delete(key));
                OpAnswer::Deleted(count)
            }
            Op::Range { range, limit } => {
                let revision = if self.events.is_empty() { self.draft.batch.revision } else { self.revision };
                OpAnswer::Range(answer(self.draft.within(range), *limit, revision))
            }
        }
    }

    fn put(&mut self, key: &Bytes, value: &Bytes, lease: Option<LeaseId>) {
        let old = self.draft.get(key);
        let (created, version) = old.map_or((self.revision, 1), |old| (old.created, old.version + 1));
        let freed = old.map_or(0, size);
        // Of its own: a key or value cut out of something large must not keep all of it in memory.
        let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let item = Item { key: key.clone(), value, created, modified: self.revision, version, lease };
        self.draft.batch.bytes = (self.draft.batch.bytes + size(&item)).saturating_sub(freed);
        self.events.push(Event::Put(item.clone()));
        self.set(key, Some(item));
    }

    fn delete(&mut self, key: Bytes) {
        let freed = self.draft.get(&key).map_or(0, size);
        self.draft.batch.bytes = self.draft.batch.bytes.saturating_sub(freed);
        self.events.push(Event::Delete { key: key.clone() });
        self.set(key, None);
    }

    fn set(&mut self, key: Bytes, item: Option<Item>) {
        let before = self.draft.batch.items.insert(key.clone(), item);
        self.before.push((key, before));
    }

    /// Keeps it, or takes all of it back when it does not fit.
    fn finish(self) -> Result<Revision, StoreError> {
        let batch = &mut self.draft.batch;
        // What makes the store smaller is the way out of a full one.
        if batch.bytes > self.draft.cap && batch.bytes > self.bytes_before {
            let full = StoreError::Full { bytes: batch.bytes, cap: self.draft.cap };
            for (key, before) in self.before.into_iter().rev() {
                match before {
                    Some(item) => batch.items.insert(key, item),
                    None => batch.items.remove(&key),
                };
            }
            batch.bytes = self.bytes_before;
            return Err(full);
        }
        if !self.events.is_empty() {
            batch.revision = self.revision;
            batch.changes.push(Change { revision: self.revision, events: self.events });
        }
        Ok(batch.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::History;
    use crate::embedded::state::Items;

    const CAP: u64 = 1_000;

    fn with(test: impl FnOnce(&mut Draft<'_>)) -> Batch {
        let state = State::new(Items::new(), Revision(7), 0, History::default());
        let leases = Leases::default();
        let mut draft = Draft::new(&state, &leases, 1, CAP);
        test(&mut draft);
        draft.finish()
    }

    #[test]
    fn a_transaction_that_does_not_fit_leaves_nothing_in_the_batch_of_those_that_do() {
        let batch = with(|draft| {
            draft.txn(&Txn::new().then(Op::put("a", "1"))).unwrap();
            let large = Txn::new().then(Op::delete("a")).then(Op::put("b", "1")).then(Op::put("c", vec![0; 900]));
            assert!(matches!(draft.txn(&large), Err(StoreError::Full { cap: CAP, .. })));
            assert_eq!(draft.txn(&Txn::new().then(Op::put("d", "1"))).unwrap().revision, Revision(9));
        });
        let keys: Vec<(&Bytes, bool)> = batch.items.iter().map(|(key, item)| (key, item.is_some())).collect();
        assert_eq!(keys, [(&"a".into(), true), (&"d".into(), true)]);
        let revisions: Vec<u64> = batch.changes.iter().map(|change| change.revision.0).collect();
        assert_eq!((revisions, batch.revision), (vec![8, 9], Revision(9)), "a refused one has no revision");
    }

    #[test]
    fn a_lease_granted_and_revoked_in_one_batch_takes_its_keys_along() {
        let batch = with(|draft| {
            let lease = draft.grant(Duration::from_secs(1)).unwrap();
            draft.txn(&Txn::new().then(Op::put_leased("a", "1", lease))).unwrap();
            draft.txn(&Txn::new().then(Op::put("b", "1"))).unwrap();
            assert_eq!(draft.revoke(lease), Ok(Revision(10)));
            assert_eq!(draft.revoke(lease), Err(StoreError::NoLease { lease }));
            let late = draft.txn(&Txn::new().then(Op::put_leased("c", "1", lease)));
            assert_eq!(late, Err(StoreError::NoLease { lease }));
        });
        assert_eq!(batch.items.get(&Bytes::from_static(b"a")), Some(&None));
        assert_eq!(batch.bytes, super::super::state::size(batch.items[&Bytes::from_static(b"b")].as_ref().unwrap()));
        assert!(batch.granted.is_empty() && batch.next_lease == 2, "its number is not given away again");
    }
}
