//! The time window: packed buckets in atomics, a set of them per stripe, so that threads do not meet on a cache line.
//!
//! A bucket has one word for each kind of result: `generation 6 | epoch 32 | count 26`. What it counts and what the count
//! is valid for change together, by one compare-and-swap, so a bucket of an old epoch or of an old generation is taken
//! over by its first new result and nothing ever has to be cleared in time. Epochs are numbers of buckets since the
//! clock's origin; 32 bits of them last fourteen years at the default window, so hours of silence are nothing special.
//!
//! A bucket is a power of two of nanoseconds wide, between a fifteenth and an eighth of the window: no division.
//!
//! Judging needs the sum of all buckets after every call. Each stripe therefore keeps the sum of its buckets before the
//! present one (`past`, computed once per bucket), and a thread looks at other stripes only when its own gives a reason:
//! a rate over all stripes cannot reach a threshold without reaching it on one of them. The one whose calls bring it
//! there may be another, so each stripe also looks every [`LOOK`]-th call.

use madang_base::Moment;
use std::time::Duration;

use super::{Counts, Kind, stripe};
use crate::sync::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Buckets of a stripe; a window uses up to all of them.
#[cfg(not(loom))]
const SLOTS: usize = 16;
#[cfg(loom)]
const SLOTS: usize = 4;

/// A thread judges by all stripes at least every so many calls of its own.
const LOOK: u64 = 64;

const COUNT_BITS: u32 = 26;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
const GENERATIONS: u64 = 64;

/// A sum that somebody is computing; 0 is none at all.
const BUSY: u64 = 1 << 62;
const VALID: u64 = 1 << 63;

/// What a count is valid for: `generation 6 | epoch 32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tag(u64);

impl Tag {
    fn new(generation: u32, epoch: u32) -> Self {
        Self((u64::from(generation) % GENERATIONS) << 32 | u64::from(epoch))
    }

    const fn of(word: u64) -> Self {
        Self(word >> COUNT_BITS)
    }

    const fn epoch(self) -> u32 {
        self.0 as u32
    }

    const fn is_of_generation(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }

    /// Buckets from here to `later`; negative when this is the later one.
    const fn age(self, later: Self) -> i64 {
        later.epoch().wrapping_sub(self.epoch()) as i32 as i64
    }

    fn slot(self) -> usize {
        self.epoch() as usize % SLOTS
    }
}

/// How a span is cut: buckets of `1 << shift` nanoseconds, so many of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    pub(super) shift: u32,
    pub(super) buckets: u32,
}

impl Geometry {
    pub(super) fn of(span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1);
        let width = (nanos / (SLOTS as u64 - 1)).max(1).checked_next_power_of_two().unwrap_or(1 << 63);
        Self { shift: width.trailing_zeros(), buckets: nanos.div_ceil(width).min(SLOTS as u64) as u32 }
    }

    const fn epoch(self, now: Moment) -> u32 {
        (now.nanos() >> self.shift) as u32
    }
}

/// One thread's part, on cache lines of its own (two: processors fetch lines in pairs).
#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    /// The tag of the present bucket, with [`VALID`] when `past` is right for it or [`BUSY`] when it is in the making.
    head: AtomicU64,
    /// Calls, failures and slow calls in the buckets before the present one.
    past: [AtomicU64; 3],
    slots: [[AtomicU64; Kind::ALL.len()]; SLOTS],
}

/// The time window of one breaker.
#[derive(Debug)]
pub(super) struct TimeWindow {
    stripes: [Stripe; stripe::COUNT],
}

impl TimeWindow {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let stripe = || Stripe {
            head: zero(),
            past: std::array::from_fn(|_| zero()),
            slots: std::array::from_fn(|_| std::array::from_fn(|_| zero())),
        };
        Self { stripes: std::array::from_fn(|_| stripe()) }
    }

    /// Counts one result of `generation`, unless that is over: `is_current` tells.
    ///
    /// Answers with the counts to judge by: those of the whole window when this thread's own are `suspicious` or it is
    /// time to look, or else none.
    #[inline]
    pub(super) fn record(
        &self,
        geometry: Geometry,
        generation: u32,
        now: Moment,
        kind: Kind,
        is_current: impl Fn() -> bool,
        suspicious: impl Fn(Counts) -> bool,
    ) -> Option<Counts> {
        let here = stripe::index();
        let stripe = &self.stripes[here];
        let tag = stripe.settle(Tag::new(generation, geometry.epoch(now)), geometry, &is_current)?;
        stripe.add(tag, kind, 1, &is_current)?;
        let own = stripe.counts(tag, geometry);
        if !suspicious(own) && !own.calls.is_multiple_of(LOOK) {
            return None;
        }
        Some(self.others(here, own, tag, geometry))
    }

    /// What the window of `generation` holds at `now`.
    pub(super) fn counts(&self, geometry: Geometry, generation: u32, now: Moment) -> Counts {
        let tag = Tag::new(generation, geometry.epoch(now));
        self.stripes.iter().fold(Counts::default(), |counts, stripe| {
            // The same view of time as the stripe's next result would have.
            let tag = stripe.present(tag, geometry).unwrap_or(tag);
            counts + stripe.sum(tag, geometry, 0)
        })
    }

    /// `own` and what all stripes but `here` hold.
    fn others(&self, here: usize, own: Counts, tag: Tag, geometry: Geometry) -> Counts {
        let others = self.stripes.iter().enumerate().filter(|(index, _)| *index != here);
        others.fold(own, |counts, (_, stripe)| match stripe.head.load(Acquire) {
            0 => counts,
            _ => counts + stripe.counts(tag, geometry),
        })
    }

    /// Forgets what was counted for `generation`. Only its words are touched, so it may come late.
    pub(super) fn sweep(&self, generation: u32) {
        let tag = Tag::new(generation, 0);
        for word in self.stripes.iter().flat_map(|stripe| stripe.slots.iter().flatten()) {
            let seen = word.load(Relaxed);
            if seen != 0 && Tag::of(seen).is_of_generation(tag) {
                // Lost only to a result that comes late, which the next use of the bucket throws out.
                let _ = word.compare_exchange(seen, 0, Relaxed, Relaxed);
            }
        }
    }

    /// Counts `counts` as results of `now`: what another geometry or kind of window held is kept and ages as one.
    pub(super) fn adopt(&self, geometry: Geometry, generation: u32, now: Moment, counts: Counts) {
        let tag = Tag::new(generation, geometry.epoch(now));
        let stripe = &self.stripes[stripe::index()];
        let is_current = || true;
        if stripe.settle(tag, geometry, &is_current).is_some() {
            for (kind, count) in counts.by_kind() {
                let _ = stripe.add(tag, kind, count, &is_current);
            }
        }
    }
}

