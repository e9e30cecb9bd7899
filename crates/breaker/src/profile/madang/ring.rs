//! The count window: the last so many results, in the order they ended.
//!
//! Order needs one place that all threads pass, so this window costs what three contended words cost; the time window
//! does not. Every word carries the generation it is valid for: a late result finds another one and is thrown out, and a
//! new generation starts by taking the words over, without clearing a million places. Whoever sees a word of a newer
//! generation also sees that its own is over: that is what the orderings are for.
//!
//! A ring is made for a power of two of places and kept, so that settings can change the length without a lock: at most
//! twenty-one rings, two million places.

use std::sync::OnceLock;

use super::{Counts, Kind};
use crate::sync::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Rings for 1, 2, 4 … places; the last holds [`super::MAX_CALLS`].
const RINGS: usize = 21;

/// `generation 24 | results so far 40`.
const POSITION_BITS: u32 = 40;
const POSITIONS: u64 = (1 << POSITION_BITS) - 1;

/// `generation 22 | failures 21 | slow 21`, both signed: a thread may take away what another is about to add.
const FIELD_BITS: u32 = 21;
const FIELD: u64 = (1 << FIELD_BITS) - 1;
const FIELDS: u64 = (1 << (2 * FIELD_BITS)) - 1;

/// A place: `generation 24 | 1 + kind`, 0 when it was never written.
const KIND_BITS: u32 = 8;

/// The count window of one breaker.
#[derive(Debug)]
pub(super) struct CountWindow {
    position: AtomicU64,
    sums: AtomicU64,
    rings: [OnceLock<Box<[AtomicU32]>>; RINGS],
}

impl CountWindow {
    pub(super) fn new() -> Self {
        Self { position: AtomicU64::new(0), sums: AtomicU64::new(0), rings: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// Makes the places for a window of `length` results. Called before that is used.
    pub(super) fn prepare(&self, length: u32) {
        let class = class(length);
        let places = || (0..1_u32 << class).map(|_| AtomicU32::new(0)).collect();
        if let Some(ring) = self.rings.get(class) {
            ring.get_or_init(places);
        }
    }

    /// Counts one result of `generation`, unless that is over, and answers with what the window holds then.
    pub(super) fn record(
        &self,
        length: u32,
        generation: u32,
        kind: Kind,
        is_current: impl Fn() -> bool,
    ) -> Option<Counts> {
        let ring = self.rings.get(class(length))?.get()?;
        let before = advance(&self.position, generation, &is_current)?;
        let place = ring.get((before % u64::from(length)) as usize)?;
        let old = exchange(place, generation, kind, &is_current)?;
        let delta = field_of(kind).wrapping_sub(old.map_or(0, field_of));
        let sums = add(&self.sums, generation, delta, &is_current)?;
        self.counts_of(length, generation, sums)
    }

    /// What the window of `generation` holds.
    pub(super) fn counts(&self, length: u32, generation: u32) -> Counts {
        let sums = self.sums.load(Acquire);
        let is_ours = sums >> (2 * FIELD_BITS) == tag_of_sums(generation);
        is_ours.then(|| self.counts_of(length, generation, sums)).flatten().unwrap_or_default()
    }

    /// The position is read after the sums: whoever is in these has taken one before. The other way around, results of
    /// others would look like failures of the few calls that had come by then.
    fn counts_of(&self, length: u32, generation: u32, sums: u64) -> Option<Counts> {
        let position = self.position.load(Acquire);
        (position >> POSITION_BITS == u64::from(generation)).then(|| counts(length, position & POSITIONS, sums))
    }

    /// Moves to another length, with the last results in their order as far as they fit.
    pub(super) fn resize(&self, from: u32, to: u32, generation: u32) {
        let Some(ring) = self.rings.get(class(from)).and_then(OnceLock::get) else { return };
        let position = self.position.load(Acquire);
        if position >> POSITION_BITS != u64::from(generation) {
            return;
        }
        let end = position & POSITIONS;
        let kept = end.min(from.into()).min(to.into());
        let places = (end - kept..end).filter_map(|at| ring.get((at % u64::from(from)) as usize));
        let kinds: Vec<Kind> = places.filter_map(|place| kind_of(place.load(Relaxed), generation)).collect();
        self.restart(generation);
        for kind in kinds {
            let _ = self.record(to, generation, kind, || true);
        }
    }

    /// Starts with as many of `counts`, in their proportion, as fit into `length`.
    pub(super) fn adopt(&self, length: u32, generation: u32, counts: Counts) {
        self.restart(generation);
        let all = counts.calls.min(length.into());
        let mut debts = [0; Kind::ALL.len()];
        for _ in 0..all {
            // Each kind comes when its share is due: evenly mixed, so that what drops out later keeps the proportion.
            let shares = counts.by_kind();
            for (debt, (_, share)) in debts.iter_mut().zip(shares) {
                *debt += share;
            }
            let due = (0..debts.len()).max_by_key(|place| debts[*place]).unwrap_or_default();
            debts[due] = debts[due].saturating_sub(counts.calls);
            let _ = self.record(length, generation, shares[due].0, || true);
        }
    }

    /// Forgets everything of `generation`.
    fn restart(&self, generation: u32) {
        // Places of this generation would be taken away from sums that no longer hold them.
        for place in self.rings.iter().filter_map(OnceLock::get).flat_map(|ring| ring.iter()) {
            place.store(0, Relaxed);
        }
        self.sums.store(tag_of_sums(generation) << (2 * FIELD_BITS), Release);
        self.position.store(u64::from(generation) << POSITION_BITS, Release);
    }
}

const fn class(length: u32) -> usize {
    length.next_power_of_two().trailing_zeros() as usize
}

/// Takes the next position of `generation`.
fn advance(position: &AtomicU64, generation: u32, is_current: &impl Fn() -> bool) -> Option<u64> {
    let tag = u64::from(generation);
    let mut seen = position.load(Acquire);
    loop {
        let before = match seen >> POSITION_BITS == tag {
            true => seen & POSITIONS,
            false if is_current() => 0,
            false => return None,
        };
        // After 2^40 results the ring begins at place 0 again, once, out of order.
        let next = tag << POSITION_BITS | (before + 1) & POSITIONS;
        match position.compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) => return Some(before),
            Err(other) => seen = other,
        }
    }
}

