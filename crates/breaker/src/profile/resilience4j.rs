//! resilience4j 2.4.0: opens when too large a share of the last calls failed or was slow, and tries a few calls then.
//!
//! Its window is looked at after every result. A result counts for the state of now, whichever state let its call in:
//! late ones judge a half-open breaker. The numbers belong to the state too, but an open breaker keeps those of the
//! state it came from.

mod settings;
mod window;

pub use settings::{AfterWait, MAX_WINDOW, Settings, Synchronization, WindowType};

use madang_base::{Moment, Random};
use std::time::Duration;

use crate::{Counter, Outcome, Rejected, State, Ticket};
use window::{Snapshot, Verdict, Window};

/// After this many turns of the timers at one look at the clock, random waits are all taken to be like the last one.
const MAX_RANDOM_TURNS: u32 = 1_000;

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    phase: Phase,
    metrics: Metrics,
    random: Random,
    /// What the timers have run up to.
    now: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    /// Refuses up to and including `until`. `backoff` is what the wait came to in milliseconds before it was cut.
    Open {
        until: Moment,
        backoff: u64,
    },
    /// Lets as many calls in as there are permits, and ends at `until` if nothing else ends it.
    HalfOpen {
        permits: u64,
        until: Option<Moment>,
        backoff: u64,
    },
    Disabled,
    ForcedOpen,
    MetricsOnly,
}

/// The numbers of a state.
#[derive(Debug)]
struct Metrics {
    window: Window,
    minimum_number_of_calls: u64,
    number_of_not_permitted_calls: u64,
}

/// What a result came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    TooFewCalls,
    Below,
    Exceeded,
}

