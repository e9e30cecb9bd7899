//! Counts of the recent past: a window of equal slots that moves on slot by slot.
//!
//! Slots are numbered from some origin and only those that hold something are kept, so a long silence costs nothing.

use std::collections::VecDeque;

/// `N` kinds of things, counted per slot.
#[derive(Debug, Clone)]
pub(super) struct Rolling<const N: usize> {
    /// Oldest first; never more than the window has slots, when its owner forgets in time.
    slots: VecDeque<(u64, [u64; N])>,
    totals: [u64; N],
}

impl<const N: usize> Rolling<N> {
    pub(super) const fn new() -> Self {
        Self { slots: VecDeque::new(), totals: [0; N] }
    }

    /// Counts into `slot`, which is the newest so far or newer.
    pub(super) fn add(&mut self, slot: u64, counts: [u64; N]) {
        sum(&mut self.totals, counts);
        match self.slots.back_mut() {
            Some((newest, of_slot)) if *newest == slot => sum(of_slot, counts),
            _ => self.slots.push_back((slot, counts)),
        }
    }

    /// Forgets all slots before `slot`.
    pub(super) fn forget_before(&mut self, slot: u64) {
        while let Some((_, counts)) = self.slots.pop_front_if(|(oldest, _)| *oldest < slot) {
            for (total, count) in self.totals.iter_mut().zip(counts) {
                *total -= count;
            }
        }
    }

    /// What all slots hold together.
    pub(super) const fn totals(&self) -> [u64; N] {
        self.totals
    }

    /// What the slots from `slot` on hold together.
    pub(super) fn totals_from(&self, slot: u64) -> [u64; N] {
        let mut totals = self.totals;
        for (_, counts) in self.slots.iter().take_while(|(number, _)| *number < slot) {
            for (total, count) in totals.iter_mut().zip(counts) {
                *total -= count;
            }
        }
        totals
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

fn sum<const N: usize>(totals: &mut [u64; N], counts: [u64; N]) {
    for (total, count) in totals.iter_mut().zip(counts) {
        *total += count;
    }
}
