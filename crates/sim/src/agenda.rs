//! What will happen when: a four-way heap of packed keys.
//!
//! An entry is one `u128`, the moment above the slot of the request it is about, so that a comparison is one
//! subtraction, four children share a cache line, and nothing is allocated per event. Entries of one moment leave in
//! the order of their slots: the same scenario gives the same run.

/// Children of a place in the heap.
const WAYS: usize = 4;

/// Events to come, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: Vec<u128>,
}

impl Agenda {
    /// The moment of the next event; the end of time when there is none.
    pub(crate) fn next(&self) -> u64 {
        self.heap.first().map_or(u64::MAX, |&entry| moment(entry))
    }

    pub(crate) fn push(&mut self, at: u64, slot: u32) {
        let entry = u128::from(at) << 64 | u128::from(slot);
        let mut hole = self.heap.len();
        self.heap.push(entry);
        while hole > 0 {
            let parent = (hole - 1) / WAYS;
            if self.heap[parent] <= entry {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = entry;
    }

    /// Takes the next event: its slot.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else { return Some(slot(last)) };
        self.sink(last);
        Some(slot(first))
    }

    /// Drops the events of all slots for which `keep` is false. For what is rare: it looks at every entry.
    pub(crate) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.heap.retain(|&entry| keep(slot(entry)));
        // A sorted list is a heap.
        self.heap.sort_unstable();
    }

    /// Puts `entry` into the hole at the top. The hole goes all the way down first and `entry`, which came from the
    /// bottom and mostly belongs there, up again: that saves a comparison on every level.
    fn sink(&mut self, entry: u128) {
        let heap = self.heap.as_mut_slice();
        let mut hole = 0;
        loop {
            let first = hole * WAYS + 1;
            let Some(children) = heap.get(first..(first + WAYS).min(heap.len())).filter(|all| !all.is_empty()) else {
                break;
            };
            let mut least = 0;
            for at in 1..children.len() {
                if children[at] < children[least] {
                    least = at;
                }
            }
            heap[hole] = children[least];
            hole = first + least;
        }
        while hole > 0 {
            let parent = (hole - 1) / WAYS;
            if heap[parent] <= entry {
                break;
            }
            heap[hole] = heap[parent];
            hole = parent;
        }
        heap[hole] = entry;
    }
}

#[allow(clippy::cast_possible_truncation)] // the halves of an entry
const fn moment(entry: u128) -> u64 {
    (entry >> 64) as u64
}

#[allow(clippy::cast_possible_truncation)] // the halves of an entry
const fn slot(entry: u128) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded())]

        #[test]
        fn events_leave_in_the_order_of_their_moments(steps in prop::collection::vec((0_u64..50, any::<bool>()), 0..300)) {
            let mut agenda = Agenda::default();
            let mut slow: Vec<(u64, u32)> = Vec::new();
            for (slot, (at, pop)) in (0_u32..).zip(steps) {
                agenda.push(at, slot);
                slow.push((at, slot));
                slow.sort_unstable();
                prop_assert_eq!(agenda.next(), slow[0].0);
                if pop {
                    prop_assert_eq!(agenda.pop(), Some(slow.remove(0).1));
                }
            }
            agenda.retain(|slot| slot % 3 != 0);
            slow.retain(|(_, slot)| slot % 3 != 0);
            for (_, slot) in slow {
                prop_assert_eq!(agenda.pop(), Some(slot));
            }
            prop_assert_eq!((agenda.next(), agenda.pop()), (u64::MAX, None));
        }
    }
}
