//! Latencies in log-spaced buckets: percentiles of any number of values in 60 kB, each within 0.4 %.

/// Buckets of each doubling, as a power of two.
const BITS: u32 = 7;
const PER_DOUBLING: usize = 1 << BITS;
/// Values below `2^BITS` have a bucket each; the others share `2^BITS` for each doubling.
const BUCKETS: usize = PER_DOUBLING * (64 - BITS as usize + 1);

/// Counts of nanoseconds. Its size is fixed: recording never allocates.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[u32]>,
    count: u64,
    sum: u128,
    least: u64,
    most: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), count: 0, sum: 0, least: u64::MAX, most: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.count += 1;
        self.sum += u128::from(nanos);
        self.least = self.least.min(nanos);
        self.most = self.most.max(nanos);
    }

    pub(crate) fn clear(&mut self) {
        if self.count > 0 {
            // Only what was touched: a slice of the time line holds few values in few buckets.
            self.counts[bucket(self.least)..=bucket(self.most)].fill(0);
        }
        (self.count, self.sum, self.least, self.most) = (0, 0, u64::MAX, 0);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) const fn most(&self) -> u64 {
        self.most
    }

    /// Exact: from the sum, not from the buckets. 0 when nothing was recorded.
    #[allow(clippy::cast_precision_loss)] // the rounding is far below a nanosecond's share of any mean
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The value that `share` (0.0 to 1.0) of all are not above; 0 when nothing was recorded.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // share of a count
    pub(crate) fn percentile(&self, share: f64) -> u64 {
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (at, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return middle(at).clamp(self.least, self.most);
            }
        }
        0
    }

    /// How many values lie in `from..to`, as exactly as the buckets are.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        let counts = &self.counts[bucket(from)..bucket(to).max(bucket(from))];
        counts.iter().map(|&count| u64::from(count)).sum()
    }
}

const fn bucket(nanos: u64) -> usize {
    if nanos < PER_DOUBLING as u64 {
        return nanos as usize;
    }
    let top = 63 - nanos.leading_zeros();
    let shift = top - BITS;
    // The leading one is in the quotient, so doublings follow each other without a gap.
    ((shift as usize) << BITS) + (nanos >> shift) as usize
}

/// The middle of a bucket.
const fn middle(bucket: usize) -> u64 {
    if bucket < 2 * PER_DOUBLING {
        return bucket as u64;
    }
    let shift = (bucket >> BITS) as u32 - 1;
    let low = ((bucket - ((shift as usize) << BITS)) as u64) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_never_more_than_its_share_away_from_its_values() {
        let mut last = 0;
        for exponent in 0..63_u32 {
            for step in [0, 1, 3, 77] {
                let nanos = (1_u64 << exponent) + step * (1 << exponent.saturating_sub(7));
                let at = bucket(nanos);
                let off = middle(at).abs_diff(nanos);
                assert!(off * 250 <= nanos, "{nanos} is in a bucket around {}", middle(at));
                assert!(at < BUCKETS);
                last = last.max(at);
            }
        }
        assert!(bucket(u64::MAX) < BUCKETS && bucket(u64::MAX) >= last);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        for value in 1..=1_000_u64 {
            histogram.record(value * 1_000_000);
        }
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0), (0.0, 1.0)] {
            #[allow(clippy::cast_precision_loss)]
            let found = histogram.percentile(share) as f64 / 1e6;
            assert!((found / expected - 1.0).abs() < 0.005, "{share}: {found}");
        }
        assert_eq!(histogram.mean(), 500.5e6);
        assert_eq!(histogram.between(0, u64::MAX), 1_000);
        histogram.clear();
        assert_eq!((histogram.count(), histogram.percentile(0.5), histogram.mean()), (0, 0, 0.0));
        assert_eq!(histogram.between(0, u64::MAX), 0);
    }
}
