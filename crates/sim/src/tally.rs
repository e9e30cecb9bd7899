//! Counting: what is measured, when, and over which time.

use crate::histogram::Histogram;
use crate::report::{Bin, GroupReport, Latency, Requests, Slice};
use crate::scenario::Group;

/// The time line has about this many parts.
const SLICES: u64 = 60;
/// And never more: a run by number may last longer than expected.
const MOST_SLICES: usize = 240;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Succeeded,
    Failed,
    Refused,
    TimedOut,
    Unserved,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests that arrived earlier do not count.
    pub(crate) warmup: u64,
    /// When arrivals ended.
    closed: Option<u64>,
    pub(crate) requests: Requests,
    latencies: Histogram,
    groups: Vec<GroupTally>,
    /// The groups as they were when arrivals ended.
    frozen: Vec<GroupTally>,
    line: Timeline,
}

#[derive(Debug, Clone, Default)]
struct GroupTally {
    busy: u32,
    waiting: u32,
    /// Up to when the areas below are right.
    since: u64,
    /// Busy places × nanoseconds.
    busy_area: f64,
    waiting_area: f64,
    tries: u64,
    answered: u64,
    failed: u64,
    refused: u64,
    /// Nanoseconds of all tries that were answered.
    time: f64,
}

impl GroupTally {
    #[allow(clippy::cast_precision_loss)] // areas are averages in the end
    fn touch(&mut self, now: u64) {
        let span = (now - self.since) as f64;
        self.busy_area += f64::from(self.busy) * span;
        self.waiting_area += f64::from(self.waiting) * span;
        self.since = now;
    }
}

#[derive(Debug)]
struct Timeline {
    width: u64,
    slices: Vec<Slice>,
    /// The slice that is being filled.
    from: u64,
    to: u64,
    arrived: u64,
    failed: u64,
    latencies: Histogram,
    since: u64,
    waiting: u64,
    in_flight: u64,
    waiting_area: f64,
    in_flight_area: f64,
}

impl Tally {
    /// `end` is when arrivals will end, about.
    pub(crate) fn new(groups: &[Group], warmup: u64, end: u64) -> Self {
        let width = (end / SLICES).max(1);
        let line = Timeline {
            width,
            slices: Vec::with_capacity(MOST_SLICES),
            from: 0,
            to: width,
            arrived: 0,
            failed: 0,
            latencies: Histogram::new(),
            since: 0,
            waiting: 0,
            in_flight: 0,
            waiting_area: 0.0,
            in_flight_area: 0.0,
        };
        let groups = vec![GroupTally::default(); groups.len()];
        let latencies = Histogram::new();
        Self { warmup, closed: None, requests: Requests::default(), latencies, groups, frozen: Vec::new(), line }
    }

    /// The warm-up is over: what the groups did so far is forgotten.
    pub(crate) fn open(&mut self, now: u64) {
        for group in &mut self.groups {
            let (busy, waiting) = (group.busy, group.waiting);
            *group = GroupTally { busy, waiting, since: now, ..GroupTally::default() };
        }
    }

    /// No more requests arrive.
    pub(crate) fn close(&mut self, now: u64) {
        if self.closed.is_some() {
            return;
        }
        self.clock(now);
        self.line.finish();
        self.groups.iter_mut().for_each(|group| group.touch(now));
        self.frozen.clone_from(&self.groups);
        self.closed = Some(now);
    }

    /// Time passes. To be told before anything happens at `now`.
    pub(crate) fn clock(&mut self, now: u64) {
        while now >= self.line.to && self.closed.is_none() && self.line.slices.len() < MOST_SLICES {
            self.line.next();
        }
        self.line.touch(now);
    }

    pub(crate) fn arrived(&mut self, now: u64) {
        self.line.arrived += 1;
        self.line.in_flight += 1;
        self.requests.arrived += u64::from(now >= self.warmup);
    }

    pub(crate) fn ended(&mut self, arrived: u64, now: u64, ending: Ending) {
        self.line.in_flight -= 1;
        match ending {
            Ending::Succeeded => self.line.latencies.record(now - arrived),
            Ending::Failed | Ending::Refused | Ending::TimedOut | Ending::Unserved => self.line.failed += 1,
        }
        if arrived < self.warmup {
            return;
        }
        match ending {
            Ending::Succeeded => {
                self.requests.succeeded += 1;
                self.latencies.record(now - arrived);
            }
            Ending::Failed => self.requests.failed += 1,
            Ending::Refused => self.requests.refused += 1,
            Ending::TimedOut => self.requests.timed_out += 1,
            Ending::Unserved => self.requests.unserved += 1,
        }
    }

    pub(crate) fn tried(&mut self, group: u16) {
        self.groups[usize::from(group)].tries += 1;
    }

    pub(crate) fn retried(&mut self, arrived: u64) {
        self.requests.retries += u64::from(arrived >= self.warmup);
    }

    pub(crate) fn refused(&mut self, group: u16) {
        self.groups[usize::from(group)].refused += 1;
    }

    /// A server of `group` begins to work.
    pub(crate) fn begins(&mut self, group: u16, now: u64) {
        let group = &mut self.groups[usize::from(group)];
        group.touch(now);
        group.busy += 1;
    }

    pub(crate) fn ends(&mut self, group: u16, now: u64) {
        let group = &mut self.groups[usize::from(group)];
        group.touch(now);
        group.busy -= 1;
    }

    pub(crate) fn queued(&mut self, group: u16, now: u64) {
        let group = &mut self.groups[usize::from(group)];
        group.touch(now);
        group.waiting += 1;
        self.line.waiting += 1;
    }

