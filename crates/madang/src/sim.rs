//! `madang sim run`: a balancing policy tried on servers that exist on paper.
//!
//! Reads a scenario, lets `madang-sim` run it, once or once for each value of a comparison, and shows what came out. It
//! asks no running Madang. Runs of a comparison go side by side on all cores; each follows from its scenario alone.

mod picture;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use madang_settings::{Problems, load};
use madang_sim::{Overload, Progress, Report, Scenario, Simulation};
use serde_json::json;

use crate::failure::{self, Exit, Failure};
use crate::output::{Show, Table, print};

/// The most values of a comparison.
const MOST_RUNS: usize = 32;
/// Events between two looks at the progress.
const EVENTS: u32 = 200_000;
/// How often progress is shown.
const PACE: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a scenario and shows latencies, servers and what happened over time
    #[command(
        before_help = "Example: madang sim run examples/sim/slow-server.toml --compare policy=peak_ewma,least_request"
    )]
    Run(Options),
    /// Lists every key of a scenario with its default
    #[command(before_help = "Example: madang sim keys")]
    Keys {
        #[command(flatten)]
        show: Show,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The scenario
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Runs it once for each value of a key, side by side, as in `policy=peak_ewma,round_robin` or `arrivals.load=0.5,0.9`
    #[arg(long, value_name = "KEY=VALUE,VALUE")]
    compare: Option<String>,
    /// Overrides one key, as in `arrivals.load=0.9`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The seed of all chance; the same seed gives the same result
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    show: Show,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(options) => simulate(options),
        Command::Keys { show } => keys(show),
    }
}

fn keys(show: &Show) -> Result<Exit, Failure> {
    let all: Vec<_> = madang_sim::KEYS.iter().map(crate::reference::key_as_json).collect();
    show.print(&all, |_| {
        let mut table = Table::new(["KEY", "VALUE", "DEFAULT", "MEANING"]);
        for key in madang_sim::KEYS {
            table.row([key.key, key.kind, key.default, key.meaning].map(|text| text.replace('`', "")));
        }
        table.to_string()
    })
}

fn simulate(options: &Options) -> Result<Exit, Failure> {
    match &options.compare {
        None => {
            let scenario = read(options, None)?;
            let reports = run_all(std::slice::from_ref(&scenario))?;
            match reports.first() {
                Some(report) => options.show.print(report, picture::of),
                None => Ok(Exit::Done),
            }
        }
        Some(wish) => {
            let (key, values) = comparison(wish)?;
            let scenarios: Result<Vec<Scenario>, Failure> =
                values.iter().map(|value| read(options, Some(&format!("{key}={value}")))).collect();
            let reports = run_all(&scenarios?)?;
            if options.show.json {
                let runs: Vec<_> = values
                    .iter()
                    .zip(&reports)
                    .map(|(value, report)| json!({ "value": value, "report": report }))
                    .collect();
                return options.show.print(&json!({ "compare": key, "runs": runs }), |_| String::new());
            }
            print(&picture::compared(key, &values, &reports))?;
            Ok(Exit::Done)
        }
    }
}

/// `KEY=A,B` in its parts.
fn comparison(wish: &str) -> Result<(&str, Vec<&str>), Failure> {
    let wrong = |message: String| {
        failure::Report::wrong(message)
            .hint("for example `--compare policy=peak_ewma,round_robin`, at least two values")
    };
    let Some((key, values)) = wish.split_once('=') else {
        return Err(wrong(format!("`--compare {wish}` is not KEY=VALUE,VALUE")).into());
    };
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    if key.trim().is_empty() || values.len() < 2 || values.iter().any(|value| value.is_empty()) {
        return Err(wrong(format!("`--compare {wish}` does not name a key and what to compare")).into());
    }
    if values.len() > MOST_RUNS {
        return Err(wrong(format!("{} values are more than can be compared ({MOST_RUNS})", values.len())).into());
    }
    Ok((key.trim(), values))
}

