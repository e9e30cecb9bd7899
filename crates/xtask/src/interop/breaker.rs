//! Circuit breakers of other languages and ours on the same random traces: every answer is the same to the last line.
//!
//! A library runs under a virtual clock in one long process of its own language (a driver, in `interop/breaker`), which is
//! sent a trace with settings and answers as `madang breaker simulate --json` does. [`library`] lists them.

mod draw;
mod library;
mod random;
mod same;
mod trace;

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::prepare;
use crate::{
    Verdict,
    programs::{self, Install, JAVA, MAVEN, NODE, NPM, PIP, PYTHON, Program},
    workspace,
};
use library::{LIBRARIES, Library};
use random::Random;
use same::{Reached, Tally};

/// What the libraries run on, and what brings them.
pub(crate) const NEEDED: &[Program] = &[PYTHON, PIP, NODE, NPM, JAVA, MAVEN];

#[derive(Args)]
#[command(before_help = "Example: cargo xtask interop breaker pybreaker --traces 5000")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// Random traces for each library
    #[arg(long, default_value_t = 500)]
    traces: u64,
    /// Repeats the traces of another run; also `MADANG_SEED`. A new one each time without it
    #[arg(long)]
    seed: Option<u64>,
    /// The program that is compared; it is built here without this
    #[arg(long, value_name = "FILE")]
    madang: Option<PathBuf>,
    /// Only these libraries
    libraries: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    let chosen: Vec<&Library> = LIBRARIES.iter().filter(|library| options.chose(library)).collect();
    for name in &options.libraries {
        let names: Vec<_> = LIBRARIES.iter().map(|library| library.profile).collect();
        ensure!(names.contains(&name.as_str()), "`{name}` is not a library; there are {}", names.join(", "));
    }
    for made in chosen.iter().flat_map(|library| (library.made)()) {
        made.bring()?;
    }
    let madang = options.madang.clone().map_or_else(prepare::built_madang, Ok)?;
    let seed = options.seed()?;
    println!("== {} traces for each library, --seed {seed}", options.traces);

    let reports: Vec<Result<Report>> = thread::scope(|scope| {
        let madang = &madang;
        let start = |library| scope.spawn(move || compare(library, madang, seed, options.traces));
        let threads: Vec<_> = chosen.iter().copied().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a comparison broke off"))).collect()
    });
    let mut good = 0;
    for (library, report) in chosen.iter().zip(&reports) {
        match report {
            Ok(report) => {
                println!("{}: {}", library.version, report.text);
                good += usize::from(report.verdict == Verdict::Good);
            }
            Err(error) => println!("{}: {error:#}", library.version),
        }
    }
    let bad = reports.len() - good;
    // As cargo says it, so that `steps` counts.
    let verdict = if bad == 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {good} passed; {bad} failed; 0 ignored; 0 measured; 0 filtered out");
    Ok(if bad == 0 { Verdict::Good } else { Verdict::Bad })
}

impl Options {
    fn chose(&self, library: &Library) -> bool {
        self.libraries.is_empty() || self.libraries.iter().any(|name| name == library.profile)
    }

    fn seed(&self) -> Result<u64> {
        match (self.seed, std::env::var("MADANG_SEED")) {
            (Some(seed), _) => Ok(seed),
            (None, Ok(seed)) => seed.parse().context("MADANG_SEED is not a number"),
            (None, Err(_)) => Ok(Random::of_the_clock().below(1_000_000)),
        }
    }
}

/// How a comparison came out.
struct Report {
    verdict: Verdict,
    text: String,
}

/// Runs all traces against one library, until the first that differs.
fn compare(library: &Library, madang: &Path, seed: u64, traces: u64) -> Result<Report> {
    let folder = prepare::folder().join("breaker").join(library.profile);
    fs::create_dir_all(&folder)?;
    let mut driver = Driver::start(library)?;
    let mut tally = Tally::default();
    for number in 0..traces {
        let mut random = Random::new(seed.wrapping_add(number.wrapping_mul(0x9E37_79B9)));
        let drawn = (library.draw)(&mut random);
        let files = Files { trace: folder.join("trace.jsonl"), settings: folder.join("settings.toml") };
        fs::write(&files.trace, trace::draw(&mut random, &drawn.spans))?;
        fs::write(&files.settings, draw::toml(&drawn.settings))?;
        let theirs = driver.answers(&files.trace, &drawn.settings).with_context(|| files.kept(seed, number))?;
        let ours = simulate(madang, library, &files).with_context(|| files.kept(seed, number))?;
        if let Some(difference) = same::difference(&theirs, &ours)? {
            let kept = files.keep(&folder, seed, number)?;
            return Ok(Report { verdict: Verdict::Bad, text: format!("{difference}{}", kept.advice(library)) });
        }
        tally.add(theirs.len(), Reached::of(&theirs));
    }
    driver.stop()?;
    Ok(Report { verdict: Verdict::Good, text: tally.sentence() })
}

/// One trace on disk with its settings.
struct Files {
    trace: PathBuf,
    settings: PathBuf,
}

impl Files {
    fn kept(&self, seed: u64, number: u64) -> String {
        format!("trace {number} of seed {seed}, {}", self.trace.display())
    }

    /// A copy that the next run does not overwrite.
    fn keep(&self, folder: &Path, seed: u64, number: u64) -> Result<Self> {
        let name = |end| folder.join(format!("different-{seed}-{number}.{end}"));
        let kept = Self { trace: name("jsonl"), settings: name("toml") };
        fs::copy(&self.trace, &kept.trace)?;
        fs::copy(&self.settings, &kept.settings)?;
        Ok(kept)
    }

    fn advice(&self, library: &Library) -> String {
        let (trace, settings) = (self.trace.display(), self.settings.display());
        let mut advice = String::new();
        let _ = writeln!(
            advice,
            "  ours: madang breaker simulate {trace} --profile {} --settings {settings} --json",
            library.profile
        );
        advice
    }
}

/// What our breaker answers.
fn simulate(madang: &Path, library: &Library, files: &Files) -> Result<Vec<Value>> {
    let mut command = Command::new(madang);
    command.args(["breaker", "simulate", "--json", "--profile", library.profile, "--settings"]);
    let output = workspace::output(command.arg(&files.settings).arg(&files.trace))?;
    output.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

/// A library in a process of its own.
struct Driver {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    fn start(library: &Library) -> Result<Self> {
        let mut command = (library.driver)();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (requests, answers) = child.stdin.take().zip(child.stdout.take()).context("a driver has no pipes")?;
        Ok(Self { child, requests, answers: BufReader::new(answers).lines() })
    }

    /// What the library answers to a trace: a line for each call, and a final one.
    fn answers(&mut self, trace: &Path, settings: &Value) -> Result<Vec<Value>> {
        writeln!(self.requests, "{}", json!({ "trace": trace, "settings": settings }))?;
        let mut answers = Vec::new();
        loop {
            let line = self.answers.next().context("the driver has ended")??;
            let answer: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
            let is_final = answer["final"] == true;
            answers.push(answer);
            if is_final {
                return Ok(answers);
            }
        }
    }

    fn stop(self) -> Result<()> {
        let Self { mut child, requests, .. } = self;
        drop(requests);
        let status = child.wait()?;
        ensure!(status.success(), "the driver ended with {status}");
        Ok(())
    }
}
