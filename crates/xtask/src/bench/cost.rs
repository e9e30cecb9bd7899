//! What one plain forwarded request costs: user instructions and system calls. A gate, unlike the comparisons.
//!
//! Time varies with the machine and its load, these counts hardly do: so a limit can be close, and what goes over it is
//! a change of the program. Each count is taken over two runs, few requests and many; their difference is the requests'
//! alone, without start, end and the first use of everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use clap::{Args, value_parser};
use serde::Serialize;

use super::{
    callgrind::{self, Profile},
    files::{BODY_BYTES, Files},
    load,
    machine::{self, Machine},
    process::{self, Process},
    results, strace,
};
use crate::{
    Verdict,
    programs::{self, Install, Program, STRACE, VALGRIND},
    workspace::{self, Packages},
};

/// The programs that count.
pub(crate) const NEEDED: &[Program] = &[VALGRIND, STRACE];

/// The bar: user instructions of the whole process per request, in the build of `--release` with the settings'
/// defaults. It is printed beside what is measured until it is met.
///
/// hyper with a pool per thread takes 27,000 for the same, nginx 20,000: with 12,000 there is room for filters before
/// we cost what others cost bare.
const BAR: f64 = 12_000.0;

/// More than this fails: what was reached, and some room. It goes down with each gain and never up.
const MAX_INSTRUCTIONS: f64 = 20_000.0;

/// System calls that move bytes, per request: one read and one write on each side. More means a read that found
/// nothing or a message in two writes; less cannot be.
const INPUT_OUTPUT_CALLS: f64 = 4.0;

/// How far from that is still the same. At start Madang reads the list of the machine's processes, which is not equally
/// long in both runs: some dozens of reads more or less.
const CALLS_TOLERANCE: f64 = 0.02;

/// Requests of the two runs under callgrind. What differs by chance between two starts is at most some 100,000
/// instructions, so by this many requests ten or so.
const INSTRUCTION_RUNS: [u32; 2] = [1_000, 11_000];

/// Requests of the two runs under strace.
const CALL_RUNS: [u32; 2] = [100, 10_100];

/// Functions that are printed.
const TOP: usize = 15;

/// How the cost is measured.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask bench cost --install")]
pub(crate) struct Options {
    /// Brings valgrind and strace: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// How often everything is measured; the worst counts
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The profile of the build that is measured; limits are those of `release`
    #[arg(long, default_value = "release", value_parser = ["release", "dist"])]
    profile: String,
    /// Keeps the raw result in bench/results
    #[arg(long)]
    save: bool,
    /// The date in the name of the result [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", requires = "save")]
    date: Option<String>,
}

/// One measurement, by request.
#[derive(Serialize)]
struct Round {
    instructions: f64,
    /// Instructions in each function itself.
    functions: BTreeMap<String, f64>,
    calls: BTreeMap<String, f64>,
}

impl Round {
    fn input_output_calls(&self) -> f64 {
        self.calls.iter().filter(|(name, _)| strace::is_input_output(name)).map(|(_, count)| count).sum()
    }
}

/// The file in `bench/results/`.
#[derive(Serialize)]
struct Report<'a> {
    question: &'static str,
    date: &'a str,
    commit: Option<String>,
    machine: Machine,
    profile: &'a str,
    body_bytes: usize,
    requests_under_callgrind: [u32; 2],
    requests_under_strace: [u32; 2],
    rounds: &'a [Round],
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    println!("building madang with `--profile {}` …", options.profile);
    let mut build = workspace::cargo();
    workspace::run(build.args(["build", "--quiet", "--package", "madang", "--profile", &options.profile]))?;
    let target = workspace::metadata(Packages::Ours)?.target_directory;
    let subject = Subject {
        program: target.join(&options.profile).join("madang"),
        files: Files::new(target.join("bench-cost"), load::start_service()?)?,
    };
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let round = subject.round()?;
        println!(
            "round {number}/{}: {} instructions and {:.2} I/O calls per request",
            options.rounds,
            whole(round.instructions),
            round.input_output_calls(),
        );
        rounds.push(round);
    }
    let problems = problems(&rounds);
    let last = rounds.last().context("there is no round")?;
    print_profile(last);
    print_calls(last);
    if options.save {
        let date = results::date(options.date.as_deref())?;
        let report = Report {
            question: "user instructions and system calls of one forwarded HTTP/1.1 request on kept connections",
            date: &date,
            commit: machine::commit(),
            machine: Machine::read(&[("valgrind", "--version"), ("strace", "--version")])?,
            profile: &options.profile,
            body_bytes: BODY_BYTES,
            requests_under_callgrind: INSTRUCTION_RUNS,
            requests_under_strace: CALL_RUNS,
            rounds: &rounds,
        };
        println!("\nraw result: {}", results::save("cost", &date, &report)?.display());
    }
    println!("\n{}", summary(&rounds));
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    Ok(if problems.is_empty() { Verdict::Good } else { Verdict::Bad })
}

