//! What a breaker is told about a call, and what it answers.

use std::time::Duration;

/// How a call that was let in went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered.
    Success,
    /// It was refused, broke, or was answered with what the caller counts as an error.
    Failure,
    /// Nobody waited any longer for its answer.
    Timeout,
    /// An error that is the caller's own, such as a bad request: it says nothing about the other side.
    Ignored,
}

impl Outcome {
    /// All outcomes but success, which are errors and have a name that settings may list.
    pub const ERRORS: [Self; 3] = [Self::Failure, Self::Timeout, Self::Ignored];

    /// The name in traces and settings: `ok`, `fail`, `timeout`, `ignored`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "ok",
            Self::Failure => "fail",
            Self::Timeout => "timeout",
            Self::Ignored => "ignored",
        }
    }
}

/// A set of outcomes, as a list of error names in the settings makes it: `exclude = ["ignored"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes(u8);

impl Outcomes {
    /// The set of none.
    pub const NONE: Self = Self(0);

    /// This set and `outcome`.
    #[must_use]
    pub const fn with(self, outcome: Outcome) -> Self {
        Self(self.0 | 1 << outcome as u8)
    }

    /// Whether `outcome` is in the set.
    #[must_use]
    pub const fn contains(self, outcome: Outcome) -> bool {
        self.0 & (1 << outcome as u8) != 0
    }

    /// Whether no outcome is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass to learn whether the fault is over.
    HalfOpen,
    /// Refuses all calls because somebody said so.
    ForcedOpen,
    /// Lets all calls pass because somebody said so, and goes on counting.
    ForcedClosed,
    /// Lets all calls pass and counts nothing.
    Disabled,
    /// Counts and judges, and lets all calls pass.
    MetricsOnly,
}

impl State {
    /// The name in traces, settings and answers: `closed`, `half_open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

/// A call that was let in. Its meaning is the breaker's own; each one is ended or canceled once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is neither ended nor canceled can hold a half-open breaker back"]
pub struct Ticket(pub(crate) u64);

/// A call that was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker is {}", .state.name())]
pub struct Rejected {
    /// Where the breaker stands.
    pub state: State,
    /// After this long a call may be let in again; `None` when that hangs on another call or on a person.
    pub retry_after: Option<Duration>,
}

/// One number of a breaker, under the name its product uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counter {
    /// A count.
    Count(u64),
    /// A rate in percent; -1 means that it is not known yet, as resilience4j says it.
    Rate(f64),
}
