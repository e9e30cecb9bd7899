//! Opossum 10.0.0: opens when too large a share of the calls of a rolling window failed, closes at the first success of
//! a half-open circuit.
//!
//! Its own: only a failure looks at the window, and a call still in flight is in it; a failure whose call has left the
//! window makes the rate infinite; a call that the semaphore refuses is a failure at once; the success that closes may
//! be that of a call from before the opening; closing does not empty the window.

mod settings;
mod window;

use madang_base::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Counter, Outcome, Rejected, State, Ticket};
pub use settings::Settings;
use window::Window;

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    window: Window,
    state: State,
    /// Half-open, and the one call that may try has not come yet.
    pending_close: bool,
    /// Calls that still fit.
    permits: u64,
    /// No failure opens before this.
    warm: Moment,
    /// When an open circuit becomes half-open.
    reset: Option<Timer>,
    /// Calls in flight by their number, and so in the order in which they time out. As many as the caller has.
    running: BTreeMap<u64, Moment>,
    /// Calls and timers so far: those due in one moment go in the order in which they were made.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    due: Moment,
    number: u64,
}

/// The number of calls that pass a breaker that is not enabled; nothing is learned from them.
const UNSEEN: u64 = 0;

impl Machine {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        let window = Window::new(settings.rolling_count_timeout, settings.rolling_count_buckets, now);
        let warm_up = if settings.allow_warm_up { settings.rolling_count_timeout } else { Duration::ZERO };
        Self {
            window,
            state: State::Closed,
            pending_close: false,
            permits: settings.capacity,
            warm: now + warm_up,
            reset: None,
            running: BTreeMap::new(),
            number: UNSEEN,
            settings,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The timeout that is due first.
    fn timeout(&self) -> Option<Timer> {
        let (number, since) = self.running.first_key_value()?;
        Some(Timer { due: *since + self.settings.timeout?, number: *number })
    }

    fn next_timer(&self) -> Option<Timer> {
        [self.reset, self.timeout()].into_iter().flatten().min()
    }

    fn ended(&mut self, number: u64, now: Moment, outcome: Outcome) {
        // Opossum has given up on a call that it timed out: its late result is nobody's.
        let Some(since) = self.running.remove(&number) else { return };
        self.permits += 1;
        let latency = millis(now) - millis(since);
        if outcome == Outcome::Timeout {
            self.window.add(|counts| counts.timeouts += 1);
            self.window.add(|counts| counts.latency(latency));
        }
        if outcome == Outcome::Success || self.settings.error_filter.contains(outcome) {
            self.succeed(latency);
        } else {
            self.fail(latency, now);
        }
    }

    fn succeed(&mut self, latency: u64) {
        self.window.add(|counts| {
            counts.successes += 1;
            counts.latency(latency);
        });
        if self.state == State::HalfOpen {
            (self.state, self.pending_close) = (State::Closed, false);
        }
    }

    fn fail(&mut self, latency: u64, now: Moment) {
        self.window.add(|counts| {
            counts.failures += 1;
            counts.latency(latency);
        });
        if now < self.warm {
            return;
        }
        let half_open = self.state == State::HalfOpen;
        let counts = self.window.total();
        if half_open || counts.fires >= self.settings.volume_threshold {
            let rate = counts.failures as f64 / counts.fires as f64 * 100.0;
            if half_open || rate > self.settings.error_threshold_percentage {
                self.open(now);
            }
        }
    }

    fn open(&mut self, now: Moment) {
        if self.state != State::Open {
            (self.state, self.pending_close) = (State::Open, false);
            let number = self.next_number();
            self.reset = Some(Timer { due: now + self.settings.reset_timeout, number });
        }
    }
}

impl super::Machine for Machine {
    fn advance(&mut self, now: Moment) {
        while let Some(timer) = self.next_timer().filter(|timer| timer.due <= now) {
            if self.reset == Some(timer) {
                self.reset = None;
                (self.state, self.pending_close) = (State::HalfOpen, true);
                continue;
            }
            // Timers of one moment run in the order in which they were set, and the window's is set anew at each turn.
            let was_set_first = self.settings.timeout.is_some_and(|timeout| timeout > self.window.slice());
            self.window.rotate(if was_set_first { timer.due - Duration::from_nanos(1) } else { timer.due });
            self.ended(timer.number, timer.due, Outcome::Timeout);
        }
        self.window.rotate(now);
    }

    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        self.window.add(|counts| counts.fires += 1);
        if !self.settings.enabled {
            return Ok(Ticket(UNSEEN));
        }
        if self.state != State::Closed && !self.pending_close {
            self.window.add(|counts| counts.rejects += 1);
            let retry_after = self.reset.map(|timer| timer.due.since(now));
            return Err(Rejected { state: self.state, retry_after });
        }
        self.pending_close = false;
        if self.permits == 0 {
            self.window.add(|counts| counts.semaphore_rejections += 1);
            self.fail(0, now);
            return Err(Rejected { state: self.state, retry_after: None });
        }
        self.permits -= 1;
        let number = self.next_number();
        self.running.insert(number, now);
        Ok(Ticket(number))
    }

    fn end(&mut self, ticket: Ticket, now: Moment, outcome: Outcome, _duration: Duration) {
        self.ended(ticket.0, now, outcome);
    }

    fn cancel(&mut self, ticket: Ticket, now: Moment) {
        // A promise that is given up is rejected, with an error that no filter names.
        if let Some(since) = self.running.remove(&ticket.0) {
            self.permits += 1;
            self.fail(millis(now) - millis(since), now);
        }
    }

    fn due(&self) -> Option<Moment> {
        self.next_timer().map(|timer| timer.due)
    }

    fn state(&self) -> State {
        self.state
    }

    fn counters(&self) -> Vec<(&'static str, Counter)> {
        let counts = self.window.total();
        let mean = match (self.settings.rolling_percentiles_enabled, counts.latencies) {
            (false, _) => -1.0,
            (true, 0) => 0.0,
            (true, number) => counts.latency_sum as f64 / number as f64,
        };
        vec![
            ("failures", Counter::Count(counts.failures)),
            ("fallbacks", Counter::Count(0)),
            ("successes", Counter::Count(counts.successes)),
            ("rejects", Counter::Count(counts.rejects)),
            ("fires", Counter::Count(counts.fires)),
            ("timeouts", Counter::Count(counts.timeouts)),
            ("cacheHits", Counter::Count(0)),
            ("cacheMisses", Counter::Count(0)),
            ("coalesceCacheHits", Counter::Count(0)),
            ("coalesceCacheMisses", Counter::Count(0)),
            ("semaphoreRejections", Counter::Count(counts.semaphore_rejections)),
            ("latencyMean", Counter::Rate(mean)),
        ]
    }
}

/// Whole milliseconds, as `Date.now()` has them.
fn millis(at: Moment) -> u64 {
    at.nanos() / 1_000_000
}

#[cfg(test)]
mod tests;
