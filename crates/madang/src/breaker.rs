//! `madang breaker simulate`: would a circuit breaker have tripped? Recorded calls against the code that runs.

mod timeline;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use madang_breaker::replay::{Malformed, Replay, Step};
use madang_breaker::{Counter, Profile, Settings};
use madang_settings::{Problems, load};
use serde_json::{Map, Value};

use crate::failure::{Exit, Failure, Report};
use crate::{codes, output};
use timeline::Timeline;

/// The longest line of a trace.
const MAX_LINE: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replays recorded calls against a breaker and says when it would have tripped, and why
    #[command(before_help = "Example: madang breaker simulate calls.jsonl --profile pybreaker --settings breaker.toml")]
    Simulate(Simulate),
}

/// Which calls, against which breaker.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// One JSON object a line, in the order of time: `{"t":0,"ev":"call","id":1}` and
    /// `{"t":12,"ev":"end","id":1,"outcome":"ok","duration":12}`; `outcome` is ok, fail, timeout or ignored. `-` is stdin
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    #[arg(long, value_name = "NAME", help = profiles())]
    profile: String,
    /// A TOML file with the product's own settings in snake case; its defaults without one
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Prints one JSON object for each call, and a last one with the state and the counters
    #[arg(long)]
    json: bool,
}

fn profiles() -> String {
    format!("Whose behavior the breaker has: {}", Profile::names().collect::<Vec<_>>().join(", "))
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let Command::Simulate(simulate) = command;
    simulate.run()
}

impl Simulate {
    fn run(&self) -> Result<Exit, Failure> {
        let profile = Profile::find(&self.profile).map_err(|unknown| {
            let report = Report::wrong(unknown.to_string()).code(&madang_breaker::codes::UNKNOWN_PROFILE);
            match unknown.nearest {
                Some(near) => report.hint(format!("did you mean `{near}`?")),
                None => report,
            }
        })?;
        let mut replay = Replay::new(self.settings(profile)?);
        let lines = Lines::open(&self.trace)?;
        if self.json {
            return self.print_json(&mut replay, lines);
        }
        let mut timeline = Timeline::new(replay.state());
        self.play(&mut replay, lines, |replay, step| {
            timeline.step(replay.turns(), step);
            Ok(())
        })?;
        let name = self.trace.file_name().unwrap_or(self.trace.as_os_str()).to_string_lossy();
        output::print(&timeline.draw(&name, &self.profile, &replay))?;
        Ok(Exit::Done)
    }

    fn settings(&self, profile: Profile) -> Result<Settings, Failure> {
        let mut problems = Problems::new();
        let node = match &self.settings {
            Some(path) if !path.exists() => {
                let report = Report::wrong(format!("there is no `{}`", path.display())).code(&codes::FILE_UNREADABLE);
                return Err(report.hint("leave `--settings` out for the product's defaults").into());
            }
            // Variables and flags belong to Madang's own settings, not to this file.
            Some(path) => load(path, std::iter::empty(), &[])?,
            None => madang_settings::parse("", Path::new("defaults"))?,
        };
        let settings = Settings::read(profile, &node, "", &mut problems);
        if problems.has_errors() {
            return Err(problems.into());
        }
        output::warnings(&problems);
        Ok(settings)
    }

    fn print_json(&self, replay: &mut Replay, lines: Lines) -> Result<Exit, Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        self.play(replay, lines, |replay, step| {
            replay.turns().for_each(drop);
            let Step::Decided(decision) = step else { return Ok(()) };
            let (t, id, state) = (decision.t, decision.id, decision.state.name());
            writeln!(out, r#"{{"t":{t},"id":{id},"admitted":{},"state":"{state}"}}"#, decision.admitted)
        })?;
        let counters: Map<String, Value> =
            replay.counters().into_iter().map(|(name, counter)| (name.to_owned(), as_json(counter))).collect();
        let (t, state, counters) = (replay.t(), replay.state().name(), Value::Object(counters));
        writeln!(out, r#"{{"t":{t},"final":true,"state":"{state}","counters":{counters}}}"#)?;
        out.flush()?;
        Ok(Exit::Done)
    }

    /// Plays all lines; `each` sees what came of one.
    fn play(
        &self,
        replay: &mut Replay,
        mut lines: Lines,
        mut each: impl FnMut(&mut Replay, Step) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut number = 0_u64;
        while let Some(line) = lines.next().map_err(|error| unreadable(&self.trace, &error))? {
            number += 1;
            let step = line.and_then(|line| replay.line(line)).map_err(|wrong| self.malformed(number, wrong))?;
            each(replay, step)?;
        }
        Ok(())
    }

    fn malformed(&self, number: u64, wrong: Malformed) -> Report {
        let report = Report::wrong(wrong.message).at(format!("{}:{number}", self.trace.display()));
        report.hint(wrong.hint).code(&madang_breaker::codes::TRACE_LINE)
    }
}

fn as_json(counter: Counter) -> Value {
    match counter {
        Counter::Count(count) => count.into(),
        Counter::Rate(rate) => rate.into(),
    }
}

/// Counters in a sentence: `fires 12, failures 7`. Those that are 0 are left out.
fn counted(counters: &[(&'static str, Counter)]) -> String {
    let mut text = String::new();
    for (name, counter) in counters {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a `String` cannot fail.
        let _ = match counter {
            Counter::Count(0) => Ok(()),
            Counter::Count(count) => write!(text, "{comma}{name} {count}"),
            Counter::Rate(rate) => write!(text, "{comma}{name} {rate:.1}"),
        };
    }
    text
}

/// The lines of a trace, one at a time.
struct Lines {
    from: Box<dyn BufRead>,
    line: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Report> {
        if path == Path::new("-") {
            return Ok(Self { from: Box::new(BufReader::new(io::stdin())), line: Vec::new() });
        }
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { from: Box::new(BufReader::new(file)), line: Vec::new() })
    }

    fn next(&mut self) -> io::Result<Option<Result<&str, Malformed>>> {
        self.line.clear();
        let read = self.from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > MAX_LINE {
            return Ok(Some(Err(wrong("this line is longer than 64 KiB", "is this a trace?"))));
        }
        let text =
            std::str::from_utf8(&self.line).map_err(|_| wrong("this line is not UTF-8 text", "is this a trace?"));
        Ok(Some(text))
    }
}

fn wrong(message: &str, hint: &str) -> Malformed {
    Malformed { message: message.to_owned(), hint: hint.to_owned() }
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    let path = path.display();
    let report = match error.kind() {
        io::ErrorKind::NotFound => Report::wrong(format!("there is no `{path}`")),
        _ => Report::could_not(format!("cannot read `{path}`: {error}")),
    };
    report.code(&codes::FILE_UNREADABLE)
}
