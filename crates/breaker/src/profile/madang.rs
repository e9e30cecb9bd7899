//! The good one: lock-free, and without the faults that are known of others.
//!
//! - Calls are counted in a window of time (striped, so that threads do not slow each other down) or of the last calls.
//!   A rate of failures, a rate of slow calls or failures in a row open it.
//! - It stays open longer each time a recovery fails, a little less than set by chance. An opening after a time of
//!   health that was at least as long as the last opening and recovery counts as the first again.
//! - Half-open it lets so many trials in and judges them together by the same two rates: it opens as soon as that is
//!   certain and closes when all are in. A trial that is canceled, dropped or `Ignored` gives its place back. When the
//!   longest stay is over, trials under way count as failures: it opens again if they bring the rate there, closes
//!   otherwise, and waits anew when there is neither a result nor a trial under way.
//! - After closing, a growing share of calls is let in, so that what has just come up is not knocked over.
//! - A result of a call that was let in before the last transition counts nowhere but in `late`.
//! - A clock that went back cannot hold it open: no wait is believed that is longer than the longest one set, and a
//!   window that lies in the future is empty. Nothing happens at a moment: waits end when somebody asks.

mod core;
mod explain;
mod limits;
mod ring;
mod settings;
mod stripe;
mod window;
mod word;

pub(crate) use self::core::Core;
pub use settings::{MAX_CALLS, MAX_TRIALS, Settings, Window};

use std::ops::Add;

use crate::Counts;

/// What a result adds to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Success,
    SlowSuccess,
    Failure,
    SlowFailure,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Success, Self::SlowSuccess, Self::Failure, Self::SlowFailure];

    const fn of(failed: bool, slow: bool) -> Self {
        match (failed, slow) {
            (false, false) => Self::Success,
            (false, true) => Self::SlowSuccess,
            (true, false) => Self::Failure,
            (true, true) => Self::SlowFailure,
        }
    }

    const fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::SlowFailure)
    }

    const fn is_slow(self) -> bool {
        matches!(self, Self::SlowSuccess | Self::SlowFailure)
    }
}

impl Counts {
    /// With `count` more results of a kind.
    #[inline]
    const fn with(mut self, kind: Kind, count: u64) -> Self {
        self.calls += count;
        self.failures += if kind.is_failure() { count } else { 0 };
        self.slow += if kind.is_slow() { count } else { 0 };
        self
    }

    /// Split by kind, as few as possible both slow and failed.
    fn by_kind(self) -> [(Kind, u64); 4] {
        let both = (self.failures + self.slow).saturating_sub(self.calls);
        let (failures, slow) = (self.failures - both, self.slow - both);
        let successes = self.calls - failures - slow - both;
        [(Kind::Success, successes), (Kind::SlowSuccess, slow), (Kind::Failure, failures), (Kind::SlowFailure, both)]
    }
}

impl Add for Counts {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, failures: self.failures + other.failures, slow: self.slow + other.slow }
    }
}

#[cfg(test)]
mod tests;
