//! A row of steps: each has a header, a time and an outcome, and the end has one table and one line for all.
//!
//! A step that fails does not stop those after it: whoever waited for the run wants to know everything that is wrong.
//! What a step writes is shown when it failed; that of a long one is known by its last line, once a minute.

mod shown;

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, PipeReader},
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use crate::{Verdict, programs, workspace};

/// How often a step that takes long says where it is.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// How often a silent step is asked whether it has ended and left somebody behind who holds its output open.
const LOOK: Duration = Duration::from_secs(1);

/// Lines of one step that are kept, the last ones.
const MAX_LINES: usize = 20_000;

/// Lines that wait until they are looked at; the step waits when there are more.
const LINES_IN_FLIGHT: usize = 1_000;

/// When the output of a step is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Show {
    /// After the step, when it failed.
    #[default]
    Failures,
    /// While it runs.
    Everything,
}

/// How a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Tests counted from cargo's own result lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Reads `test result: ok. 14 passed; 0 failed; 0 ignored; …`; other lines are nothing.
    fn of_line(line: &str) -> Option<Self> {
        let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |what: &str| {
            counts.split("; ").find_map(|part| part.strip_suffix(what)?.trim().parse::<u64>().ok()).unwrap_or_default()
        };
        Some(Self { passed: count("passed"), failed: count("failed"), ignored: count("ignored") })
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

struct Step {
    name: &'static str,
    outcome: Outcome,
    /// Why it did not run, or what it found out.
    note: String,
    tally: Tally,
    time: Duration,
}

/// The steps that ran so far.
#[derive(Default)]
pub(crate) struct Steps {
    show: Show,
    steps: Vec<Step>,
}

impl Steps {
    pub(crate) fn new(show: Show) -> Self {
        Self { show, steps: Vec::new() }
    }

    /// Runs a command whose exit status is the outcome. Tests that cargo reports are counted.
    pub(crate) fn run(&mut self, name: &'static str, command: &mut Command) {
        self.step(name, command, |_| String::new());
    }

    /// Runs a command whose last line on standard output tells what it found out.
    pub(crate) fn run_measurement(&mut self, name: &'static str, command: &mut Command) {
        self.step(name, command, |lines| {
            let found = lines.iter().rev().find(|line| !line.is_empty() && !line.starts_with("error:"));
            found.cloned().unwrap_or_default()
        });
    }

    /// Says that a step does not run: a skip, and with `CI` set a failure.
    pub(crate) fn skip(&mut self, name: &'static str, reason: String) {
        let outcome = if programs::is_ci() { Outcome::Failed } else { Outcome::Skipped };
        println!("\n== {name}: does not run, {reason}");
        self.steps.push(Step { name, outcome, note: reason, tally: Tally::default(), time: Duration::ZERO });
    }

    fn step(&mut self, name: &'static str, command: &mut Command, note: impl FnOnce(&VecDeque<String>) -> String) {
        println!("\n== {name}: {}", workspace::shown(command).trim_matches('`'));
        let started = Instant::now();
        let mut run = watched(command, self.show).unwrap_or_else(|error| {
            let line = format!("error: cannot run {}: {error}", workspace::shown(command));
            Run { good: false, lines: [line].into(), tally: Tally::default() }
        });
        let outcome = if run.good { Outcome::Passed } else { Outcome::Failed };
        let step = Step { name, outcome, note: note(&run.lines), tally: run.tally, time: started.elapsed() };
        if !run.good && self.show == Show::Failures {
            for line in shown::of_failure(run.lines.make_contiguous()) {
                println!("   | {line}");
            }
        }
        println!("   {}", step.sentence());
        self.steps.push(step);
    }

    /// Prints the table and, as the last line, `N passed, N failed, N skipped`.
    pub(crate) fn finish(self) -> Verdict {
        println!();
        for line in self.table() {
            println!("{line}");
        }
        let total = self.total();
        println!("\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.ignored);
        if total.failed == 0 { Verdict::Good } else { Verdict::Bad }
    }

    fn table(&self) -> Vec<String> {
        let mut lines = vec![format!("{:<34} {:<8} {:>9}", "step", "result", "time")];
        for step in &self.steps {
            let result = step.outcome.word();
            let line = format!("{:<34} {result:<8} {:>7.1} s  {}", step.name, step.time.as_secs_f64(), step.note);
            lines.push(line.trim_end().to_owned());
        }
        let time: Duration = self.steps.iter().map(|step| step.time).sum();
        lines.push(format!("{:<34} {:<8} {:>7.1} s", "all", "", time.as_secs_f64()));
        lines
    }

    /// All tests; a step that failed without a failed test (it did not compile, or has no tests) counts as one, and so
    /// does a step that was skipped.
    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for step in &self.steps {
            total.add(step.tally);
            match step.outcome {
                Outcome::Failed if step.tally.failed == 0 => total.failed += 1,
                Outcome::Skipped => total.ignored += 1,
                Outcome::Passed | Outcome::Failed => {}
            }
        }
        total
    }
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

impl Step {
    /// `ok in 31.2 s: 412 passed, 0 failed`
    fn sentence(&self) -> String {
        let mut sentence = format!("{} in {:.1} s", self.outcome.word(), self.time.as_secs_f64());
        let Tally { passed, failed, ignored } = self.tally;
        if self.tally != Tally::default() {
            sentence += &format!(": {passed} passed, {failed} failed");
        }
        if ignored > 0 {
            sentence += &format!(", {ignored} ignored");
        }
        if !self.note.is_empty() {
            sentence += &format!(": {}", self.note);
        }
        sentence
    }
}

/// What a command did.
struct Run {
    good: bool,
    /// What it wrote to both its outputs, in that order.
    lines: VecDeque<String>,
    tally: Tally,
}

fn watched(command: &mut Command, show: Show) -> io::Result<Run> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn();
    command.stdout(Stdio::null()).stderr(Stdio::null()); // closes our ends: the pipe is to end with the child
    let mut child = child?;
    let (sender, receiver) = sync_channel(LINES_IN_FLIGHT);
    thread::spawn(move || read_lines(reader, &sender));
    let (mut lines, mut tally) = (VecDeque::new(), Tally::default());
    let started = Instant::now();
    let mut next_sign = SIGN_OF_LIFE;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(line) => {
                tally.add(Tally::of_line(&line).unwrap_or_default());
                if show == Show::Everything {
                    println!("   {line}");
                }
                if lines.len() == MAX_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => {
                lines.push_back("something that was started here still runs and holds the output open".to_owned());
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if started.elapsed() >= next_sign {
            next_sign += SIGN_OF_LIFE;
            let last = lines.back().map_or("nothing yet", |line: &String| line.trim());
            println!("   … {:.0} s, last line: {last}", started.elapsed().as_secs_f64());
        }
    }
    Ok(Run { good: child.wait()?.success(), lines, tally })
}

/// Until the pipe ends or nobody listens.
fn read_lines(pipe: PipeReader, to: &SyncSender<String>) {
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        if to.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_from_result_lines_alone() {
        for (line, expected) in [
            (
                "test result: ok. 14 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.11s",
                Some((14, 0, 2)),
            ),
            (
                "test result: FAILED. 1 passed; 12 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
                Some((1, 12, 0)),
            ),
            ("test result_of_a_test ... ok", None),
            ("running 14 tests", None),
        ] {
            let tally = expected.map(|(passed, failed, ignored)| Tally { passed, failed, ignored });
            assert_eq!(Tally::of_line(line), tally, "{line}");
        }
    }

    fn step(outcome: Outcome, passed: u64, failed: u64) -> Step {
        Step {
            name: "step",
            outcome,
            note: String::new(),
            tally: Tally { passed, failed, ignored: 0 },
            time: Duration::from_millis(1500),
        }
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_counts_as_one_failure() {
        let compiles_not =
            Steps { show: Show::Failures, steps: vec![step(Outcome::Passed, 5, 0), step(Outcome::Failed, 0, 0)] };
        assert_eq!(compiles_not.total(), Tally { passed: 5, failed: 1, ignored: 0 });
        let two_red = Steps { show: Show::Failures, steps: vec![step(Outcome::Failed, 3, 2)] };
        assert_eq!(two_red.total(), Tally { passed: 3, failed: 2, ignored: 0 });
    }

    #[test]
    fn a_skipped_step_is_counted_and_keeps_its_reason_in_the_table() {
        let skipped = Step { note: "`node` not found".to_owned(), ..step(Outcome::Skipped, 0, 0) };
        let steps = Steps { show: Show::Failures, steps: vec![skipped] };
        assert_eq!(steps.total(), Tally { passed: 0, failed: 0, ignored: 1 });
        assert!(steps.table()[1].ends_with("skipped      1.5 s  `node` not found"), "{:?}", steps.table());
    }

    fn shell(script: &str) -> Run {
        watched(Command::new("sh").args(["-c", script]), Show::Failures).unwrap()
    }

    #[test]
    fn both_outputs_of_a_step_are_kept_in_order_and_its_tests_counted() {
        let run = shell("echo one; echo two >&2; echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0'; exit 1");
        assert_eq!(run.lines.iter().take(2).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((run.good, run.tally.passed), (false, 3));
    }

    #[test]
    fn a_step_ends_although_somebody_it_started_lives_on() {
        let run = shell("sleep 30 & echo $!");
        let left_behind = run.lines[0].clone();
        Command::new("kill").arg(left_behind).status().unwrap();
        assert!(run.good && run.lines[1].contains("still runs"), "{:?}", run.lines);
    }

    #[test]
    fn a_measurement_is_its_last_line() {
        let mut steps = Steps::default();
        steps.run_measurement("cost", Command::new("sh").args(["-c", "echo table; echo '7 apples'; echo"]));
        assert!(steps.table()[1].ends_with("  7 apples"), "{:?}", steps.table());
    }

    #[test]
    fn the_outcome_is_one_sentence() {
        let noted = Step { note: "4 calls".to_owned(), ..step(Outcome::Passed, 0, 0) };
        for (step, expected) in [
            (step(Outcome::Passed, 5, 0), "ok in 1.5 s: 5 passed, 0 failed"),
            (step(Outcome::Failed, 0, 0), "FAILED in 1.5 s"),
            (noted, "ok in 1.5 s: 4 calls"),
        ] {
            assert_eq!(step.sentence(), expected);
        }
    }
}
