//! What is on disk, in memory: every key, and the last changes for watches. Pure; time comes in.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use madang_base::Moment;

use super::History;
use super::draft::Batch;
use crate::error::StoreError;
use crate::model::{Change, Event, Item, KeyRange, Revision};
use crate::txn::RangeAnswer;

/// What a key costs beside its bytes: its place in the map, twice the handles of its bytes.
const ITEM_BYTES: u64 = 200;

/// What a lease costs.
pub(super) const LEASE_BYTES: u64 = 200;

pub(super) type Items = BTreeMap<Bytes, Item>;

pub(super) fn size(item: &Item) -> u64 {
    (item.key.len() + item.value.len()) as u64 + ITEM_BYTES
}

pub(super) struct State {
    items: Items,
    revision: Revision,
    bytes: u64,
    past: VecDeque<Past>,
    past_bytes: u64,
    /// The last revision whose change is forgotten.
    compacted: Revision,
    limits: History,
}

struct Past {
    change: Change,
    at: Moment,
    bytes: u64,
}

impl State {
    pub(super) fn new(items: Items, revision: Revision, leases: usize, limits: History) -> Self {
        let bytes = items.values().map(size).sum::<u64>() + leases as u64 * LEASE_BYTES;
        Self { items, revision, bytes, past: VecDeque::new(), past_bytes: 0, compacted: revision, limits }
    }

    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Item> {
        self.items.get(key)
    }

    pub(super) fn within(&self, range: &KeyRange) -> impl Iterator<Item = &Item> {
        // A map panics at a range that ends before it starts.
        let range = (!range.is_empty()).then(|| self.items.range::<Bytes, _>(range.bounds()));
        range.into_iter().flatten().map(|(_, item)| item)
    }

    pub(super) fn range(&self, range: &KeyRange, limit: usize) -> RangeAnswer {
        answer(self.within(range), limit, self.revision)
    }

    /// Takes in what is on disk now.
    pub(super) fn publish(&mut self, batch: Batch, now: Moment) {
        for (key, item) in batch.items {
            match item {
                Some(item) => self.items.insert(key, item),
                None => self.items.remove(&key),
            };
        }
        self.revision = batch.revision;
        self.bytes = batch.bytes;
        for change in batch.changes {
            let bytes = change.events.iter().map(event_size).sum();
            self.past_bytes += bytes;
            self.past.push_back(Past { change, at: now, bytes });
        }
        self.trim(now);
    }

    /// Forgets what is beyond the limits.
    pub(super) fn trim(&mut self, now: Moment) {
        while let Some(oldest) = self.past.front()
            && (self.past.len() > self.limits.revisions
                || self.past_bytes > self.limits.bytes
                || now.since(oldest.at) >= self.limits.age)
        {
            self.forget();
        }
    }

    /// When something is to be forgotten by its age.
    pub(super) fn next_trim(&self) -> Option<Moment> {
        self.past.front().map(|oldest| oldest.at + self.limits.age)
    }

    /// Forgets the changes up to `to`.
    pub(super) fn compact(&mut self, to: Revision) -> Result<(), StoreError> {
        if to > self.revision {
            return Err(StoreError::Behind { wanted: to, known: self.revision });
        }
        while self.past.front().is_some_and(|oldest| oldest.change.revision <= to) {
            self.forget();
        }
        self.compacted = self.compacted.max(to);
        Ok(())
    }

    fn forget(&mut self) {
        if let Some(oldest) = self.past.pop_front() {
            self.past_bytes -= oldest.bytes;
            self.compacted = oldest.change.revision;
        }
    }

    /// The first change of `range` from `from` on; none when there is none yet.
    ///
    /// # Errors
    /// The last revision that is forgotten, when changes from `from` on are.
    pub(super) fn change_from(&self, range: &KeyRange, from: Revision) -> Result<Option<Change>, Revision> {
        if from <= self.compacted {
            return Err(self.compacted);
        }
        let start = self.past.partition_point(|past| past.change.revision < from);
        Ok(self.past.range(start..).find_map(|past| {
            let events = past.change.events.iter().filter(|event| range.contains(event.key()));
            let events: Vec<Event> = events.cloned().collect();
            (!events.is_empty()).then_some(Change { revision: past.change.revision, events })
        }))
    }
}

fn event_size(event: &Event) -> u64 {
    match event {
        Event::Put(item) => size(item),
        Event::Delete { key } => key.len() as u64 + ITEM_BYTES,
    }
}

/// What a range shows; `limit` 0 is all.
pub(super) fn answer<'a>(items: impl Iterator<Item = &'a Item>, limit: usize, revision: Revision) -> RangeAnswer {
    let most = if limit == 0 { usize::MAX } else { limit };
    let mut answer = RangeAnswer { revision, items: Vec::new(), count: 0 };
    for item in items {
        if answer.count < most {
            answer.items.push(item.clone());
        }
        answer.count += 1;
    }
    answer
}
