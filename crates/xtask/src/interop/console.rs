//! The console of a real Madang, in a real browser.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::prepare::{self, Made};
use crate::{
    Verdict,
    programs::{self, CHROMIUM, Install, NODE, NPM, Program},
    workspace,
};

/// What drives the browser, and the browser.
pub(crate) const NEEDED: &[Program] = &[NODE, NPM, CHROMIUM];

#[derive(Args)]
#[command(before_help = "Example: cargo xtask interop console --install")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    let sources = workspace::root().join("interop/console");
    let mut npm = Command::new(NPM.name);
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&sources);
    let lock = sources.join("package-lock.json");
    Made { name: "console", from: vec![lock], result: sources.join("node_modules"), command: npm }.bring()?;

    let mut tests = Command::new(NODE.name);
    tests
        .args(["--test", "--test-reporter=tap", "--test-force-exit", "--test-timeout=600000", "console.test.mjs"])
        .current_dir(&sources);
    tests.env("MADANG", prepare::built_madang()?);
    println!("== {}", workspace::shown(&tests).trim_matches('`'));
    let mut node = tests.stdout(Stdio::piped()).spawn()?;
    let mut counts = Counts::default();
    for line in BufReader::new(node.stdout.take().context("node has no output")?).lines() {
        let line = line?;
        counts.read(&line);
        println!("{line}");
    }
    let is_good = node.wait()?.success();
    println!("{}", counts.line(is_good));
    Ok(if is_good { Verdict::Good } else { Verdict::Bad })
}

/// The last lines of TAP as Node writes it: `# pass 12`.
#[derive(Default)]
struct Counts {
    pass: u64,
    fail: u64,
    skipped: u64,
}

impl Counts {
    fn read(&mut self, line: &str) {
        for (word, count) in
            [("# pass ", &mut self.pass), ("# fail ", &mut self.fail), ("# skipped ", &mut self.skipped)]
        {
            if let Some(number) = line.strip_prefix(word).and_then(|number| number.parse().ok()) {
                *count = number;
            }
        }
    }

    /// As cargo says it, so that [`crate::steps`] counts.
    fn line(&self, is_good: bool) -> String {
        let verdict = if is_good { "ok" } else { "FAILED" };
        format!(
            "test result: {verdict}. {} passed; {} failed; {} ignored; 0 measured; 0 filtered out",
            self.pass, self.fail, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_node_counted_is_said_as_cargo_says_it() {
        let mut counts = Counts::default();
        for line in ["TAP version 13", "ok 1 - pass 9", "# tests 5", "# pass 3", "# fail 1", "# skipped 1"] {
            counts.read(line);
        }
        assert_eq!(
            counts.line(false),
            "test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out"
        );
    }
}
