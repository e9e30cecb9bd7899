//! How Hystrix sees a command's calls: counted into buckets by a timer, and looked at as they were at its last tick.

use madang_base::Moment;
use std::time::Duration;

use super::Settings;
use crate::profile::rolling::Rolling;
use crate::{Counter, Outcome};

/// A bucketed stream: what its last tick summed up.
#[derive(Debug, Clone)]
pub(super) struct Stream<const N: usize> {
    /// The first tick is here; a bucket follows each.
    start: Moment,
    bucket: Duration,
    /// How many full buckets a tick sums up.
    buckets: u64,
    /// The number of the bucket that runs, which is how many ticks there have been; bucket 0 is over at the first.
    running: u64,
    /// What came into it so far.
    counts: [u64; N],
    full: Rolling<N>,
}

impl<const N: usize> Stream<N> {
    pub(super) const fn new(bucket: Duration, buckets: u64, start: Moment) -> Self {
        Self { start, bucket, buckets, running: 0, counts: [0; N], full: Rolling::new() }
    }

    /// Runs all ticks up to and including `now`.
    pub(super) fn advance(&mut self, now: Moment) {
        self.tick(self.ticks_until(now));
    }

    /// Runs the ticks up to and including `now` and stops at the first one whose sums `stop` asks to: when it was.
    pub(super) fn advance_until(&mut self, now: Moment, stop: impl Fn([u64; N]) -> bool) -> Option<Moment> {
        let last = self.ticks_until(now);
        while self.running < last {
            if self.running == 0 && self.counts == [0; N] {
                // Nobody hears of a first bucket that nothing came into.
                self.tick(1);
                continue;
            }
            self.tick(self.running + 1);
            if stop(self.latest()) {
                return Some(self.start + nanos(self.running - 1, self.bucket));
            }
            if self.full.is_empty() {
                // All ticks up to the last one say the same.
                self.tick(last);
            }
        }
        None
    }

    /// Goes on to the tick of number `number`.
    fn tick(&mut self, number: u64) {
        if number == self.running {
            return;
        }
        if self.counts != [0; N] {
            self.full.add(self.running, self.counts);
            self.counts = [0; N];
        }
        self.running = number;
        self.full.forget_before(self.running.saturating_sub(self.buckets));
    }

    /// The first tick comes at once: what is counted before the clock is looked at again is a bucket of its own.
    fn ticks_until(&self, now: Moment) -> u64 {
        let later = now.since(self.start).as_nanos() / self.bucket.as_nanos().max(1);
        u64::try_from(later).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(super) fn count(&mut self, kind: usize) {
        if let Some(count) = self.counts.get_mut(kind) {
            *count += 1;
        }
    }

    /// What the last tick summed up.
    pub(super) const fn latest(&self) -> [u64; N] {
        self.full.totals()
    }
}

fn nanos(times: u64, span: Duration) -> Duration {
    Duration::from_nanos(u64::try_from(span.as_nanos() * u128::from(times)).unwrap_or(u64::MAX))
}

/// What `hystrix.stream` says of a command's calls: the health that its circuit goes by, and counts of each kind.
#[derive(Debug)]
pub(super) struct Metrics {
    /// Calls and errors of the rolling time. A close begins it anew.
    health: Stream<2>,
    /// The same time by kind of event, in buckets of its own. Nothing resets it.
    events: Stream<5>,
    settings: Settings,
}

/// A kind of event, by its place in the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Success,
    Failure,
    Timeout,
    BadRequest,
    ShortCircuited,
}

const CALLS: usize = 0;
const ERRORS: usize = 1;

impl Metrics {
    pub(super) fn new(settings: Settings, now: Moment) -> Self {
        let bucket = settings.rolling_time.as_millis() / u128::from(settings.rolling_buckets.max(1));
        let bucket = Duration::from_millis(u64::try_from(bucket).unwrap_or(u64::MAX));
        Self {
            health: Self::health(&settings, now),
            events: Stream::new(bucket, settings.rolling_buckets, now),
            settings,
        }
    }

    fn health(settings: &Settings, now: Moment) -> Stream<2> {
        let buckets = settings.rolling_time.as_nanos() / settings.health_interval.as_nanos().max(1);
        Stream::new(settings.health_interval, u64::try_from(buckets).unwrap_or(u64::MAX), now)
    }

    pub(super) fn advance(&mut self, now: Moment) {
        self.health.advance(now);
        self.events.advance(now);
    }

    /// Runs all ticks up to `now`; says when the first of them was that found the command ill.
    pub(super) fn advance_watched(&mut self, now: Moment) -> Option<Moment> {
        let settings = &self.settings;
        let found = self.health.advance_until(now, |counts| is_ill(counts, settings));
        self.advance(now);
        found
    }

    /// When a tick will find the command ill, if no call ends before it.
    pub(super) fn next_ill(&self) -> Option<Moment> {
        self.health.clone().advance_until(Moment::MAX, |counts| is_ill(counts, &self.settings))
    }

    /// Whether the last tick found enough calls and too many errors.
    pub(super) fn is_ill(&self) -> bool {
        is_ill(self.health.latest(), &self.settings)
    }

    /// A close: the health of now on is that of what comes now.
    pub(super) fn restart(&mut self, now: Moment) {
        self.health = Self::health(&self.settings, now);
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        self.events.count(match outcome {
            Outcome::Success => Event::Success,
            Outcome::Failure => Event::Failure,
            Outcome::Timeout => Event::Timeout,
            Outcome::Ignored => Event::BadRequest,
        } as usize);
        match outcome {
            Outcome::Success => self.health.count(CALLS),
            Outcome::Failure | Outcome::Timeout => {
                self.health.count(CALLS);
                self.health.count(ERRORS);
            }
            Outcome::Ignored => {}
        }
    }

    pub(super) fn count_short_circuited(&mut self) {
        self.events.count(Event::ShortCircuited as usize);
    }

    pub(super) fn counters(&self) -> Vec<(&'static str, Counter)> {
        let [calls, errors] = self.health.latest();
        let [success, failure, timeout, bad_request, short_circuited] = self.events.latest();
        [
            ("requestCount", calls),
            ("errorCount", errors),
            ("errorPercentage", error_percentage([calls, errors])),
            ("rollingCountSuccess", success),
            ("rollingCountFailure", failure),
            ("rollingCountTimeout", timeout),
            ("rollingCountBadRequests", bad_request),
            ("rollingCountShortCircuited", short_circuited),
        ]
        .map(|(name, count)| (name, Counter::Count(count)))
        .into()
    }
}

fn is_ill(counts: [u64; 2], settings: &Settings) -> bool {
    counts[CALLS] >= settings.request_volume_threshold
        && error_percentage(counts) >= settings.error_threshold_percentage
}

/// The whole part, reckoned as the product does: 29 of 50 are 57.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 100
fn error_percentage([calls, errors]: [u64; 2]) -> u64 {
    if calls == 0 { 0 } else { (errors as f64 / calls as f64 * 100.0) as u64 }
}