/// Writes a place and answers with what this generation had there.
fn exchange(place: &AtomicU32, generation: u32, kind: Kind, is_current: &impl Fn() -> bool) -> Option<Option<Kind>> {
    let next = generation << KIND_BITS | (1 + kind as u32);
    let mut seen = place.load(Acquire);
    loop {
        if seen >> KIND_BITS != generation && seen != 0 && !is_current() {
            return None;
        }
        match place.compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) => return Some(kind_of(seen, generation)),
            Err(other) => seen = other,
        }
    }
}

fn kind_of(place: u32, generation: u32) -> Option<Kind> {
    let written = place & ((1 << KIND_BITS) - 1);
    if place >> KIND_BITS != generation || written == 0 {
        return None;
    }
    Kind::ALL.get(written as usize - 1).copied()
}

/// Adds `delta` to the sums of `generation` and answers with them.
fn add(sums: &AtomicU64, generation: u32, delta: u64, is_current: &impl Fn() -> bool) -> Option<u64> {
    let tag = tag_of_sums(generation);
    let mut seen = sums.load(Acquire);
    loop {
        let before = match seen >> (2 * FIELD_BITS) == tag {
            true => seen & FIELDS,
            false if is_current() => 0,
            false => return None,
        };
        let next = tag << (2 * FIELD_BITS) | before.wrapping_add(delta) & FIELDS;
        match sums.compare_exchange_weak(seen, next, AcqRel, Acquire) {
            Ok(_) => return Some(next),
            Err(other) => seen = other,
        }
    }
}

const fn tag_of_sums(generation: u32) -> u64 {
    generation as u64 & ((1 << 22) - 1)
}

/// What one result adds to the sums.
const fn field_of(kind: Kind) -> u64 {
    (kind.is_failure() as u64) << FIELD_BITS | kind.is_slow() as u64
}

fn counts(length: u32, position: u64, sums: u64) -> Counts {
    let calls = position.min(length.into());
    let slow = signed(sums & FIELD);
    // A negative low field has borrowed one from the field above.
    let failures = signed(((sums & FIELDS).wrapping_sub(slow as u64) >> FIELD_BITS) & FIELD);
    let within = |field: i64| field.clamp(0, calls as i64) as u64;
    Counts { calls, failures: within(failures), slow: within(slow) }
}

const fn signed(field: u64) -> i64 {
    ((field << (64 - FIELD_BITS)) as i64) >> (64 - FIELD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(window: &CountWindow, length: u32, generation: u32, kinds: &[Kind]) -> Counts {
        kinds.iter().fold(Counts::default(), |_, kind| window.record(length, generation, *kind, || true).unwrap())
    }

    #[test]
    fn the_oldest_result_leaves_first() {
        use Kind::{Failure, SlowFailure, SlowSuccess, Success};
        let window = CountWindow::new();
        window.prepare(3);
        let counts = recorded(&window, 3, 5, &[Failure, SlowSuccess, Success]);
        assert_eq!(counts, Counts { calls: 3, failures: 1, slow: 1 });
        assert_eq!(recorded(&window, 3, 5, &[SlowFailure]), Counts { calls: 3, failures: 1, slow: 2 });
        assert_eq!(recorded(&window, 3, 5, &[Success, Success]), Counts { calls: 3, failures: 1, slow: 1 });
    }

    #[test]
    fn a_generation_that_is_over_is_not_counted_and_a_new_one_starts_empty() {
        let window = CountWindow::new();
        window.prepare(4);
        recorded(&window, 4, 1, &[Kind::Failure; 4]);
        assert_eq!(recorded(&window, 4, 2, &[Kind::Success]), Counts { calls: 1, failures: 0, slow: 0 });
        assert_eq!(window.record(4, 1, Kind::Failure, || false), None);
        assert_eq!(window.counts(4, 2), Counts { calls: 1, failures: 0, slow: 0 });
        assert_eq!(window.counts(4, 3), Counts::default());
    }

    #[test]
    fn another_length_keeps_the_latest_in_their_order() {
        let window = CountWindow::new();
        window.prepare(4);
        recorded(&window, 4, 1, &[Kind::Success, Kind::Success, Kind::Failure, Kind::Success, Kind::SlowFailure]);
        window.prepare(2);
        window.resize(4, 2, 1);
        assert_eq!(window.counts(2, 1), Counts { calls: 2, failures: 1, slow: 1 });
        window.prepare(300);
        window.resize(2, 300, 1);
        assert_eq!(recorded(&window, 300, 1, &[Kind::Failure]), Counts { calls: 3, failures: 2, slow: 1 });
    }

    #[test]
    fn what_a_time_window_held_keeps_its_proportion() {
        let window = CountWindow::new();
        window.prepare(10);
        window.adopt(10, 3, Counts { calls: 1_000, failures: 300, slow: 0 });
        assert_eq!(window.counts(10, 3), Counts { calls: 10, failures: 3, slow: 0 });
    }
}