impl Stripe {
    /// The tag that a result at `tag` is counted under, after making it the present one. `None` when it is late.
    #[inline]
    fn settle(&self, tag: Tag, geometry: Geometry, is_current: &impl Fn() -> bool) -> Option<Tag> {
        if self.head.load(Acquire) == VALID | tag.0 {
            return Some(tag);
        }
        self.turn(tag, geometry, is_current)
    }

    /// Where the stripe stands for somebody at `tag`: at its own bucket if `tag` is a little behind it. A clock that
    /// went back further than a window is believed.
    fn present(&self, tag: Tag, geometry: Geometry) -> Option<Tag> {
        let head = self.head.load(Acquire);
        let present = Tag(head & !(BUSY | VALID));
        let behind = present.age(tag);
        let is_near = behind == 0 || (behind < 0 && -behind <= i64::from(geometry.buckets));
        (head != 0 && present.is_of_generation(tag) && is_near).then_some(present)
    }

    #[cold]
    fn turn(&self, tag: Tag, geometry: Geometry, is_current: &impl Fn() -> bool) -> Option<Tag> {
        if let Some(present) = self.present(tag, geometry) {
            return Some(present);
        }
        let head = self.head.load(Acquire);
        if !is_current() {
            return None;
        }
        // While somebody computes a sum, nobody waits for it: judging takes the long way.
        if head & BUSY == 0 && self.head.compare_exchange(head, BUSY | tag.0, AcqRel, Acquire).is_ok() {
            let past = self.sum(tag, geometry, 1);
            for (place, count) in self.past.iter().zip([past.calls, past.failures, past.slow]) {
                place.store(count, Release);
            }
            let _ = self.head.compare_exchange(BUSY | tag.0, VALID | tag.0, Release, Relaxed);
        }
        Some(tag)
    }

    /// Adds to a bucket. `None` when that generation is over.
    #[inline]
    fn add(&self, tag: Tag, kind: Kind, count: u64, is_current: &impl Fn() -> bool) -> Option<()> {
        let word = &self.slots[tag.slot()][kind as usize];
        // Whoever sees a word of a newer generation also sees that its own is over.
        let mut seen = word.load(Acquire);
        loop {
            let next = if Tag::of(seen) == tag {
                // A bucket that is full stays full: 67 million calls of one kind and thread.
                seen + count.min(MAX_COUNT - (seen & MAX_COUNT))
            } else if seen == 0 || Tag::of(seen).is_of_generation(tag) || is_current() {
                tag.0 << COUNT_BITS | count.min(MAX_COUNT)
            } else {
                return None;
            };
            match word.compare_exchange_weak(seen, next, AcqRel, Acquire) {
                Ok(_) => return Some(()),
                Err(other) => seen = other,
            }
        }
    }

    /// What the stripe holds, seen from `tag`: by its sum if that is right for it, or else bucket by bucket.
    #[inline]
    fn counts(&self, tag: Tag, geometry: Geometry) -> Counts {
        if self.head.load(Acquire) == VALID | tag.0 {
            let [calls, failures, slow] = &self.past;
            let past =
                Counts { calls: calls.load(Acquire), failures: failures.load(Acquire), slow: slow.load(Acquire) };
            // Still the same: then nobody wrote while we read.
            if self.head.load(Relaxed) == VALID | tag.0 {
                return past + self.bucket(tag.slot(), |found| found == tag);
            }
        }
        self.sum(tag, geometry, 0)
    }

    /// All buckets from `youngest` buckets before `tag` to the end of the window. A bucket that is ahead belongs to a
    /// thread whose clock was read later.
    #[cold]
    fn sum(&self, tag: Tag, geometry: Geometry, youngest: i64) -> Counts {
        let buckets = i64::from(geometry.buckets);
        let youngest = if youngest == 0 { 1 - buckets } else { youngest };
        (0..SLOTS).fold(Counts::default(), |counts, slot| {
            let counted = |found: Tag| found.is_of_generation(tag) && (youngest..buckets).contains(&found.age(tag));
            counts + self.bucket(slot, counted)
        })
    }

    #[inline]
    fn bucket(&self, slot: usize, counted: impl Fn(Tag) -> bool) -> Counts {
        let mut counts = Counts::default();
        for (kind, word) in Kind::ALL.into_iter().zip(&self.slots[slot]) {
            let word = word.load(Relaxed);
            if counted(Tag::of(word)) {
                counts = counts.with(kind, word & MAX_COUNT);
            }
        }
        counts
    }
}
