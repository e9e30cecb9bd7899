//! The breaker as callers hold it: one type for all profiles, shared by many threads.

use madang_base::Moment;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::explain::{Details, Explanation};
use crate::permit::Permit;
use crate::profile::{Machine, hystrix, madang, opossum, pybreaker, resilience4j};
use crate::{Counter, Counts, Mode, Outcome, Reason, Rejected, Settings, State, Ticket, Transition};

/// One circuit breaker.
///
/// Every method takes `now`, all from one clock. One that went back is taken as far as possible: a foreign profile counts
/// it as the latest it saw, `madang` believes no wait that is longer than its settings allow.
#[derive(Debug)]
pub struct Breaker {
    kind: Kind,
}

/// A foreign profile is a plain state machine behind a lock: what counts there is that it does as its original.
#[derive(Debug)]
enum Kind {
    Madang(Box<madang::Core>),
    Foreign(Box<Foreign>),
}

#[derive(Debug)]
struct Foreign {
    held: Mutex<Held>,
    listener: Listener,
}

#[derive(Debug)]
struct Held {
    machine: Box<dyn Machine>,
    mode: Mode,
    /// The latest moment seen.
    now: Moment,
}

/// The ticket of a call that a foreign machine has not heard of.
const UNHEARD: u64 = u64::MAX;

impl Breaker {
    /// A closed breaker that decides by itself.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Self {
        Self::with(settings, now, Listener(None))
    }

    /// The same, and `listener` hears of every transition, on the thread whose call or switch made it. No lock is held
    /// then, but the call waits: hand the news on and return. Two transitions of one breaker that follow each other at
    /// once can be heard in the wrong order; [`Transition::number`] tells.
    pub fn watched(settings: Settings, now: Moment, listener: impl Fn(&Transition) + Send + Sync + 'static) -> Self {
        Self::with(settings, now, Listener(Some(Box::new(listener))))
    }

    fn with(settings: Settings, now: Moment, listener: Listener) -> Self {
        let machine: Box<dyn Machine> = match settings {
            Settings::Madang(settings) => {
                return Self { kind: Kind::Madang(Box::new(madang::Core::new(&settings, now, listener))) };
            }
            Settings::Hystrix(settings) => Box::new(hystrix::Machine::new(settings, now)),
            Settings::HystrixMaster(settings) => Box::new(hystrix::master::Machine::new(settings, now)),
            Settings::Opossum(settings) => Box::new(opossum::Machine::new(settings, now)),
            Settings::Pybreaker(settings) => Box::new(pybreaker::Machine::new(settings)),
            Settings::Resilience4j(settings) => Box::new(resilience4j::Machine::new(settings, now)),
        };
        let held = Mutex::new(Held { machine, mode: Mode::Automatic, now });
        Self { kind: Kind::Foreign(Box::new(Foreign { held, listener })) }
    }

    /// Asks whether a call may be made at `now`. The permit gives its place back when it is dropped without a verdict.
    ///
    /// # Errors
    /// [`Rejected`] when it may not: the caller answers with a fallback or an error at once.
    #[inline]
    pub fn acquire(&self, now: Moment) -> Result<Permit<&Self>, Rejected> {
        Ok(Permit::new(self, self.enter(now)?, now))
    }

    /// The same with a permit that keeps the breaker alive, for a task that outlives its caller.
    ///
    /// # Errors
    /// [`Rejected`] when it may not.
    #[inline]
    pub fn acquire_owned(self: &Arc<Self>, now: Moment) -> Result<Permit<Arc<Self>>, Rejected> {
        let ticket = self.enter(now)?;
        Ok(Permit::new(Arc::clone(self), ticket, now))
    }

    /// Asks whether a call may be made at `now`, for callers that cannot hold a [`Permit`]: whoever gets a ticket ends or
    /// cancels it once.
    ///
    /// # Errors
    /// [`Rejected`] when it may not.
    #[inline]
    pub fn enter(&self, now: Moment) -> Result<Ticket, Rejected> {
        match &self.kind {
            Kind::Madang(core) => core.enter(now),
            Kind::Foreign(foreign) => foreign.enter(now),
        }
    }

    /// Says how a call went. `duration` is what its caller measured; it decides whether it was slow.
    #[inline]
    pub fn end(&self, ticket: Ticket, now: Moment, outcome: Outcome, duration: Duration) {
        match &self.kind {
            Kind::Madang(core) => core.end(&ticket, now, outcome, duration),
            Kind::Foreign(foreign) => foreign.end(ticket, now, outcome, duration),
        }
    }

    /// Gives back the place of a call that was not made after all, or whose caller went away.
    #[inline]
    pub fn cancel(&self, ticket: Ticket, now: Moment) {
        match &self.kind {
            Kind::Madang(core) => core.cancel(&ticket, now),
            Kind::Foreign(foreign) => foreign.cancel(ticket, now),
        }
    }

    /// Switches it on behalf of a person; who that was and when is remembered elsewhere. Forcing it closed also closes
    /// it: the calls it lets in from then on are what it judges by when it decides by itself again. After any other mode
    /// it goes on where it was.
    pub fn switch(&self, mode: Mode, now: Moment) {
        match &self.kind {
            Kind::Madang(core) => core.switch(mode, now),
            Kind::Foreign(foreign) => foreign.switch(mode, now),
        }
    }

    /// Closes it at once and with nothing counted, as if it was new. A foreign profile does not know that.
    pub fn reset(&self, now: Moment) {
        if let Kind::Madang(core) = &self.kind {
            core.reset(now);
        }
    }

    /// Puts other settings in force without losing counts, state or calls under way.
    ///
    /// # Errors
    /// [`OtherBreaker`] when a new breaker is needed: for another profile and for a foreign one, which knows its settings
    /// from its start on.
    pub fn reload(&self, settings: &Settings, now: Moment) -> Result<(), OtherBreaker> {
        match (&self.kind, settings) {
            (Kind::Madang(core), Settings::Madang(settings)) => {
                core.reload(settings, now);
                Ok(())
            }
            _ => Err(OtherBreaker),
        }
    }

    /// Where it stands at `now`. Asking changes nothing: an open breaker whose time is over is open until a call comes.
    pub fn state(&self, now: Moment) -> State {
        match &self.kind {
            Kind::Madang(core) => core.state(),
            Kind::Foreign(foreign) => foreign.held(now, |held| held.state()),
        }
    }

    /// When its own timers may next change its state, if nothing else happens.
    pub fn due(&self) -> Option<Moment> {
        match &self.kind {
            Kind::Madang(_) => None,
            Kind::Foreign(foreign) => foreign.held.lock().unwrap_or_else(PoisonError::into_inner).machine.due(),
        }
    }

    /// Its numbers at `now`, under the names of its product, in a fixed order.
    pub fn counters(&self, now: Moment) -> Vec<(&'static str, Counter)> {
        match &self.kind {
            Kind::Madang(core) => core.counters(now),
            Kind::Foreign(foreign) => foreign.held(now, |held| held.machine.counters()),
        }
    }

    /// Why it is where it is.
    pub fn explain(&self, now: Moment) -> Explanation {
        match &self.kind {
            Kind::Madang(core) => core.explain(now),
            Kind::Foreign(foreign) => foreign.held(now, |held| Explanation {
                state: held.state(),
                mode: held.mode,
                details: Details::Product(held.machine.counters()),
            }),
        }
    }
}