/// The scenario of the file, with what the command line and `also` lay over it.
fn read(options: &Options, also: Option<&str>) -> Result<Scenario, Failure> {
    let path = &options.file;
    if !path.is_file() {
        let report = failure::Report::wrong(format!("there is no scenario `{}`", path.display()));
        let report = report
            .hint("name a file such as examples/sim/slow-server.toml; `madang sim keys` lists what can stand in one");
        return Err(report.into());
    }
    let seed = options.seed.map(|seed| format!("seed={seed}"));
    let sets: Vec<String> = options.sets.iter().cloned().chain(seed).chain(also.map(str::to_owned)).collect();
    let node = load(path, std::iter::empty(), &sets)?;
    let mut problems = Problems::new();
    Scenario::read(&node, &name(path), &mut problems).ok_or_else(|| problems.into())
}

/// `slow-server` of `examples/sim/slow-server.toml`.
fn name(path: &Path) -> String {
    path.file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Runs all scenarios, as many at once as there are cores; reports come in the order of the scenarios.
fn run_all(scenarios: &[Scenario]) -> Result<Vec<Report>, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(scenarios.len());
    let done: Vec<AtomicU32> = scenarios.iter().map(|_| AtomicU32::new(0)).collect();
    let next = AtomicU32::new(0);
    // One place for each run: a sender never waits.
    let (sender, results) = sync_channel(scenarios.len().max(1));
    let mut reports: Vec<Option<Result<Report, Overload>>> = scenarios.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..cores {
            let (sender, done, next) = (sender.clone(), &done, &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Relaxed) as usize;
                    let Some((scenario, done)) = scenarios.get(number).zip(done.get(number)) else { return };
                    if sender.send((number, run_one(scenario, done))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut bar = Bar::new();
        loop {
            match results.recv_timeout(PACE) {
                Ok((number, result)) => reports[number] = Some(result),
                Err(RecvTimeoutError::Timeout) => bar.show(&done),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        bar.clear();
    });
    reports.into_iter().flatten().map(|result| result.map_err(|overload| failed(&overload))).collect()
}

/// Runs one, and says in thousandths how far it is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share
fn run_one(scenario: &Scenario, done: &AtomicU32) -> Result<Report, Overload> {
    let mut simulation = Simulation::new(scenario);
    while let Progress::Running(share) = simulation.advance(EVENTS)? {
        done.store((share * 1_000.0) as u32, Relaxed);
    }
    done.store(1_000, Relaxed);
    Ok(simulation.report())
}

fn failed(overload: &Overload) -> Failure {
    let report = failure::Report::could_not(overload.to_string()).code(&madang_sim::codes::OVERLOAD);
    report
        .hint("lower the rate, add servers, or give the servers a `queue` limit so that what does not fit is refused")
        .into()
}

/// How far long runs are, on a terminal.
struct Bar {
    shown: usize,
    terminal: bool,
}

impl Bar {
    fn new() -> Self {
        Self { shown: 0, terminal: stderr().is_terminal() }
    }

    fn show(&mut self, done: &[AtomicU32]) {
        if !self.terminal {
            return;
        }
        let sum: u32 = done.iter().map(|share| share.load(Relaxed)).sum();
        let all = u32::try_from(done.len()).unwrap_or(1).max(1) * 1_000;
        let mut line = format!("simulating: {} %", u64::from(sum) * 100 / u64::from(all));
        if done.len() > 1 {
            let over = done.iter().filter(|share| share.load(Relaxed) == 1_000).count();
            // Writing to a `String` cannot fail.
            let _ = write!(line, ", {over} of {} runs", done.len());
        }
        // Nobody can be told that stderr is gone.
        let _ = write!(stderr(), "\r{line:<width$}", width = self.shown);
        self.shown = line.len();
    }

    fn clear(&self) {
        if self.shown > 0 {
            let _ = write!(stderr(), "\r{:width$}\r", "", width = self.shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_is_a_key_and_at_least_two_values() {
        assert_eq!(comparison("policy=a, b").unwrap(), ("policy", vec!["a", "b"]));
        for wrong in ["policy", "policy=", "policy=a", "=a,b", "policy=a,,b"] {
            assert_eq!(comparison(wrong).unwrap_err().exit(), Exit::Wrong, "{wrong}");
        }
    }
}
