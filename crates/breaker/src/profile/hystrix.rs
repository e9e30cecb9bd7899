//! Hystrix 1.5.18, which people run: opens when a tick of its health found too many errors, and tries a call at a time.
//!
//! The circuit is open or closed; 1.5.18 has no half-open one. Nobody looks at the health but the calls themselves:
//! the first one after a bad tick opens the circuit and is refused. While it is open, one call passes per sleep
//! window, and the success of any call closes it, also of one let in long before it opened.

mod health;
pub(crate) mod master;
mod settings;

pub use settings::Settings;

use madang_base::Moment;
use std::time::Duration;

use crate::{Counter, Outcome, Rejected, State, Ticket};
use health::Metrics;

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    circuit: Circuit,
    metrics: Metrics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed,
    /// `last` is when it opened or last let a trial in.
    Open {
        last: Moment,
    },
}

impl Machine {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        Self { metrics: Metrics::new(settings.clone(), now), settings, circuit: Circuit::Closed }
    }

    /// The product's `isOpen`, which opens the circuit when it is due. Only calls ask it.
    fn is_open(&mut self, now: Moment) -> bool {
        if self.circuit == Circuit::Closed && self.metrics.is_ill() {
            self.circuit = Circuit::Open { last: now };
        }
        self.circuit != Circuit::Closed
    }

    fn refuse(&mut self, state: State, retry_after: Option<Duration>) -> Rejected {
        self.metrics.count_short_circuited();
        Rejected { state, retry_after }
    }
}

/// A moment as the product's clock has it, in milliseconds.
const fn millis(moment: Moment) -> u64 {
    moment.nanos() / 1_000_000
}

/// Whether `wait` is over since `since`: a call at the very millisecond is early.
fn is_over(since: Moment, wait: Duration, now: Moment) -> bool {
    u128::from(millis(now)) > u128::from(millis(since)) + wait.as_millis()
}

impl super::Machine for Machine {
    fn advance(&mut self, now: Moment) {
        self.metrics.advance(now);
    }

    fn enter(&mut self, now: Moment) -> Result<Ticket, Rejected> {
        let Settings { enabled, force_open, force_closed, sleep_window, .. } = self.settings;
        if !enabled {
            return Ok(Ticket(0));
        }
        if force_open {
            return Err(self.refuse(State::ForcedOpen, None));
        }
        if !self.is_open(now) || force_closed {
            return Ok(Ticket(0));
        }
        match &mut self.circuit {
            Circuit::Open { last } if !is_over(*last, sleep_window, now) => {
                let until = *last + sleep_window;
                Err(self.refuse(State::Open, Some(until.since(now))))
            }
            Circuit::Open { last } => {
                *last = now;
                Ok(Ticket(0))
            }
            Circuit::Closed => Ok(Ticket(0)),
        }
    }

    fn end(&mut self, _ticket: Ticket, now: Moment, outcome: Outcome, _duration: Duration) {
        if outcome == Outcome::Success && self.circuit != Circuit::Closed {
            self.circuit = Circuit::Closed;
            // Before the success is counted: it is the first of the new health.
            self.metrics.restart(now);
        }
        self.metrics.count(outcome);
    }

    fn cancel(&mut self, _ticket: Ticket, _now: Moment) {
        // CANCELLED counts nowhere, and the next trial comes with the next sleep window.
    }

    fn state(&self) -> State {
        match self.circuit {
            Circuit::Closed => State::Closed,
            Circuit::Open { .. } => State::Open,
        }
    }

    fn counters(&self) -> Vec<(&'static str, Counter)> {
        self.metrics.counters()
    }
}

#[cfg(test)]
mod tests;