/// Other settings that a breaker cannot take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these settings need a new breaker")]
pub struct OtherBreaker;

impl Foreign {
    #[cold]
    #[inline(never)]
    fn enter(&self, now: Moment) -> Result<Ticket, Rejected> {
        self.held(now, |held| match held.mode {
            Mode::Automatic => held.machine.enter(held.now),
            Mode::ForcedOpen => Err(Rejected { state: State::ForcedOpen, retry_after: None }),
            Mode::ForcedClosed | Mode::MetricsOnly => held.machine.enter(held.now).or(Ok(Ticket(UNHEARD))),
            Mode::Disabled => Ok(Ticket(UNHEARD)),
        })
    }

    #[cold]
    #[inline(never)]
    fn end(&self, ticket: Ticket, now: Moment, outcome: Outcome, duration: Duration) {
        if ticket.0 != UNHEARD {
            self.held(now, |held| held.machine.end(ticket, held.now, outcome, duration));
        }
    }

    #[cold]
    #[inline(never)]
    fn cancel(&self, ticket: Ticket, now: Moment) {
        if ticket.0 != UNHEARD {
            self.held(now, |held| held.machine.cancel(ticket, held.now));
        }
    }

    fn switch(&self, mode: Mode, now: Moment) {
        self.held(now, |held| held.mode = mode);
    }

    /// Works on the machine, and tells what became of its state once the lock is free.
    fn held<T>(&self, now: Moment, work: impl FnOnce(&mut Held) -> T) -> T {
        // No step leaves a machine half changed, so a panic elsewhere under the lock spoils nothing.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, mode) = (held.state(), held.mode);
        held.now = now.max(held.now);
        let at = held.now;
        held.machine.advance(at);
        let done = work(&mut held);
        let to = held.state();
        let reason = if held.mode == mode { Reason::Product } else { Reason::Switched };
        let mode = held.mode;
        drop(held);
        if from != to {
            self.listener.hear(&Transition { at, from, to, mode, reason, counts: Counts::default(), number: 0 });
        }
        done
    }
}

impl Held {
    fn state(&self) -> State {
        self.mode.state().unwrap_or_else(|| self.machine.state())
    }
}

/// Who hears of transitions, if anybody does.
pub(crate) struct Listener(Option<Box<Hear>>);

type Hear = dyn Fn(&Transition) + Send + Sync;

impl Listener {
    pub(crate) fn hear(&self, transition: &Transition) {
        if let Some(listener) = &self.0 {
            listener(transition);
        }
    }
}

impl Debug for Listener {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "nobody" })
    }
}
