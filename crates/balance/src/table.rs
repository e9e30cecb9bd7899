//! What a policy looks up instead of computing it at every pick: a sequence, a ring, a Maglev table.
//!
//! A pool has as many tables as there are different settings among the policies that pick from it; one that nobody
//! asked for between two snapshots is not made again. The first pick of a policy makes its table, others that come
//! meanwhile wait for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::Endpoint;
use crate::policy::{Alias, MaglevTable, Names, Ring, RingHash, sequence};
use crate::pool::Pool;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Sequence,
    Alias,
    Ring(RingHash),
    Maglev { size: u32 },
    Names,
}

/// A table that is made.
#[derive(Debug)]
pub(crate) enum Table {
    /// Places in the pool, one period of the smooth weighted round robin.
    Sequence(Vec<u32>),
    Alias(Alias),
    Ring(Ring),
    Maglev(MaglevTable),
    Names(Names),
}

/// All tables of a pool: a list that only grows, so that reading it takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Tables(OnceLock<Box<Node>>);

#[derive(Debug)]
struct Node {
    shape: Shape,
    table: Table,
    /// By a pick: what the next pool makes.
    used: AtomicBool,
    next: Tables,
}

impl Tables {
    /// The table of `shape` for `pool`, made when it is not there.
    pub(crate) fn of(&self, shape: Shape, pool: &Pool, endpoints: &[Endpoint]) -> &Table {
        let make = || {
            let table = Table::new(shape, pool, endpoints);
            Box::new(Node { shape, table, used: AtomicBool::new(false), next: Self::default() })
        };
        let mut node = self.0.get_or_init(make);
        while node.shape != shape {
            node = node.next.0.get_or_init(make);
        }
        &node.table
    }

    /// As [`Self::of`], for a pick.
    pub(crate) fn for_pick(&self, shape: Shape, pool: &Pool, endpoints: &[Endpoint]) -> &Table {
        let mut list = self;
        loop {
            match list.0.get() {
                Some(node) if node.shape == shape => {
                    if !node.used.load(Relaxed) {
                        node.used.store(true, Relaxed);
                    }
                    return &node.table;
                }
                Some(node) => list = &node.next,
                None => {
                    self.of(shape, pool, endpoints);
                }
            }
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn shapes(&self) -> usize {
        std::iter::successors(self.0.get(), |node| node.next.0.get()).count()
    }

    /// What was asked for by picks.
    pub(crate) fn used(&self) -> Vec<Shape> {
        let nodes = std::iter::successors(self.0.get(), |node| node.next.0.get());
        nodes.filter(|node| node.used.load(Relaxed)).map(|node| node.shape).collect()
    }
}

impl Table {
    fn new(shape: Shape, pool: &Pool, endpoints: &[Endpoint]) -> Self {
        match shape {
            Shape::Sequence => Self::Sequence(sequence(&weights(pool, endpoints))),
            Shape::Alias => Self::Alias(Alias::new(&weights(pool, endpoints))),
            Shape::Ring(ring) => {
                Self::Ring(Ring::new(ring, pool.iter(endpoints).map(|one| (&*one.authority, one.weight))))
            }
            Shape::Maglev { size } => {
                let hosts = pool.iter(endpoints).map(|one| (&*one.authority, one.weight)).collect();
                Self::Maglev(MaglevTable::new(size, hosts))
            }
            Shape::Names => Self::Names(Names::new(pool.iter(endpoints).map(Endpoint::key))),
        }
    }
}

fn weights(pool: &Pool, endpoints: &[Endpoint]) -> Vec<u32> {
    pool.iter(endpoints).map(|one| one.weight).collect()
}
