//! What a simulated breaker did, for people: a verdict, a strip of its states, a row for each stretch, and totals.

use std::fmt::Write as _;
use std::time::Duration;

use madang_base::format_duration;
use madang_breaker::replay::{Cause, Replay, Step, Turn};
use madang_breaker::{Outcome, State};

use super::counted;

/// Columns of the strip.
const STRIP: usize = 72;

/// Columns of everything; what is longer is cut.
const WIDTH: usize = 100;

/// Stretches that are kept; calls after them count for the last one.
const MAX_STRETCHES: usize = 10_000;

/// Rows that are shown at the start and at the end, when there are more.
const SHOWN: (usize, usize) = (40, 15);

/// States over time, gathered while a trace is replayed.
#[derive(Debug)]
pub(super) struct Timeline {
    stretches: Vec<Stretch>,
    /// Changes after the last stretch that is kept.
    more: u64,
    opened: u64,
    admitted: u64,
    rejected: u64,
    /// How calls ended: ok, fail, timeout, ignored.
    ended: [u64; 4],
}

/// From one change of state to the next.
#[derive(Debug)]
struct Stretch {
    from: Duration,
    state: State,
    because: String,
    admitted: u64,
    rejected: u64,
}

impl Timeline {
    pub(super) fn new(state: State) -> Self {
        let start = Stretch { from: Duration::ZERO, state, because: "start".to_owned(), admitted: 0, rejected: 0 };
        Self { stretches: vec![start], more: 0, opened: 0, admitted: 0, rejected: 0, ended: [0; 4] }
    }

    /// Takes in what came of one line, and the changes of state it brought.
    pub(super) fn step(&mut self, turns: impl Iterator<Item = Turn>, step: Step) {
        for turn in turns {
            self.opened += u64::from(turn.to == State::Open);
            if self.stretches.len() == MAX_STRETCHES {
                self.more += 1;
                continue;
            }
            let because = because(&turn);
            self.stretches.push(Stretch { from: turn.at, state: turn.to, because, admitted: 0, rejected: 0 });
        }
        let Some(last) = self.stretches.last_mut() else { return };
        match step {
            Step::Decided(decision) if decision.admitted => {
                (last.admitted, self.admitted) = (last.admitted + 1, self.admitted + 1)
            }
            Step::Decided(_) => (last.rejected, self.rejected) = (last.rejected + 1, self.rejected + 1),
            Step::Ended(outcome) => self.ended[outcome as usize] += 1,
            Step::Nothing => {}
        }
    }

    pub(super) fn draw(&self, trace: &str, profile: &str, replay: &Replay) -> String {
        let end = Duration::from_millis(replay.t());
        let mut out = format!("{}\n\n", cut(&self.verdict(trace, profile, end)));
        out.push_str(&self.strip(end));
        out.push_str(&self.rows(end));
        out.push_str(&self.totals(end, replay));
        out
    }

    /// The answer, first.
    fn verdict(&self, trace: &str, profile: &str, end: Duration) -> String {
        let calls = self.admitted + self.rejected;
        let verdict = match self.opened {
            0 if self.rejected == 0 => "never opens and admits every call".to_owned(),
            0 => format!("never opens and rejects {} of them", self.rejected),
            1 => format!("opens once and rejects {} of them", self.rejected),
            times => format!("opens {times} times and rejects {} of them", self.rejected),
        };
        format!("{trace}: {} in {}. {profile} {verdict}.", count(calls, "call"), format_duration(end))
    }

    /// One character for each slice of the time; what is rarest in a slice shows.
    fn strip(&self, end: Duration) -> String {
        let mut cells = [' '; STRIP];
        let slice = |at: Duration| match end.as_nanos() {
            0 => 0,
            nanos => {
                usize::try_from(at.as_nanos() * STRIP as u128 / nanos).map_or(STRIP - 1, |cell| cell.min(STRIP - 1))
            }
        };
        for (stretch, to) in self.with_ends(end) {
            for cell in &mut cells[slice(stretch.from)..=slice(to)] {
                let mark = mark(stretch.state);
                if rank(mark) > rank(*cell) {
                    *cell = mark;
                }
            }
        }
        let (cells, to): (String, String) = (cells.iter().collect(), format_duration(end));
        format!("0s |{cells}| {to}\n    - closed   # open   ~ half-open\n\n")
    }

