//! PyBreaker 1.4.1: opens after so many failures in a row, closes after so many successes of trials.
//!
//! A result follows the rules of the state its call was let in by, whatever the circuit has become since. Trials are
//! not limited: overlapping calls (`calling()` blocks) all pass once the circuit is half-open.

use madang_base::Moment;
use madang_settings::{Fields, Node, Problems};
use std::time::Duration;

use crate::{Counter, Outcome, Outcomes, Rejected, State, Ticket};

/// What `CircuitBreaker(…)` takes (PyBreaker's README, "Features").
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Failures in a row that open the circuit. Default 5.
    pub fail_max: u64,
    /// How long it stays open. Default 60 s.
    pub reset_timeout: Duration,
    /// Successes that close it again. Default 1.
    pub success_threshold: u64,
    /// Errors that count as successes. Default none.
    pub exclude: Outcomes,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fail_max: 5, reset_timeout: Duration::from_secs(60), success_threshold: 1, exclude: Outcomes::NONE }
    }
}

impl Settings {
    pub(crate) fn read(node: &Node, key: &str, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let Some(mut fields) = Fields::new(node, key, problems) else { return settings };
        let count = 1..=u64::from(u32::MAX);
        settings.fail_max = fields.integer("fail_max", count.clone(), problems).unwrap_or(settings.fail_max);
        settings.reset_timeout = fields.duration("reset_timeout", problems).unwrap_or(settings.reset_timeout);
        let successes = fields.integer("success_threshold", count, problems);
        settings.success_threshold = successes.unwrap_or(settings.success_threshold);
        settings.exclude = super::errors(&mut fields, "exclude", problems).unwrap_or(settings.exclude);
        // What the caller sees and what the breaker is called decide nothing here.
        fields.boolean("throw_new_error_on_trip", problems);
        fields.string("name", problems);
        super::refuse(&mut fields, &["listeners", "state_storage"], problems);
        fields.finish(problems);
        settings
    }
}

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    state: State,
    opened_at: Moment,
    fail_counter: u64,
    success_counter: u64,
}

/// Which state let a call in.
const BY_CLOSED: u64 = 0;
const BY_HALF_OPEN: u64 = 1;

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed, opened_at: Moment::default(), fail_counter: 0, success_counter: 0 }
    }

    fn open(&mut self, now: Moment) {
        // The counter of failures survives an opening.
        (self.state, self.opened_at, self.success_counter) = (State::Open, now, 0);
    }

    fn half_open(&mut self) {
        (self.state, self.success_counter) = (State::HalfOpen, 0);
    }

    fn close(&mut self) {
        (self.state, self.success_counter, self.fail_counter) = (State::Closed, 0, 0);
    }

    fn succeed(&mut self, by: u64) {
        self.fail_counter = 0;
        if by == BY_HALF_OPEN {
            self.success_counter += 1;
            if self.success_counter >= self.settings.success_threshold {
                self.close();
            }
        }
    }

    fn fail(&mut self, by: u64, now: Moment) {
        self.fail_counter += 1;
        if by == BY_HALF_OPEN || self.fail_counter >= self.settings.fail_max {
            self.open(now);
        }
    }
}

impl super::Machine for Machine {
    fn advance(&mut self, _now: Moment) {}

    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        if self.state == State::Open {
            let until = self.opened_at + self.settings.reset_timeout;
            if now < until {
                return Err(Rejected { state: State::Open, retry_after: Some(until.since(now)) });
            }
            self.half_open();
        }
        Ok(Ticket(if self.state == State::HalfOpen { BY_HALF_OPEN } else { BY_CLOSED }))
    }

    fn end(&mut self, ticket: Ticket, now: Moment, outcome: Outcome, _duration: Duration) {
        if outcome == Outcome::Success || self.settings.exclude.contains(outcome) {
            self.succeed(ticket.0);
        } else {
            self.fail(ticket.0, now);
        }
    }

    fn cancel(&mut self, ticket: Ticket, now: Moment) {
        // A `calling()` block that nobody finishes is a failure when Python collects it.
        self.fail(ticket.0, now);
    }

    fn state(&self) -> State {
        self.state
    }

    fn counters(&self) -> Vec<(&'static str, Counter)> {
        vec![
            ("fail_counter", Counter::Count(self.fail_counter)),
            ("success_counter", Counter::Count(self.success_counter)),
        ]
    }
}

#[cfg(test)]
mod tests;
