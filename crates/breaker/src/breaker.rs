//! The breaker as callers hold it: one type for all profiles, shared by many threads.

use madang_base::Moment;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::profile::{Machine, hystrix, opossum, pybreaker, resilience4j};
use crate::{Counter, Outcome, Rejected, Settings, State, Ticket};

/// One circuit breaker.
///
/// Every method takes `now`, all from one clock. A `now` that is earlier than one before it counts as that one.
#[derive(Debug)]
pub struct Breaker {
    kind: Kind,
}

/// A foreign profile is a plain state machine behind a lock: what counts there is that it does as its original.
#[derive(Debug)]
enum Kind {
    Foreign(Mutex<Foreign>),
}

#[derive(Debug)]
struct Foreign {
    machine: Box<dyn Machine>,
    /// The latest moment seen.
    now: Moment,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Self {
        let machine: Box<dyn Machine> = match settings {
            Settings::Opossum(settings) => Box::new(opossum::Machine::new(settings, now)),
            Settings::Pybreaker(settings) => Box::new(pybreaker::Machine::new(settings)),
            Settings::Resilience4j(settings) => Box::new(resilience4j::Machine::new(settings, now)),
            Settings::Hystrix(settings) => Box::new(hystrix::Machine::new(settings, now)),
            Settings::HystrixMaster(settings) => Box::new(hystrix::master::Machine::new(settings, now)),
        };
        Self { kind: Kind::Foreign(Mutex::new(Foreign { machine, now })) }
    }

    /// Asks whether a call may be made at `now`.
    ///
    /// # Errors
    /// [`Rejected`] when it may not: the caller answers with a fallback or an error at once.
    pub fn enter(&self, now: Moment) -> Result<Ticket, Rejected> {
        self.foreign(now, |machine, now| machine.enter(now))
    }

    /// Says how a call went. `duration` is what its caller measured; it decides whether it was slow.
    pub fn end(&self, ticket: Ticket, now: Moment, outcome: Outcome, duration: Duration) {
        self.foreign(now, |machine, now| machine.end(ticket, now, outcome, duration));
    }

    /// Gives back the place of a call that was not made after all, or whose caller went away.
    pub fn cancel(&self, ticket: Ticket, now: Moment) {
        self.foreign(now, |machine, now| machine.cancel(ticket, now));
    }

    /// Where it stands at `now`.
    pub fn state(&self, now: Moment) -> State {
        self.foreign(now, |machine, _| machine.state())
    }

    /// When its own timers may next change its state, if nothing else happens.
    pub fn due(&self) -> Option<Moment> {
        let Kind::Foreign(foreign) = &self.kind;
        foreign.lock().unwrap_or_else(PoisonError::into_inner).machine.due()
    }

    /// Its numbers at `now`, under the names of its product, in a fixed order.
    pub fn counters(&self, now: Moment) -> Vec<(&'static str, Counter)> {
        self.foreign(now, |machine, _| machine.counters())
    }

    fn foreign<T>(&self, now: Moment, work: impl FnOnce(&mut dyn Machine, Moment) -> T) -> T {
        let Kind::Foreign(foreign) = &self.kind;
        // No step leaves a machine half changed, so a panic elsewhere under the lock spoils nothing.
        let mut foreign = foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.max(foreign.now);
        foreign.now = now;
        foreign.machine.advance(now);
        work(&mut *foreign.machine, now)
    }
}