impl Machine {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        let mut machine = Self {
            metrics: Metrics::closed(&settings, now),
            random: Random::new(settings.seed),
            settings,
            phase: Phase::Closed,
            now,
        };
        let first = machine.first_backoff();
        match machine.settings.initial_state {
            State::Closed | State::ForcedClosed => {}
            State::Open => machine.open(first, now),
            State::HalfOpen => machine.half_open(first, now),
            State::Disabled => machine.phase = Phase::Disabled,
            State::ForcedOpen => machine.phase = Phase::ForcedOpen,
            State::MetricsOnly => machine.phase = Phase::MetricsOnly,
        }
        machine
    }

    fn close(&mut self, now: Moment) {
        self.metrics = Metrics::closed(&self.settings, now);
        self.phase = Phase::Closed;
    }

    fn open(&mut self, backoff: u64, now: Moment) {
        let wait = Duration::from_millis(self.wait(backoff));
        self.phase = Phase::Open { until: now + wait, backoff };
    }

    fn half_open(&mut self, backoff: u64, now: Moment) {
        self.metrics = Metrics::half_open(&self.settings);
        let longest = whole_millis(self.settings.max_wait_duration_in_half_open_state);
        let permits = self.settings.permitted_number_of_calls_in_half_open_state.into();
        let until = (longest > 0).then(|| now + Duration::from_millis(longest));
        self.phase = Phase::HalfOpen { permits, until, backoff };
    }

    fn first_backoff(&self) -> u64 {
        whole_millis(self.settings.wait_duration_in_open_state)
    }

    /// What the wait after this one comes to: cut to whole milliseconds at each step.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // as Java's casts
    fn next_backoff(&self, backoff: u64) -> u64 {
        if !self.settings.enable_exponential_backoff {
            return backoff;
        }
        let longer = backoff as f64 * self.settings.exponential_backoff_multiplier;
        (longer as u64).min(i64::MAX.unsigned_abs())
    }

    /// How long an open breaker waits, in milliseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // as Java's casts
    fn wait(&mut self, backoff: u64) -> u64 {
        if self.settings.enable_randomized_wait {
            let middle = backoff as f64;
            let delta = self.settings.randomized_wait_factor * middle;
            let (low, high) = (middle - delta, middle + delta);
            return (low + self.random.unit() * (high - low + 1.0)).max(1.0) as u64;
        }
        self.cut(backoff)
    }

    fn cut(&self, backoff: u64) -> u64 {
        match self.settings.exponential_max_wait_duration_in_open_state {
            Some(longest) if self.settings.enable_exponential_backoff => backoff.min(whole_millis(longest)),
            _ => backoff,
        }
    }

    /// What the timer of the state does.
    fn fire(&mut self, at: Moment) {
        match self.phase {
            Phase::Open { backoff, .. } => self.half_open(backoff, at),
            Phase::HalfOpen { backoff, .. } => match self.settings.transition_to_state_after_wait_duration {
                AfterWait::Open => self.open(self.next_backoff(backoff), at),
                AfterWait::Closed => self.close(at),
            },
            Phase::Closed | Phase::Disabled | Phase::ForcedOpen | Phase::MetricsOnly => {}
        }
    }

    /// Skips as many whole turns from open to half-open and back as fit before `now`, where each is like the last.
    fn skip_turns(&mut self, turns: u32, now: Moment) {
        let Phase::Open { until, backoff } = self.phase else { return };
        if !self.settings.automatic_transition_from_open_to_half_open_enabled {
            return;
        }
        let next = self.next_backoff(backoff);
        let grows = self.settings.exponential_backoff_multiplier >= 1.0;
        let settled = next == backoff || (grows && self.cut(backoff) < backoff);
        let random = self.settings.enable_randomized_wait && turns < MAX_RANDOM_TURNS;
        if !settled || random || until >= now {
            return;
        }
        let wait = self.cut(backoff) + whole_millis(self.settings.max_wait_duration_in_half_open_state);
        let turn = Duration::from_millis(wait.max(1)).as_nanos();
        let whole = now.since(until).as_nanos() / turn;
        if whole == 0 {
            return;
        }
        self.metrics = Metrics::half_open(&self.settings);
        let skipped = u64::try_from(whole * turn).unwrap_or(u64::MAX);
        self.phase = Phase::Open { until: until + Duration::from_nanos(skipped), backoff };
    }

    fn record(&mut self, failed: bool, now: Moment, duration: Duration) {
        let slow = duration > self.settings.slow_call_duration_threshold;
        let verdict = Verdict { failed, slow };
        match self.phase {
            Phase::Closed => {
                if self.judge(verdict, now) == Judgement::Exceeded {
                    self.open(self.first_backoff(), now);
                }
            }
            Phase::HalfOpen { backoff, .. } => match self.judge(verdict, now) {
                Judgement::TooFewCalls => {}
                Judgement::Below => self.close(now),
                Judgement::Exceeded => self.open(self.next_backoff(backoff), now),
            },
            Phase::Open { .. } | Phase::MetricsOnly => {
                self.judge(verdict, now);
            }
            Phase::Disabled | Phase::ForcedOpen => {}
        }
    }

    fn judge(&mut self, verdict: Verdict, now: Moment) -> Judgement {
        let Some(snapshot) = self.metrics.window.record(verdict, now) else { return Judgement::TooFewCalls };
        let Some((failure_rate, slow_call_rate)) = self.metrics.rates(snapshot) else { return Judgement::TooFewCalls };
        if failure_rate >= self.settings.failure_rate_threshold
            || slow_call_rate >= self.settings.slow_call_rate_threshold
        {
            Judgement::Exceeded
        } else {
            Judgement::Below
        }
    }

    fn refuse(&mut self, until: Option<Moment>, now: Moment) -> Rejected {
        self.metrics.number_of_not_permitted_calls += 1;
        Rejected { state: super::Machine::state(self), retry_after: until.map(|until| until.since(now)) }
    }

    const fn release(&mut self) {
        if let Phase::HalfOpen { permits, .. } = &mut self.phase {
            // A call of an earlier state gives back what it never took, and nothing bounds the permits.
            *permits = permits.saturating_add(1);
        }
    }
}

impl Metrics {
    fn closed(settings: &Settings, now: Moment) -> Self {
        let minimum = match settings.sliding_window_type {
            WindowType::CountBased => settings.minimum_number_of_calls.min(settings.sliding_window_size),
            WindowType::TimeBased => settings.minimum_number_of_calls,
        };
        Self::new(Window::closed(settings, now), minimum)
    }

