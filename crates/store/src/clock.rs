//! The clock leases and history are measured with: the real one, or one that a test moves.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madang_base::Moment;

type Wake = Box<dyn Fn() + Send + Sync>;

/// A clock that is read, never set.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Manual>>);

/// The hand that moves a clock of [`Clock::manual`].
#[derive(Clone)]
pub struct ManualClock(Arc<Manual>);

#[derive(Default)]
struct Manual {
    now: Mutex<Moment>,
    /// One for each store that waits by this clock.
    wakes: Mutex<Vec<Wake>>,
}

impl Clock {
    /// The real one, `madang_runtime::now`.
    #[must_use]
    pub fn real() -> Self {
        Self(None)
    }

    /// One that stands still until it is advanced.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let manual = Arc::new(Manual::default());
        (Self(Some(Arc::clone(&manual))), ManualClock(manual))
    }

    pub(crate) fn now(&self) -> Moment {
        match &self.0 {
            None => madang_runtime::now(),
            Some(manual) => *manual.now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// How long to wait for `moment`; none when only a wake tells.
    pub(crate) fn until(&self, moment: Moment) -> Option<Duration> {
        match &self.0 {
            None => (moment < Moment::MAX).then(|| moment.since(self.now())),
            Some(_) => None,
        }
    }

    /// Calls `wake` after every advance.
    pub(crate) fn on_advance(&self, wake: impl Fn() + Send + Sync + 'static) {
        if let Some(manual) = &self.0 {
            manual.wakes.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(wake));
        }
    }
}

impl ManualClock {
    /// Moves the clock on. What becomes due is done soon after, not before this returns.
    pub fn advance(&self, by: Duration) {
        {
            let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = *now + by;
        }
        self.0.wakes.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|wake| wake());
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").finish_non_exhaustive()
    }
}
