//! Durations by size: powers of two from 100 µs to 104.8576 s, the same for every histogram.
//!
//! Fixed bounds make an observation a division by a constant, a count of leading zeros and two additions, and make
//! the histograms of several workers add up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The first bound, in nanoseconds; each next one is the double.
const FIRST: u64 = 100_000;

/// Bounds: 100 µs · 2^0 ..= 100 µs · 2^20.
const BOUNDS: usize = 21;

/// Counts of durations below each bound, and their sum.
///
/// A duration is in the first bucket whose bound it does not exceed; above 104.8576 s it is in `+Inf` alone.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS + 1],
    /// Nanoseconds; wraps after 584 years of summed time.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one duration; any number of writers.
    pub fn observe(&self, duration: Duration) {
        let nanos = nanos(duration);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        self.sum.fetch_add(nanos, Relaxed);
    }

    /// Counts one duration as the *only* writer: loads and stores instead of locked instructions.
    ///
    /// With a second writer observations get lost; nothing worse.
    pub fn observe_alone(&self, duration: Duration) {
        let nanos = nanos(duration);
        for (cell, more) in [(&self.buckets[bucket(nanos)], 1), (&self.sum, nanos)] {
            cell.store(cell.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    /// What was counted so far. Taken while others write, it may miss the sum of an observation it already counts.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(self);
        snapshot
    }
}

/// Counts at one time, of one histogram or of several added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    buckets: [u64; BOUNDS + 1],
    sum: u64,
}

impl Snapshot {
    /// Adds the counts of `histogram`: one worker more.
    pub fn add(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += bucket.load(Relaxed);
        }
        self.sum = self.sum.wrapping_add(histogram.sum.load(Relaxed));
    }

    /// How many durations were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All durations added.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Each bound with the number of durations that do not exceed it, smallest first; without `+Inf`.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut total = 0;
        self.buckets.iter().take(BOUNDS).enumerate().map(move |(k, count)| {
            total += count;
            (Duration::from_nanos(FIRST << k), total)
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The smallest `k` with `nanos <= FIRST << k`, at most `BOUNDS`.
fn bucket(nanos: u64) -> usize {
    // One less, so that a duration equal to a bound stays below it.
    let steps = nanos.saturating_sub(1) / FIRST;
    ((u64::BITS - steps.leading_zeros()) as usize).min(BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lands_in_the_first_bucket_that_holds_it() {
        for (nanos, expected) in [
            (0, 0),
            (1, 0),
            (100_000, 0),
            (100_001, 1),
            (200_000, 1),
            (200_001, 2),
            (400_000, 2),
            (1_000_000, 4),
            (104_857_600_000, 20),
            (104_857_600_001, 21),
            (u64::MAX, 21),
        ] {
            assert_eq!(bucket(nanos), expected, "{nanos} ns");
            if let Some((_, bound)) = (0..BOUNDS).map(|k| (k, FIRST << k)).find(|(_, bound)| nanos <= *bound) {
                assert_eq!(FIRST << expected, bound, "{nanos} ns");
            }
        }
    }

    #[test]
    fn workers_add_up() {
        let (one, two) = (Histogram::new(), Histogram::new());
        one.observe(Duration::from_millis(1));
        two.observe_alone(Duration::from_millis(2));
        two.observe_alone(Duration::from_secs(200));
        let mut all = one.snapshot();
        all.add(&two);
        assert_eq!(all.count(), 3);
        assert_eq!(all.sum(), Duration::from_millis(200_003));
        assert_eq!(all.cumulative().last(), Some((Duration::from_nanos(104_857_600_000), 2)));
    }
}