    fn half_open(settings: &Settings) -> Self {
        let permits = settings.permitted_number_of_calls_in_half_open_state;
        Self::new(Window::half_open(permits, settings), settings.minimum_number_of_calls.min(permits))
    }

    fn new(window: Window, minimum: u32) -> Self {
        Self { window, minimum_number_of_calls: minimum.into(), number_of_not_permitted_calls: 0 }
    }

    /// The share of failed and of slow calls, when there are enough calls to say.
    fn rates(&self, snapshot: Snapshot) -> Option<(f32, f32)> {
        let enough = snapshot.calls > 0 && snapshot.calls >= self.minimum_number_of_calls;
        enough.then(|| (percent(snapshot.failed, snapshot.calls), percent(snapshot.slow, snapshot.calls)))
    }
}

#[allow(clippy::cast_precision_loss)] // the product counts in 32 bits, fractions included
fn percent(part: u64, whole: u64) -> f32 {
    part as f32 * 100.0 / whole as f32
}

/// A rate as Java writes it: the shortest number that is this one in 32 bits.
fn written(rate: f32) -> f64 {
    rate.to_string().parse().unwrap_or(f64::from(rate))
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl super::Machine for Machine {
    fn advance(&mut self, now: Moment) {
        let mut turns = 0;
        while let Some(due) = super::Machine::due(self).filter(|due| *due <= now) {
            self.fire(due);
            turns += 1;
            self.skip_turns(turns, now);
        }
        self.now = now;
    }

    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        if let Phase::Open { until, backoff } = self.phase
            && now > until
        {
            self.half_open(backoff, now);
        }
        match &mut self.phase {
            Phase::Closed | Phase::Disabled | Phase::MetricsOnly => Ok(Ticket(0)),
            Phase::HalfOpen { permits, .. } if *permits > 0 => {
                *permits -= 1;
                Ok(Ticket(0))
            }
            Phase::Open { until, .. } => {
                let until = *until;
                Err(self.refuse(Some(until), now))
            }
            Phase::HalfOpen { .. } | Phase::ForcedOpen => Err(self.refuse(None, now)),
        }
    }

    fn end(&mut self, _ticket: Ticket, now: Moment, outcome: Outcome, duration: Duration) {
        let Settings { record_exceptions, ignore_exceptions, .. } = &self.settings;
        if outcome == Outcome::Success {
            self.record(false, now, duration);
        } else if ignore_exceptions.contains(outcome) {
            self.release();
        } else {
            let failed = record_exceptions.is_empty() || record_exceptions.contains(outcome);
            self.record(failed, now, duration);
        }
    }

    fn cancel(&mut self, _ticket: Ticket, _now: Moment) {
        self.release();
    }

    fn due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Open { until, .. } if self.settings.automatic_transition_from_open_to_half_open_enabled => {
                Some(until)
            }
            Phase::HalfOpen { until, .. } => until,
            _ => None,
        }
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Disabled => State::Disabled,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::MetricsOnly => State::MetricsOnly,
        }
    }

    fn counters(&self) -> Vec<(&'static str, Counter)> {
        let snapshot = self.metrics.window.snapshot(self.now);
        let (failure_rate, slow_call_rate) = self.metrics.rates(snapshot).unwrap_or((-1.0, -1.0));
        let Snapshot { calls, failed, slow, slow_failed } = snapshot;
        vec![
            ("failureRate", Counter::Rate(written(failure_rate))),
            ("slowCallRate", Counter::Rate(written(slow_call_rate))),
            ("numberOfBufferedCalls", Counter::Count(calls)),
            ("numberOfSuccessfulCalls", Counter::Count(calls - failed)),
            ("numberOfFailedCalls", Counter::Count(failed)),
            ("numberOfSlowCalls", Counter::Count(slow)),
            ("numberOfSlowSuccessfulCalls", Counter::Count(slow - slow_failed)),
            ("numberOfSlowFailedCalls", Counter::Count(slow_failed)),
            ("numberOfNotPermittedCalls", Counter::Count(self.metrics.number_of_not_permitted_calls)),
        ]
    }
}

#[cfg(test)]
mod tests;
