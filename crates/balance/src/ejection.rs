//! An endpoint's breaker: one word that says until when it is ejected, how often in a row, and how many calls failed.
//!
//! What ends a call writes the word, what picks reads it. Intervals have no timer: the first pick after one ends does
//! its work (`EndpointSet::refresh`). Source of truth for the numbers: Envoy, "Outlier detection".

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use madang_base::Moment;

use crate::load::Load;
use crate::rules::Ejection;

/// How far beyond its longest time an ejection may seem to last before the clock is taken to have been set back, and
/// the ejection for over.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// What endpoints of one service know of each other.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) ejection: Option<Ejection>,
    pub(crate) state: Arc<State>,
}

/// The part of it that changes. Picks read it, so it is written only when something happens.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct State {
    /// Nanoseconds: when a pick has to look after everybody.
    pub(crate) due: AtomicU64,
    /// Nanoseconds: the end of the last slow start.
    pub(crate) slow_until: AtomicU64,
    /// Nanoseconds: the end of the interval that is counted.
    pub(crate) interval_end: AtomicU64,
    /// Rises whenever somebody is ejected or returns.
    pub(crate) version: AtomicU64,
    pub(crate) ejected: AtomicU32,
    /// Endpoints that are ready.
    pub(crate) ready: AtomicU32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(u64::MAX),
            slow_until: AtomicU64::new(0),
            interval_end: AtomicU64::new(0),
            version: AtomicU64::new(0),
            ejected: AtomicU32::new(0),
            ready: AtomicU32::new(0),
        }
    }
}

impl Group {
    /// A call that began at `started` failed.
    pub(crate) fn failed(&self, load: &Load, started: Moment, now: Moment) {
        let Some(ejection) = &self.ejection else { return };
        // A call that began before an ejection says nothing about what came back from it.
        if started < load.since() || self.is_ejected(load, now) {
            return;
        }
        load.counts.fetch_add(1 << 32, Relaxed);
        let Some(threshold) = ejection.consecutive_failures else { return };
        let word = Word(load.word.fetch_update(Relaxed, Relaxed, |word| Some(Word(word).failed().0)).unwrap_or(0));
        if word.failed().failures() >= threshold.max(1) {
            self.eject(load, now);
        }
    }

    /// A call that began at `started` succeeded.
    pub(crate) fn succeeded(&self, load: &Load, started: Moment, now: Moment) {
        if self.ejection.is_none() || started < load.since() || self.is_ejected(load, now) {
            return;
        }
        load.counts.fetch_add(1, Relaxed);
        if Word(load.word.load(Relaxed)).failures() > 0 {
            let _ = load.word.fetch_update(Relaxed, Relaxed, |word| Some(Word(word).succeeded().0));
        }
    }

    pub(crate) fn is_ejected(&self, load: &Load, now: Moment) -> bool {
        let word = Word(load.word.load(Relaxed));
        word.until_millis() != 0 && self.lasts(word, now)
    }

    /// Ejects it when the share allows it.
    pub(crate) fn eject(&self, load: &Load, now: Moment) -> bool {
        let Some(ejection) = &self.ejection else { return false };
        let ready = self.state.ready.load(Relaxed);
        let most = (u64::from(ready) * u64::from(ejection.max_percent.min(100)) / 100).max(1);
        let most = most.min(u64::from(ready.saturating_sub(1)));
        // The place among the ejected first, then the word: two endpoints that fail at once cannot both take the last.
        let reserved = self
            .state
            .ejected
            .fetch_update(Relaxed, Relaxed, |ejected| (u64::from(ejected) < most).then(|| ejected.saturating_add(1)));
        if reserved.is_err() {
            return false;
        }
        let ejected = load.word.fetch_update(Relaxed, Relaxed, |word| {
            (!self.lasts(Word(word), now)).then(|| Word(word).ejected(ejection, now).0)
        });
        let Ok(before) = ejected else {
            self.state.ejected.fetch_sub(1, Relaxed);
            return false;
        };
        self.state.due.fetch_min(Word(before).ejected(ejection, now).until().nanos(), Relaxed);
        self.state.version.fetch_add(1, Relaxed);
        true
    }

    fn lasts(&self, word: Word, now: Moment) -> bool {
        self.ejection.is_some_and(|ejection| {
            let left = word.until().since(now);
            !left.is_zero() && left <= ejection.longest() + CLOCK_SLACK
        })
    }

