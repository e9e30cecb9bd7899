//! What a breaker is told about a call, and what it answers.

use madang_base::Moment;
use std::fmt::{self, Display, Formatter};
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

    const fn refusal(self) -> &'static str {
        match self {
            Self::Closed => "is recovering and lets only a share of calls pass",
            Self::Open => "is open",
            Self::HalfOpen => "is half_open and has all its trials",
            Self::ForcedOpen => "is forced_open",
            // These refuse nothing.
            Self::ForcedClosed => "is forced_closed",
            Self::Disabled => "is disabled",
            Self::MetricsOnly => "is metrics_only",
        }
    }
}

/// A call that was let in. Its meaning is the breaker's own; each one is ended or canceled once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is neither ended nor canceled can hold a half-open breaker back"]
pub struct Ticket(pub(crate) u64);

/// A call that was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker {}", .state.refusal())]
pub struct Rejected {
    /// Where the breaker stands. `Closed` when it has closed not long ago and lets a growing share of calls pass.
    pub state: State,
    /// After this long a call may be let in again; `None` when that hangs on another call or on a person.
    pub retry_after: Option<Duration>,
}

/// What a person has switched a breaker to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// It decides by itself.
    #[default]
    Automatic,
    /// Refuses all calls.
    ForcedOpen,
    /// Lets all calls pass, counts and does not judge.
    ForcedClosed,
    /// Lets all calls pass and counts nothing.
    Disabled,
    /// Counts, judges and makes its transitions, and lets all calls pass all the same.
    MetricsOnly,
}

impl Mode {
    /// Every mode with its name in settings, flags and answers.
    pub const ALL: &[(&str, Self)] = &[
        ("automatic", Self::Automatic),
        ("forced_open", Self::ForcedOpen),
        ("forced_closed", Self::ForcedClosed),
        ("disabled", Self::Disabled),
        ("metrics_only", Self::MetricsOnly),
    ];

    /// The state that people are told, where the mode alone decides it.
    #[must_use]
    pub const fn state(self) -> Option<State> {
        match self {
            Self::Automatic => None,
            Self::ForcedOpen => Some(State::ForcedOpen),
            Self::ForcedClosed => Some(State::ForcedClosed),
            Self::Disabled => Some(State::Disabled),
            Self::MetricsOnly => Some(State::MetricsOnly),
        }
    }
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All results.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow, failed or not.
    pub slow: u64,
}

/// A breaker went from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Moment,
    /// From where. With [`Mode::MetricsOnly`] these are the states that would have been.
    pub from: State,
    /// To where.
    pub to: State,
    /// What a person has switched it to.
    pub mode: Mode,
    /// Why.
    pub reason: Reason,
    /// The results that decided; none when something else did.
    pub counts: Counts,
    /// Counts the transitions of this breaker, so that two that are heard of at once can be put in order. 0 when its
    /// profile does not count them.
    pub number: u32,
}

impl Display for Transition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Counts { calls, failures, slow } = self.counts;
        write!(f, "{} to {}: ", self.from.name(), self.to.name())?;
        match self.reason {
            Reason::FailureRate => write!(f, "{failures} of {calls} calls failed"),
            Reason::SlowRate => write!(f, "{slow} of {calls} calls were slow"),
            Reason::ConsecutiveFailures => f.write_str("too many calls failed one after the other"),
            Reason::OpenTimeOver => f.write_str("a call may try whether the fault is over"),
            Reason::TrialsPassed => f.write_str("the trials went well"),
            Reason::TrialsOverdue => f.write_str("the trials took too long"),
            Reason::Switched => f.write_str("somebody switched it"),
            Reason::Reset => f.write_str("somebody reset it"),
            Reason::Product => f.write_str("the rules of its product say so"),
        }
    }
}

/// Why a breaker went to another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many calls of the window, or trials, failed.
    FailureRate,
    /// Too many calls of the window, or trials, were slow.
    SlowRate,
    /// Too many calls failed one after the other.
    ConsecutiveFailures,
    /// It was open for as long as it had to be, and a call came.
    OpenTimeOver,
    /// All trials are in and are good.
    TrialsPassed,
    /// The trials took longer than they may; what was there decided, trials under way counting as failures.
    TrialsOverdue,
    /// A person switched it.
    Switched,
    /// A person reset it.
    Reset,
    /// The rules of its product said so.
    Product,
}

impl Reason {
    /// The name in events and answers: `failure_rate`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::OpenTimeOver => "open_time_over",
            Self::TrialsPassed => "trials_passed",
            Self::TrialsOverdue => "trials_overdue",
            Self::Switched => "switched",
            Self::Reset => "reset",
            Self::Product => "product",
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailureRate => "too many calls failed",
            Self::SlowRate => "too many calls were slow",
            Self::ConsecutiveFailures => "too many calls failed one after the other",
            Self::OpenTimeOver => "it was open for as long as it had to be",
            Self::TrialsPassed => "its trials went well",
            Self::TrialsOverdue => "its trials took too long",
            Self::Switched => "somebody switched it",
            Self::Reset => "somebody reset it",
            Self::Product => "the rules of its profile say so",
        })
    }
}

/// One number of a breaker, under the name its product uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counter {
    /// A count.
    Count(u64),
    /// A rate in percent; -1 means that it is not known yet, as resilience4j says it.
    Rate(f64),
}
