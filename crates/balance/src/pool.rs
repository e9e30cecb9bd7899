//! Endpoints that a pick chooses among: those of one set, of one priority, of one zone.
//!
//! A pool is part of a snapshot and never changes. Tables that a policy needs are made with it, when the pool before it
//! was asked for them: then whoever publishes pays for them, not a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Endpoint;
use crate::table::Tables;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Places in the set's list of endpoints.
    members: Vec<u32>,
    /// All weights are the same.
    even: bool,
    /// Sum of the weights.
    weight: f64,
    /// Calls in flight in all, as summed a moment ago.
    pub(crate) calls: Sum,
    pub(crate) turn: Arc<Turn>,
    pub(crate) tables: Tables,
}

/// Position of the round robin, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Turn(AtomicU64);

/// A sum that may be a little old, so that not every pick computes it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Sum {
    value: AtomicU64,
    /// Nanoseconds; 0 is never.
    at: AtomicU64,
}

impl Sum {
    /// The sum as it was at most `age` ago, computed when it is older or from the future.
    pub(crate) fn at_most(&self, age: u64, now: u64, compute: impl FnOnce() -> u64) -> u64 {
        let at = self.at.load(Relaxed);
        if at != 0 && at <= now && now - at <= age {
            return self.value.load(Relaxed);
        }
        let value = compute();
        self.value.store(value, Relaxed);
        self.at.store(now, Relaxed);
        value
    }
}

impl Turn {
    /// The next of `0..count`; 0 when `count` is 0.
    pub(crate) fn take(&self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0.fetch_add(1, Relaxed) % count).unwrap_or(0)
    }
}

impl Pool {
    /// The pool of `members`, which follows `before`: it keeps the turn, and makes the tables that were in use.
    pub(crate) fn new(members: Vec<u32>, endpoints: &[Endpoint], before: Option<&Self>) -> Self {
        let mut weights = members.iter().map(|&at| endpoints[at as usize].weight);
        let first = weights.next();
        let pool = Self {
            even: weights.all(|weight| Some(weight) == first),
            weight: members.iter().map(|&at| f64::from(endpoints[at as usize].weight)).sum(),
            calls: Sum::default(),
            turn: before.map(|pool| Arc::clone(&pool.turn)).unwrap_or_default(),
            members,
            tables: Tables::default(),
        };
        for shape in before.into_iter().flat_map(|pool| pool.tables.used()) {
            pool.tables.of(shape, &pool, endpoints);
        }
        pool
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// All weights are the same.
    pub(crate) fn is_even(&self) -> bool {
        self.even
    }

    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    pub(crate) fn at<'set>(&self, place: usize, endpoints: &'set [Endpoint]) -> &'set Endpoint {
        &endpoints[self.members[place] as usize]
    }

    /// Places in the set.
    pub(crate) fn places(&self) -> &[u32] {
        &self.members
    }

    /// Place in the set of the endpoint at `place` of the pool.
    pub(crate) fn place_in_set(&self, place: usize) -> usize {
        self.members[place] as usize
    }

    pub(crate) fn iter<'a>(&'a self, endpoints: &'a [Endpoint]) -> impl ExactSizeIterator<Item = &'a Endpoint> + Clone {
        self.members.iter().map(|&at| &endpoints[at as usize])
    }
}