    pub(crate) fn dequeued(&mut self, group: u16, now: u64) {
        let group = &mut self.groups[usize::from(group)];
        group.touch(now);
        group.waiting -= 1;
        self.line.waiting -= 1;
    }

    /// A try was answered, or given up, after `span` nanoseconds.
    #[allow(clippy::cast_precision_loss)] // a mean in the end
    pub(crate) fn answered(&mut self, group: u16, span: u64, well: bool) {
        let group = &mut self.groups[usize::from(group)];
        group.answered += 1;
        group.failed += u64::from(!well);
        group.time += span as f64;
    }

    /// When arrivals ended, in nanoseconds; the warm-up's end when they have not.
    pub(crate) fn end(&self) -> u64 {
        self.closed.unwrap_or(self.warmup)
    }

    #[allow(clippy::cast_precision_loss)] // averages
    pub(crate) fn requests(&self) -> Requests {
        let span = self.end().saturating_sub(self.warmup).max(1) as f64 * 1e-9;
        Requests { throughput_per_s: self.requests.succeeded as f64 / span, ..self.requests }
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |share: f64| seconds(self.latencies.percentile(share));
        Latency {
            mean_s: self.latencies.mean() * 1e-9,
            p50_s: at(0.5),
            p90_s: at(0.9),
            p95_s: at(0.95),
            p99_s: at(0.99),
            p999_s: at(0.999),
            max_s: seconds(self.latencies.most()),
        }
    }

    #[allow(clippy::cast_precision_loss)] // averages
    pub(crate) fn groups(&self, groups: &[Group]) -> Vec<GroupReport> {
        let all: u64 = self.frozen.iter().map(|group| group.tries).sum();
        let span = self.end().saturating_sub(self.warmup).max(1) as f64;
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let report = |(group, tally): (&Group, &GroupTally)| GroupReport {
            name: group.name.clone(),
            servers: group.count,
            tries: tally.tries,
            share: ratio(tally.tries as f64, all as f64),
            utilisation: tally.busy_area / (span * f64::from(group.count) * f64::from(group.concurrency)),
            waiting: tally.waiting_area / (span * f64::from(group.count)),
            mean_s: ratio(tally.time, tally.answered as f64) * 1e-9,
            failed: tally.failed,
            refused: tally.refused,
        };
        groups.iter().zip(&self.frozen).map(report).collect()
    }

    pub(crate) fn timeline(&self) -> Vec<Slice> {
        self.line.slices.clone()
    }

    /// Counts between marks a person can read, the empty ones at both ends left out.
    pub(crate) fn distribution(&self) -> Vec<Bin> {
        const COARSE: &[u64] = &[10, 20, 50];
        const FINE: &[u64] = &[10, 15, 20, 30, 50, 70];
        if self.latencies.count() == 0 {
            return Vec::new();
        }
        let (low, high) = (self.latencies.percentile(0.001).max(1), self.latencies.percentile(0.999).max(1));
        let marks = if high / low < 100 { FINE } else { COARSE };
        // From nanoseconds to 10^18 of them.
        let edges = (0..18_u32).flat_map(|power| marks.iter().map(move |mark| mark * 10_u64.pow(power) / 10));
        let edges: Vec<u64> = std::iter::once(0).chain(edges).chain([u64::MAX]).collect();
        let bins = edges.windows(2).map(|pair| Bin {
            from_s: seconds(pair[0]),
            to_s: seconds(pair[1].min(self.latencies.most().max(pair[0]))),
            count: self.latencies.between(pair[0], pair[1]),
        });
        let bins: Vec<Bin> = bins.collect();
        let first = bins.iter().position(|bin| bin.count > 0).unwrap_or_default();
        let last = bins.iter().rposition(|bin| bin.count > 0).unwrap_or_default();
        bins.into_iter().take(last + 1).skip(first).collect()
    }
}

impl Timeline {
    #[allow(clippy::cast_precision_loss)] // areas are averages in the end
    fn touch(&mut self, now: u64) {
        let span = now.saturating_sub(self.since) as f64;
        self.waiting_area += self.waiting as f64 * span;
        self.in_flight_area += self.in_flight as f64 * span;
        self.since = now;
    }

    /// Ends the slice at its end and begins the next.
    fn next(&mut self) {
        self.touch(self.to);
        self.push(self.to);
        self.from = self.to;
        self.to = self.to.saturating_add(self.width);
    }

    /// Arrivals ended: a last slice that is long enough to say something stays.
    fn finish(&mut self) {
        let span = self.since.saturating_sub(self.from);
        if span > self.width / 2 || self.slices.is_empty() {
            self.push(self.since);
        }
    }

    #[allow(clippy::cast_precision_loss)] // averages
    fn push(&mut self, to: u64) {
        let span = to.saturating_sub(self.from).max(1) as f64;
        self.slices.push(Slice {
            from_s: seconds(self.from),
            arrived: self.arrived,
            succeeded: self.latencies.count(),
            failed: self.failed,
            mean_s: self.latencies.mean() * 1e-9,
            p99_s: seconds(self.latencies.percentile(0.99)),
            waiting: self.waiting_area / span,
            in_flight: self.in_flight_area / span,
        });
        self.latencies.clear();
        (self.arrived, self.failed, self.waiting_area, self.in_flight_area) = (0, 0, 0.0, 0.0);
    }
}

#[allow(clippy::cast_precision_loss)] // shown with few digits
fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}
