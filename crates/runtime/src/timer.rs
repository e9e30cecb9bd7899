//! One timer per connection for all its deadlines.
//!
//! A deadline that moves later is not re-armed at once: the timer fires at the old one, sees that it is early, and
//! goes on. A busy connection therefore touches the timer wheel about once per shortest timeout, not per request.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use madang_base::Moment;
use tokio::time::{Instant, Sleep};

/// Deadlines of one connection, of which one at a time counts.
#[derive(Debug)]
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    armed: Moment,
}

impl Timer {
    /// A timer that waits for nothing yet.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(Instant::now())), armed: Moment::default() }
    }

    /// Ready once `deadline` passed.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Moment) -> Poll<()> {
        loop {
            if self.armed > deadline || self.armed == Moment::default() {
                self.arm(deadline);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.armed >= deadline {
                // Fired for this very deadline; the next poll arms anew.
                self.armed = Moment::default();
                return Poll::Ready(());
            }
            self.arm(deadline);
        }
    }

    fn arm(&mut self, deadline: Moment) {
        let left = deadline.since(crate::now());
        self.sleep.as_mut().reset(Instant::now() + left);
        self.armed = deadline;
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}