    /// Looks after `endpoints`, the ready ones, when it is time: who is back, and at the end of an interval who did
    /// worse than the others. `slow_start` is how long a slow start lasts.
    pub(crate) fn refresh<'a>(
        &self,
        now: Moment,
        slow_start: Duration,
        endpoints: impl Iterator<Item = &'a Load> + Clone,
    ) {
        let Some(ejection) = &self.ejection else { return };
        let (state, interval) = (&*self.state, ejection.interval.max(Duration::from_millis(1)));
        let due = state.due.load(Relaxed);
        // Later than an interval from now it is due only when the clock was set back.
        if (now.nanos() < due && Moment::from_nanos(due).since(now) <= interval)
            || state.due.compare_exchange(due, (now + interval).nanos(), Relaxed, Relaxed).is_err()
        {
            return;
        }
        let mut ejected = 0;
        for load in endpoints.clone() {
            let word = Word(load.word.load(Relaxed));
            if word.until_millis() == 0 {
                continue;
            }
            if self.lasts(word, now) {
                ejected += 1;
                state.due.fetch_min(word.until().nanos(), Relaxed);
            } else {
                let _ = load.word.fetch_update(Relaxed, Relaxed, |word| Some(Word(word).returned().0));
                let back = word.until().min(now);
                load.begin_slow_start(back);
                state.slow_until.fetch_max((back + slow_start).nanos(), Relaxed);
                state.version.fetch_add(1, Relaxed);
            }
        }
        state.ejected.store(ejected, Relaxed);
        let end = Moment::from_nanos(state.interval_end.load(Relaxed));
        if now >= end || end.since(now) > interval {
            state.interval_end.store((now + interval).nanos(), Relaxed);
            self.compare(ejection, now, endpoints);
        } else {
            state.due.fetch_min(end.nanos(), Relaxed);
        }
    }

    /// The end of an interval.
    fn compare<'a>(&self, ejection: &Ejection, now: Moment, endpoints: impl Iterator<Item = &'a Load>) {
        let counted: Vec<(&Load, f64, f64)> = endpoints
            .filter(|load| !self.is_ejected(load, now))
            .map(|load| {
                // A whole interval since it came back, not the rest of one.
                if Word(load.word.load(Relaxed)).times() > 0 && now.since(load.since()) >= ejection.interval {
                    let _ = load.word.fetch_update(Relaxed, Relaxed, |word| Some(Word(word).better().0));
                }
                let counts = load.counts.swap(0, Relaxed);
                let (failures, successes) = (counts >> 32, counts & u64::from(u32::MAX));
                #[allow(clippy::cast_precision_loss)] // 32 bits
                (load, successes as f64, (failures + successes) as f64)
            })
            .collect();
        let enough = |calls: u32, endpoints: u32| {
            let enough: Vec<(&Load, f64)> = counted
                .iter()
                .filter(|(.., all)| *all >= f64::from(calls.max(1)))
                .map(|(load, successes, all)| (*load, successes / all))
                .collect();
            if enough.len() >= endpoints.max(1) as usize { enough } else { Vec::new() }
        };
        if let Some(rule) = &ejection.success_rate {
            let rates = enough(rule.min_calls, rule.min_endpoints);
            let least = threshold(&rates, rule.deviations);
            for (load, _) in rates.iter().filter(|(_, rate)| *rate < least) {
                self.eject(load, now);
            }
        }
        if let Some(rule) = &ejection.failure_percentage {
            let rates = enough(rule.min_calls, rule.min_endpoints);
            for (load, _) in rates.iter().filter(|(_, rate)| (1.0 - rate) * 100.0 >= f64::from(rule.threshold)) {
                self.eject(load, now);
            }
        }
    }
}

/// Mean - `deviations` × standard deviation of the success rates.
fn threshold(rates: &[(&Load, f64)], deviations: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // endpoints fit in 32 bits
    let count = rates.len().max(1) as f64;
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = rates.iter().map(|(_, rate)| (rate - mean) * (rate - mean)).sum::<f64>() / count;
    mean - deviations * variance.sqrt()
}

impl Ejection {
    fn longest(&self) -> Duration {
        self.max_time.max(self.base_time)
    }
}

/// The word: 40 bits until when (milliseconds, 0 is not ejected), 8 bits how often in a row, 16 bits failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    const MAX_MILLIS: u64 = (1 << 40) - 1;

    const fn new(until: u64, times: u8, failures: u16) -> Self {
        Self(until << 24 | (times as u64) << 16 | failures as u64)
    }

    pub(crate) const fn until_millis(self) -> u64 {
        self.0 >> 24
    }

    pub(crate) const fn until(self) -> Moment {
        Moment::from_nanos((self.0 >> 24).saturating_mul(1_000_000))
    }

    /// Ejections in a row.
    #[allow(clippy::cast_possible_truncation)] // eight bits
    pub(crate) const fn times(self) -> u8 {
        (self.0 >> 16) as u8
    }

    #[allow(clippy::cast_possible_truncation)] // sixteen bits
    const fn failures(self) -> u16 {
        self.0 as u16
    }

    const fn failed(self) -> Self {
        Self::new(self.until_millis(), self.times(), self.failures().saturating_add(1))
    }

    const fn succeeded(self) -> Self {
        Self::new(self.until_millis(), self.times(), 0)
    }

    const fn returned(self) -> Self {
        Self::new(0, self.times(), 0)
    }

    /// An interval without an ejection.
    const fn better(self) -> Self {
        Self::new(self.until_millis(), self.times().saturating_sub(1), self.failures())
    }

    fn ejected(self, ejection: &Ejection, now: Moment) -> Self {
        let times = self.times().saturating_add(1);
        let span = ejection.base_time.saturating_mul(u32::from(times)).min(ejection.longest());
        let until = (now + span).nanos().div_ceil(1_000_000).clamp(1, Self::MAX_MILLIS);
        Self::new(until, times, 0)
    }
}

#[cfg(test)]
mod tests;
