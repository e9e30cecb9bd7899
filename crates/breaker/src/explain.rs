//! Why a breaker is where it is, for people: values and one sentence.

use madang_base::{Moment, format_duration};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::{Counter, Counts, Mode, Reason, State};

/// Why a breaker is where it is. `Display` says it in one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What callers meet.
    pub state: State,
    /// What a person has switched it to.
    pub mode: Mode,
    /// What its profile has to say.
    pub details: Details,
}

/// The part of an [`Explanation`] that depends on the profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Details {
    /// A breaker of the profile `madang`.
    Madang(Box<Verdict>),
    /// A breaker that does as its product: the product's own numbers.
    Product(Vec<(&'static str, Counter)>),
}

/// What the calls so far made of a breaker, and what that was measured against.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Where the calls brought it, whatever a person has switched.
    pub phase: Phase,
    /// What the window holds; nothing unless it is closed.
    pub counts: Counts,
    /// Fewer calls are not judged by a rate.
    pub minimum_calls: u64,
    /// Percent of failures that open it.
    pub failure_rate: f64,
    /// Percent of slow calls that open it; `None` when no call is slow.
    pub slow_rate: Option<f64>,
    /// Failures in a row so far, and so many that open it; `None` when they are not counted.
    pub consecutive_failures: Option<(u64, u64)>,
    /// The last opening; `None` when it never opened.
    pub opened: Option<Opened>,
    /// Results that came too late to count.
    pub late: u64,
}

/// The last opening of a breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opened {
    /// When.
    pub at: Moment,
    /// For how long.
    pub span: Duration,
    /// Why.
    pub reason: Reason,
    /// The results that decided: of the window, or of the trials.
    pub counts: Counts,
    /// The how-manieth it was without a time of health in between.
    pub attempt: u32,
}

/// Where the calls brought a breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// All calls pass.
    Closed,
    /// It closed not long ago: such a share of calls, from 0 to 1, passes.
    Recovering {
        /// The share.
        share: f64,
        /// Until all pass.
        left: Duration,
    },
    /// No call passes.
    Open {
        /// Until the next call is a trial; zero when it is now.
        left: Duration,
    },
    /// Trials pass.
    HalfOpen {
        /// Calls under way.
        in_flight: u32,
        /// Results so far.
        results: Counts,
        /// So many are asked for.
        of: u32,
        /// Until it is judged by what is there.
        left: Duration,
    },
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.mode {
            Mode::Automatic => {}
            Mode::ForcedOpen => f.write_str("somebody forced it open; ")?,
            Mode::ForcedClosed => f.write_str("somebody forced it closed; ")?,
            Mode::Disabled => f.write_str("somebody disabled it; ")?,
            Mode::MetricsOnly => f.write_str("it only watches and lets all calls pass; ")?,
        }
        match &self.details {
            Details::Madang(verdict) => verdict.fmt(f),
            Details::Product(counters) => {
                write!(f, "{}", self.state.name())?;
                for (at, (name, counter)) in counters.iter().enumerate() {
                    let before = if at == 0 { ": " } else { ", " };
                    match counter {
                        Counter::Count(count) => write!(f, "{before}{name} {count}")?,
                        Counter::Rate(rate) => write!(f, "{before}{name} {rate} %")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.phase {
            Phase::Closed => {
                f.write_str("closed: ")?;
                self.write_window(f)
            }
            Phase::Recovering { share, left } => {
                let left = rough(left);
                write!(f, "closed and recovering: {:.0} % of calls pass, all in {left}; ", share * 100.0)?;
                self.write_window(f)
            }
            Phase::Open { left } => {
                f.write_str("open")?;
                self.write_opening(f)?;
                match left {
                    Duration::ZERO => f.write_str("; the next call is a trial"),
                    left => write!(f, "; trials begin in {}", rough(left)),
                }
            }
            Phase::HalfOpen { in_flight, results, of, left } => {
                write!(f, "half_open: {} of {of} trials ended, {}", results.calls, failed(results.failures))?;
                write!(f, ", {in_flight} under way; judged in {} at the latest", rough(left))?;
                f.write_str("; it was opened")?;
                self.write_opening(f)
            }
        }
    }
}

impl Verdict {
    fn write_window(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Counts { calls, failures, slow } = self.counts;
        write!(f, "{} of {calls} calls failed, opens at {} %", failures, self.failure_rate)?;
        if let Some(rate) = self.slow_rate {
            write!(f, "; {slow} were slow, opens at {rate} %")?;
        }
        if calls < self.minimum_calls {
            write!(f, "; judged from {} calls on", self.minimum_calls)?;
        }
        if let Some((row, limit)) = self.consecutive_failures {
            write!(f, "; {row} failed in a row, opens at {limit}")?;
        }
        Ok(())
    }

    fn write_opening(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(Opened { span, reason, counts, attempt, .. }) = self.opened else { return Ok(()) };
        write!(f, " for {} because {reason}", rough(span))?;
        if counts.calls > 0 {
            write!(f, " ({} of {}", failed(counts.failures), counts.calls)?;
            write!(f, "{})", if counts.slow > 0 { format!(", {} slow", counts.slow) } else { String::new() })?;
        }
        if attempt > 1 {
            write!(f, ", the {attempt}. time in a row")?;
        }
        Ok(())
    }
}

fn failed(failures: u64) -> String {
    format!("{failures} failed")
}

/// To the millisecond, as people read it.
fn rough(span: Duration) -> String {
    format_duration(Duration::from_millis(u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)))
}