    fn rows(&self, end: Duration) -> String {
        let wide = self.stretches.iter().map(|stretch| word(stretch.state).len()).max().unwrap_or_default().max(9);
        let mut out = format!("{:<9}  {:<wide$}  {:>7}  ADMITTED  REJECTED  BECAUSE\n", "AT", "STATE", "FOR");
        let rows = self.stretches.len();
        let hidden = if rows > SHOWN.0 + SHOWN.1 { SHOWN.0..rows - SHOWN.1 } else { 0..0 };
        for (row, (stretch, to)) in self.with_ends(end).enumerate() {
            if row == hidden.start && !hidden.is_empty() {
                let _ = writeln!(out, "… {} more rows; `--json` tells the state at each call", hidden.len());
            }
            if hidden.contains(&row) {
                continue;
            }
            let (at, span) = (clock(stretch.from), format_duration(to.saturating_sub(stretch.from)));
            let Stretch { state, admitted, rejected, because, .. } = stretch;
            let state = word(*state);
            let line = format!("{at:<9}  {state:<wide$}  {span:>7}  {admitted:>8}  {rejected:>8}  {because}");
            let _ = writeln!(out, "{}", cut(&line));
        }
        if self.more > 0 {
            let _ = writeln!(out, "… {} more changes of state: calls after them count above", self.more);
        }
        out
    }

    fn totals(&self, end: Duration, replay: &Replay) -> String {
        let calls = self.admitted + self.rejected;
        let [ok, fail, timeout, ignored] = self.ended;
        let running = self.admitted - self.ended.iter().sum::<u64>();
        let mut out = format!(
            "\n{} admitted, {} rejected of {}; ended: {ok} ok, {fail} fail, {timeout} timeout, {ignored} ignored",
            self.admitted,
            self.rejected,
            count(calls, "call")
        );
        if running > 0 {
            let _ = write!(out, "; {running} never ended");
        }
        let mut spans: Vec<(&'static str, Duration)> = Vec::new();
        for (stretch, to) in self.with_ends(end) {
            let (state, span) = (word(stretch.state), to.saturating_sub(stretch.from));
            match spans.iter_mut().find(|(known, _)| *known == state) {
                Some((_, sum)) => *sum += span,
                None => spans.push((state, span)),
            }
        }
        let spans: Vec<String> =
            spans.iter().map(|(state, span)| format!("{state} for {}", format_duration(*span))).collect();
        let _ = write!(out, "\n{}\n{} at the end", spans.join(", "), word(replay.state()));
        let counters = counted(&replay.counters());
        if !counters.is_empty() {
            let _ = write!(out, ": {counters}");
        }
        out.lines().map(wrapped).collect()
    }

    /// Each stretch with its end.
    fn with_ends(&self, end: Duration) -> impl Iterator<Item = (&Stretch, Duration)> {
        let ends = self.stretches.iter().skip(1).map(|next| next.from).chain([end]);
        self.stretches.iter().zip(ends)
    }
}

fn because(turn: &Turn) -> String {
    let cause = match turn.cause {
        Cause::Timer => "its time was over".to_owned(),
        Cause::Call(id) if turn.to == State::HalfOpen => format!("call {id} is let in to try"),
        Cause::Call(id) => format!("call {id} came"),
        Cause::End(id, Outcome::Success) => format!("call {id} succeeded"),
        Cause::End(id, Outcome::Failure) => format!("call {id} failed"),
        Cause::End(id, Outcome::Timeout) => format!("call {id} timed out"),
        Cause::End(id, Outcome::Ignored) => format!("call {id} ended in an ignored error"),
    };
    match counted(&turn.counters) {
        counters if counters.is_empty() || turn.cause == Cause::Timer => cause,
        counters => format!("{cause}: {counters}"),
    }
}

/// The state as people say it.
fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::HalfOpen => "half-open",
        State::ForcedOpen => "forced open",
        State::ForcedClosed => "forced closed",
        State::Disabled => "disabled",
        State::MetricsOnly => "metrics only",
    }
}

fn mark(state: State) -> char {
    match state {
        State::Closed | State::ForcedClosed | State::Disabled | State::MetricsOnly => '-',
        State::Open | State::ForcedOpen => '#',
        State::HalfOpen => '~',
    }
}

/// Which of two marks shows.
fn rank(mark: char) -> u8 {
    match mark {
        '~' => 3,
        '#' => 2,
        '-' => 1,
        _ => 0,
    }
}

/// `3:07.250`; with hours when there are some.
fn clock(at: Duration) -> String {
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}.{millis:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{millis:03}"),
    }
}

fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A line of parts as several, none wider than all else.
fn wrapped(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for part in line.split_inclusive(", ") {
        let width = part.chars().count();
        if column > 0 && column + width > WIDTH {
            out.push_str("\n    ");
            column = 4;
        }
        out.push_str(part);
        column += width;
    }
    out.split('\n').map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A line that fits.
fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let kept: String = line.chars().take(WIDTH - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
