//! The other Hystrix: 1.5.12 and git master, whose circuit can be half-open.
//!
//! Here the tick itself opens the circuit. One trial passes after the sleep window, and its end decides; a late result
//! decides in its place when it comes while the circuit is half-open.
//!
//! This is the bare circuit breaker. Whole commands of those versions report the end of a refused call as well, which
//! opens a half-open circuit again.

use madang_base::Moment;
use std::time::Duration;

use super::health::Metrics;
use super::{Settings, is_over};
use crate::{Counter, Outcome, Rejected, State, Ticket};

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    circuit: Circuit,
    metrics: Metrics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed,
    Open { since: Moment },
    HalfOpen,
}

impl Machine {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        Self { metrics: Metrics::new(settings.clone(), now), settings, circuit: Circuit::Closed }
    }

    fn refuse(&mut self, state: State, retry_after: Option<Duration>) -> Rejected {
        self.metrics.count_short_circuited();
        Rejected { state, retry_after }
    }

    fn mark_success(&mut self, now: Moment) {
        if self.circuit == Circuit::HalfOpen {
            self.circuit = Circuit::Closed;
            self.metrics.restart(now);
        }
    }

    fn mark_non_success(&mut self, now: Moment) {
        if self.circuit == Circuit::HalfOpen {
            self.circuit = Circuit::Open { since: now };
        }
    }
}

impl super::super::Machine for Machine {
    fn advance(&mut self, now: Moment) {
        if self.circuit == Circuit::Closed && self.settings.enabled {
            if let Some(since) = self.metrics.advance_watched(now) {
                self.circuit = Circuit::Open { since };
            }
        } else {
            self.metrics.advance(now);
        }
    }

    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        let Settings { enabled, force_open, force_closed, sleep_window, .. } = self.settings;
        if force_open && enabled {
            return Err(self.refuse(State::ForcedOpen, None));
        }
        if force_closed || !enabled {
            return Ok(Ticket(0));
        }
        match self.circuit {
            Circuit::Closed => Ok(Ticket(0)),
            Circuit::Open { since } if is_over(since, sleep_window, now) => {
                self.circuit = Circuit::HalfOpen;
                Ok(Ticket(0))
            }
            Circuit::Open { since } => {
                let until = since + sleep_window;
                Err(self.refuse(State::Open, Some(until.since(now))))
            }
            Circuit::HalfOpen => Err(self.refuse(State::HalfOpen, None)),
        }
    }

    fn end(&mut self, _ticket: Ticket, now: Moment, outcome: Outcome, _duration: Duration) {
        match outcome {
            Outcome::Success => self.mark_success(now),
            Outcome::Failure | Outcome::Timeout | Outcome::Ignored => self.mark_non_success(now),
        }
        self.metrics.count(outcome);
    }

    fn cancel(&mut self, _ticket: Ticket, now: Moment) {
        self.mark_non_success(now);
    }

    fn due(&self) -> Option<Moment> {
        let watched = self.circuit == Circuit::Closed && self.settings.enabled;
        watched.then(|| self.metrics.next_ill()).flatten()
    }

    fn state(&self) -> State {
        match self.circuit {
            Circuit::Closed => State::Closed,
            Circuit::Open { .. } => State::Open,
            Circuit::HalfOpen => State::HalfOpen,
        }
    }

    fn counters(&self) -> Vec<(&'static str, Counter)> {
        self.metrics.counters()
    }
}

#[cfg(test)]
mod tests;
