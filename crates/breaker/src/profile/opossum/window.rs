//! Opossum's rolling window: buckets that a timer turns, and their sum.

use madang_base::Moment;
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Window {
    /// The newest last.
    buckets: VecDeque<Counts>,
    total: Counts,
    /// How long a bucket is the newest: whole milliseconds, so that the window may be shorter than it was set to.
    slice: Duration,
    /// When the next one begins.
    next: Moment,
}

/// What happened, and how long calls took in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) failures: u64,
    pub(super) successes: u64,
    pub(super) rejects: u64,
    pub(super) fires: u64,
    pub(super) timeouts: u64,
    pub(super) semaphore_rejections: u64,
    pub(super) latencies: u64,
    pub(super) latency_sum: u64,
}

impl Counts {
    pub(super) fn latency(&mut self, millis: u64) {
        self.latencies += 1;
        self.latency_sum += millis;
    }

    fn fields(&mut self) -> [&mut u64; 8] {
        let Self { failures, successes, rejects, fires, timeouts, semaphore_rejections, latencies, latency_sum } = self;
        [failures, successes, rejects, fires, timeouts, semaphore_rejections, latencies, latency_sum]
    }
}

impl Window {
    pub(super) fn new(span: Duration, buckets: u32, now: Moment) -> Self {
        let slice = Duration::from_millis(span.as_millis() as u64 / u64::from(buckets));
        let buckets = std::iter::repeat_n(Counts::default(), buckets as usize).collect();
        Self { buckets, total: Counts::default(), slice, next: now + slice }
    }

    pub(super) fn add(&mut self, what: impl Fn(&mut Counts)) {
        what(&mut self.total);
        if let Some(newest) = self.buckets.back_mut() {
            what(newest);
        }
    }

    pub(super) fn slice(&self) -> Duration {
        self.slice
    }

    pub(super) fn total(&self) -> Counts {
        self.total
    }

    /// Begins all buckets that begin until `now`.
    pub(super) fn rotate(&mut self, now: Moment) {
        if now < self.next {
            return;
        }
        let begun = 1 + now.since(self.next).as_nanos() / self.slice.as_nanos();
        for _ in 0..begun.min(self.buckets.len() as u128) {
            let mut oldest = self.buckets.pop_front().unwrap_or_default();
            for (sum, part) in self.total.fields().into_iter().zip(oldest.fields()) {
                *sum -= *part;
            }
            self.buckets.push_back(Counts::default());
        }
        let passed = u64::try_from(begun * self.slice.as_nanos()).unwrap_or(u64::MAX);
        self.next = self.next + Duration::from_nanos(passed);
    }
}