/// The program that is measured, and what it needs around it.
struct Subject {
    program: PathBuf,
    files: Files,
}

impl Subject {
    fn round(&self) -> Result<Round> {
        let profiles = INSTRUCTION_RUNS.map(|count| self.instructions(count));
        let calls = CALL_RUNS.map(|count| self.calls(count));
        let ([few, many], [few_calls, many_calls]) = (both(profiles)?, both(calls)?);
        Ok(Round {
            instructions: by_request(few.total, many.total, INSTRUCTION_RUNS),
            functions: all_by_request(&few.functions, &many.functions, INSTRUCTION_RUNS),
            calls: all_by_request(&few_calls, &many_calls, CALL_RUNS),
        })
    }

    fn instructions(&self, count: u32) -> Result<Profile> {
        let file = self.files.folder().join(format!("callgrind.{count}"));
        self.serve(count, &file, callgrind::counted)?;
        callgrind::read(&file)
    }

    fn calls(&self, count: u32) -> Result<strace::Calls> {
        let file = self.files.folder().join(format!("strace.{count}"));
        self.serve(count, &file, strace::counted)?;
        strace::read(&file)
    }

    /// Starts Madang the way `counted` wants it, sends it `count` requests and stops it. Then `file` is there.
    fn serve(&self, count: u32, file: &Path, counted: impl FnOnce(&Command, &Path) -> Command) -> Result<()> {
        // What a run before this one left would be taken for the result of this one.
        if file.exists() {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        let address = process::free_address()?;
        let mut command = Command::new(&self.program);
        command.arg("serve").arg(self.files.write("madang.toml", address)?);
        command.arg("--data").arg(self.files.folder().join("madang"));
        let said = file.with_extension("stderr");
        let mut counted = counted(&command, file);
        counted.env("MADANG_LOG", "warn").stderr(File::create(&said).with_context(|| said.display().to_string())?);
        let served = Process::start(counted, address).and_then(|process| {
            load::send(address, count).context("load on madang")?;
            process.stop()
        });
        // valgrind complains about every new system call it does not know: said only when it may be the reason.
        served.map_err(|error| {
            let said = fs::read_to_string(&said).unwrap_or_default();
            if said.is_empty() { error } else { error.context(format!("it said:\n{said}")) }
        })
    }
}

fn both<T>([first, second]: [Result<T>; 2]) -> Result<[T; 2]> {
    Ok([first?, second?])
}

/// What one of the requests that only the second run had took.
pub(super) fn by_request(few: u64, many: u64, requests: [u32; 2]) -> f64 {
    (many as f64 - few as f64) / f64::from(requests[1] - requests[0])
}

/// The same for every name of either run.
fn all_by_request(
    few: &BTreeMap<String, u64>,
    many: &BTreeMap<String, u64>,
    requests: [u32; 2],
) -> BTreeMap<String, f64> {
    let names: BTreeSet<&String> = few.keys().chain(many.keys()).collect();
    let count = |counts: &BTreeMap<String, u64>, name| counts.get(name).copied().unwrap_or_default();
    names.into_iter().map(|name| (name.clone(), by_request(count(few, name), count(many, name), requests))).collect()
}

/// What is over its limit.
fn problems(rounds: &[Round]) -> Vec<String> {
    let instructions = rounds.iter().map(|round| round.instructions).find(|count| *count > MAX_INSTRUCTIONS);
    let instructions = instructions.map(|count| {
        let (count, limit) = (whole(count), whole(MAX_INSTRUCTIONS));
        format!("a forwarded request takes {count} user instructions; the limit is {limit}")
    });
    let is_off = |count: &f64| (count - INPUT_OUTPUT_CALLS).abs() > CALLS_TOLERANCE;
    let calls = rounds.iter().map(Round::input_output_calls).find(is_off);
    let calls = calls.map(|count| {
        format!("a forwarded request takes {count:.2} I/O system calls; it is to take {INPUT_OUTPUT_CALLS}")
    });
    instructions.into_iter().chain(calls).collect()
}

fn print_profile(round: &Round) {
    println!("\n{:>12} {:>7}  function itself", "instructions", "share");
    let mut functions: Vec<(&String, f64)> = round.functions.iter().map(|(name, count)| (name, *count)).collect();
    functions.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rest: f64 = functions.iter().skip(TOP).map(|(_, count)| count).sum();
    let rest_name = format!("{} others", functions.iter().skip(TOP).filter(|(_, count)| *count >= 0.5).count());
    for (name, count) in functions.into_iter().take(TOP).chain([(&rest_name, rest)]) {
        println!("{:>12} {:>5.1} %  {name}", whole(count), count / round.instructions * 100.0);
    }
}

fn print_calls(round: &Round) {
    println!("\n{:>12}  system call", "per request");
    for (name, count) in round.calls.iter().filter(|(_, count)| count.abs() >= CALLS_TOLERANCE) {
        let what = if strace::is_input_output(name) { "  I/O" } else { "" };
        println!("{count:>12.2}  {name}{what}");
    }
}

/// The last line on standard output; `cargo xtask test` shows it.
fn summary(rounds: &[Round]) -> String {
    let values = |of: fn(&Round) -> f64| rounds.iter().map(of);
    let instructions = || values(|round| round.instructions);
    let (low, high) = (instructions().fold(f64::INFINITY, f64::min), instructions().fold(0.0, f64::max));
    let calls = values(Round::input_output_calls).fold(0.0, f64::max);
    format!(
        "{} instructions (limit {}, bar {}, rounds differ by {}), {calls:.2} I/O calls (limit {INPUT_OUTPUT_CALLS}) per request",
        whole(high),
        whole(MAX_INSTRUCTIONS),
        whole(BAR),
        whole(high - low),
    )
}

/// A count as people read it: `12,345`.
fn whole(count: f64) -> String {
    let digits = format!("{count:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(instructions: f64, calls: &[(&str, f64)]) -> Round {
        let calls = calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Round { instructions, functions: BTreeMap::new(), calls }
    }

    const FOUR: [(&str, f64); 4] = [("recvfrom", 2.0), ("sendto", 1.0), ("writev", 1.0), ("epoll_wait", 2.3)];

    #[test]
    fn the_worst_round_decides_and_waiting_is_free() {
        let five = [("recvfrom", 3.0), ("sendto", 2.0)];
        let three = [("recvfrom", 2.0), ("sendto", 1.0)];
        for (rounds, expected) in [
            (vec![round(19_999.6, &FOUR), round(20_000.0, &FOUR)], vec![]),
            (vec![round(9_000.0, &[("recvfrom", 2.001), ("sendto", 2.0)])], vec![]),
            (vec![round(11_000.0, &FOUR), round(20_001.0, &FOUR)], vec!["20,001 user instructions"]),
            (vec![round(11_000.0, &five)], vec!["5.00 I/O"]),
            (vec![round(11_000.0, &three)], vec!["3.00 I/O"]),
            (vec![round(30_000.0, &five)], vec!["30,000 user instructions", "5.00 I/O"]),
        ] {
            let problems = problems(&rounds);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, part) in problems.iter().zip(expected) {
                assert!(problem.contains(part), "{problem}");
            }
        }
    }

    #[test]
    fn what_both_runs_have_in_common_is_not_counted() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let few = counts(&[("start", 500), ("request", 300), ("stop", 7)]);
        let many = counts(&[("start", 500), ("request", 2_300), ("late", 10)]);
        let found = all_by_request(&few, &many, [10, 110]);
        let expected = [("late", 0.1), ("request", 20.0), ("start", 0.0), ("stop", -0.07)];
        assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (count, expected) in [(0.4, "0"), (999.0, "999"), (1_234_567.0, "1,234,567"), (-1_000.0, "-1,000")] {
            assert_eq!(whole(count), expected);
        }
    }
}
