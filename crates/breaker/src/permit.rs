//! A call that was let in, as a guard: whatever becomes of its caller, its place comes back.

use madang_base::Moment;
use std::borrow::Borrow;
use std::time::Duration;

use crate::{Breaker, Outcome, Ticket};

/// The right to make one call.
///
/// It ends with a verdict, [`succeed`](Self::succeed), [`fail`](Self::fail) or [`end`](Self::end), or it is dropped: then
/// the call was not made or its caller went away, and the place of a trial is free again.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once lets nothing pass"]
pub struct Permit<B: Borrow<Breaker>> {
    breaker: B,
    /// Taken by the verdict.
    ticket: Option<Ticket>,
    since: Moment,
}

impl<B: Borrow<Breaker>> Permit<B> {
    #[inline]
    pub(crate) const fn new(breaker: B, ticket: Ticket, since: Moment) -> Self {
        Self { breaker, ticket: Some(ticket), since }
    }

    /// The call was answered.
    #[inline]
    pub fn succeed(self, now: Moment) {
        self.judge(now, Outcome::Success);
    }

    /// The call failed.
    #[inline]
    pub fn fail(self, now: Moment) {
        self.judge(now, Outcome::Failure);
    }

    /// The call went so, and took from when it was let in until `now`.
    #[inline]
    pub fn judge(self, now: Moment, outcome: Outcome) {
        let duration = now.since(self.since);
        self.end(now, outcome, duration);
    }

    /// Says how the call went and how long it took, where that is not the time since it was let in.
    #[inline]
    pub fn end(mut self, now: Moment, outcome: Outcome, duration: Duration) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.borrow().end(ticket, now, outcome, duration);
        }
    }
}

impl<B: Borrow<Breaker>> Drop for Permit<B> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            // Nobody tells the time here, and giving a place back does not need it.
            self.breaker.borrow().cancel(ticket, self.since);
        }
    }
}
