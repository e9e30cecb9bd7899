//! Replay: recorded calls against a breaker, to learn whether it would have tripped.
//!
//! A trace has one JSON object a line, in the order of time (milliseconds since its start, which is a whole second):
//! `{"t":0,"ev":"call","id":1}` asks to be let in, `{"t":12,"ev":"end","id":1,"outcome":"ok","duration":12}` ends. What a
//! product's timers would have done up to and including `t` is done before an event at `t`; events of one millisecond
//! come in the order of their lines. The end of a call that was not let in is skipped: it was never made.

mod line;

use madang_base::Moment;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::{Breaker, Counter, Outcome, Settings, State, Ticket};
use line::{Event, What};

pub use line::Malformed;

/// Calls in one trace: every id is remembered to the end, so that none comes twice.
pub const MAX_CALLS: usize = 10_000_000;

/// Turns of a breaker's own timers between two events that are noted; a machine goes on by itself after so many.
const MAX_TURNS_OF_TIMERS: usize = 1_000;

/// A breaker under a clock that a trace moves.
#[derive(Debug)]
pub struct Replay {
    breaker: Breaker,
    calls: HashMap<u64, Call>,
    lines: u64,
    /// Milliseconds of the latest event.
    t: u64,
    state: State,
    /// Since they were asked for last: some for each line.
    turns: Vec<Turn>,
    limit: usize,
}

/// What became of a call so far.
#[derive(Debug)]
enum Call {
    Runs { ticket: Ticket, since: Moment, line: u64 },
    Rejected { line: u64 },
    Ended { line: u64 },
}

/// What the breaker answered to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Milliseconds since the start.
    pub t: u64,
    /// The call.
    pub id: u64,
    /// Whether it was let in.
    pub admitted: bool,
    /// Where the breaker stands after the decision.
    pub state: State,
}

/// The breaker's way from one state to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// When, since the start.
    pub at: Duration,
    /// Where it stands now.
    pub to: State,
    /// What it took.
    pub cause: Cause,
    /// The counters after it, under the names of the product.
    pub counters: Vec<(&'static str, Counter)>,
}

/// What made a breaker change its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Time alone.
    Timer,
    /// This call asked to be let in.
    Call(u64),
    /// This call ended so.
    End(u64, Outcome),
}

/// What came of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the line is blank, or the end of a call that was not let in.
    Nothing,
    /// A call got its answer.
    Decided(Decision),
    /// A call ended so.
    Ended(Outcome),
}

impl Replay {
    /// A new breaker at the start of time.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let breaker = Breaker::new(settings, Moment::default());
        let state = breaker.state(Moment::default());
        Self { breaker, calls: HashMap::new(), lines: 0, t: 0, state, turns: Vec::new(), limit: MAX_CALLS }
    }

    /// Takes in the next line.
    ///
    /// # Errors
    /// [`Malformed`] when it is not an event or cannot come after the lines before it. The replay ends there.
    pub fn line(&mut self, text: &str) -> Result<Step, Malformed> {
        self.lines += 1;
        // Some editors write a byte order mark first.
        let text = if self.lines == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            return Ok(Step::Nothing);
        }
        let Event { t, id, what } = Event::parse(text)?;
        if t < self.t {
            let hint = "events stand in the order of time; sort the file by `t`, keeping the order of equal ones";
            return Err(Malformed::new(format!("`t` goes back from {} to {t}", self.t), hint));
        }
        let now = moment(t);
        self.wait(now);
        self.t = t;
        match what {
            What::Call => self.call(id, now),
            What::End { outcome, duration } => self.end(id, now, outcome, duration),
        }
    }

    /// Milliseconds of the latest event.
    #[must_use]
    pub fn t(&self) -> u64 {
        self.t
    }

    /// Where the breaker stands after the latest event.
    #[must_use]
    pub fn state(&self) -> State {
        self.breaker.state(moment(self.t))
    }

    /// Its numbers after the latest event.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, Counter)> {
        self.breaker.counters(moment(self.t))
    }

    /// Changes of state since this was asked last.
    pub fn turns(&mut self) -> impl Iterator<Item = Turn> + '_ {
        self.turns.drain(..)
    }

    /// Lets the timers run that are due until `now`, each at its own time.
    fn wait(&mut self, now: Moment) {
        for _ in 0..MAX_TURNS_OF_TIMERS {
            let Some(due) = self.breaker.due().filter(|due| *due <= now) else { break };
            self.look(due, Cause::Timer);
        }
        self.look(now, Cause::Timer);
    }

    fn call(&mut self, id: u64, now: Moment) -> Result<Step, Malformed> {
        let calls = self.calls.len();
        let Entry::Vacant(place) = self.calls.entry(id) else {
            let hint = "every call has an `id` of its own";
            let line = self.calls.get(&id).map_or(0, Call::line);
            return Err(Malformed::new(format!("call {id} is there already, in line {line}"), hint));
        };
        if calls >= self.limit {
            return Err(Malformed::new(format!("a trace has at most {} calls", self.limit), "cut it into parts"));
        }
        let line = self.lines;
        let (call, admitted) = match self.breaker.enter(now) {
            Ok(ticket) => (Call::Runs { ticket, since: now, line }, true),
            Err(_) => (Call::Rejected { line }, false),
        };
        place.insert(call);
        self.look(now, Cause::Call(id));
        Ok(Step::Decided(Decision { t: self.t, id, admitted, state: self.state }))
    }

    fn end(&mut self, id: u64, now: Moment, outcome: Outcome, span: Option<Duration>) -> Result<Step, Malformed> {
        let Some(call) = self.calls.get_mut(&id) else {
            let hint = "a call stands before its end; is its line missing?";
            return Err(Malformed::new(format!("call {id} ends and never began"), hint));
        };
        match std::mem::replace(call, Call::Ended { line: self.lines }) {
            Call::Runs { ticket, since, .. } => {
                self.breaker.end(ticket, now, outcome, span.unwrap_or_else(|| now.since(since)));
                self.look(now, Cause::End(id, outcome));
                Ok(Step::Ended(outcome))
            }
            Call::Rejected { .. } => Ok(Step::Nothing),
            Call::Ended { line } => {
                let hint = "every call ends once";
                Err(Malformed::new(format!("call {id} ended already, in line {line}"), hint))
            }
        }
    }

    /// Notes the state when it is another one.
    fn look(&mut self, now: Moment, cause: Cause) {
        let to = self.breaker.state(now);
        if to != self.state {
            self.state = to;
            let counters = self.breaker.counters(now);
            self.turns.push(Turn { at: now.since(Moment::default()), to, cause, counters });
        }
    }
}

impl Call {
    fn line(&self) -> u64 {
        match self {
            Self::Runs { line, .. } | Self::Rejected { line } | Self::Ended { line } => *line,
        }
    }
}

fn moment(t: u64) -> Moment {
    Moment::default() + Duration::from_millis(t)
}

#[cfg(test)]
mod tests;
