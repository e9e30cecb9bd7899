//! `cargo xtask test`: all that must hold before a change lands, what a request costs included.
//!
//! Every step runs even when one before it failed. A step whose programs are missing is a skip with its reason; with
//! `CI` set, where nobody reads skips, it is a failure.

use anyhow::Result;
use clap::Args;

use crate::{
    Verdict,
    bench::{NEEDED_FOR_BREAKER_COST, NEEDED_FOR_COST},
    interop::{NEEDED_FOR_BREAKER, NEEDED_FOR_CONSOLE, NEEDED_FOR_DESYNC, NEEDED_FOR_EUREKA, NEEDED_FOR_RIBBON},
    programs::{self, Install, NODE, PYTHON, Program},
    steps::{Show, Steps},
    workspace::{self, Packages},
};

/// The clippy whose warnings are errors. Others know other lints: their warnings are shown and fail nobody.
const CLIPPY: &str = "0.1.95";

/// Integration tests that start programs of other languages; all other tests need Rust alone.
const END_TO_END: &[(&str, &[Program])] = &[("shop", &[PYTHON, NODE])];

/// What to test.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask test --install")]
pub(crate) struct Options {
    /// Brings missing programs: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// Format, clippy, unit and integration tests; nothing that starts the whole program, no cost
    #[arg(long)]
    quick: bool,
    /// Runs only tests whose name holds this, and shows them; no format, no clippy, no real clients, no cost
    filter: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let integration = workspace::integration_tests(&workspace::metadata(Packages::Ours)?);
    let end_to_end: Vec<_> =
        END_TO_END.iter().filter(|(name, _)| integration.iter().any(|test| test == name)).collect();
    if !options.quick {
        let mut needed: Vec<_> = end_to_end.iter().flat_map(|(_, programs)| programs.iter().copied()).collect();
        if options.filter.is_none() {
            needed.extend(NEEDED_FOR_EUREKA);
            needed.extend(NEEDED_FOR_BREAKER);
            needed.extend(NEEDED_FOR_CONSOLE);
            needed.extend(NEEDED_FOR_BREAKER_COST);
            needed.extend(NEEDED_FOR_RIBBON);
            needed.extend(NEEDED_FOR_DESYNC);
            needed.extend(NEEDED_FOR_COST);
        }
        programs::bring(&needed, Install::from_flag(options.install))?;
    }

    // Whoever asks for one test by name wants to see it run.
    let mut steps = Steps::new(if options.filter.is_some() { Show::Everything } else { Show::Failures });
    if options.filter.is_none() {
        check_style(&mut steps, Install::from_flag(options.install))?;
    }
    let alone = integration.iter().filter(|test| !end_to_end.iter().any(|(name, _)| test == name));
    let mut command = cargo_test(&["--lib", "--bins"], options);
    command.args(alone.flat_map(|test| ["--test", test]));
    steps.run("unit and integration tests", with_filter(&mut command, options));
    if !options.quick {
        steps.run("documentation tests", with_filter(&mut cargo_test(&["--doc"], options), options));
        for (name, needed) in end_to_end {
            let missing = programs::missing(needed);
            if missing.is_empty() {
                steps.run("end-to-end tests", with_filter(&mut cargo_test(&["--test", name], options), options));
            } else {
                steps.skip("end-to-end tests", programs::reason(&missing));
            }
        }
    }
    if !options.quick && options.filter.is_none() {
        from_outside(&mut steps, "real Eureka clients", "eureka", NEEDED_FOR_EUREKA);
        from_outside(&mut steps, "real circuit breakers", "breaker", NEEDED_FOR_BREAKER);
        from_outside(&mut steps, "Ribbon's own rules", "ribbon", NEEDED_FOR_RIBBON);
        from_outside(&mut steps, "doubtful messages", "desync", NEEDED_FOR_DESYNC);
        from_outside(&mut steps, "console in a browser", "console", NEEDED_FOR_CONSOLE);
        every_order(&mut steps);
        measure_cost(&mut steps, "cost", "cost", NEEDED_FOR_COST);
        measure_cost(&mut steps, "cost of a breaker's call", "breaker", NEEDED_FOR_BREAKER_COST);
    }
    Ok(steps.finish())
}

/// Programs that others wrote, in a process of their own as well.
fn from_outside(steps: &mut Steps, name: &'static str, protocol: &str, needed: &[Program]) {
    let missing = programs::missing(needed);
    if missing.is_empty() {
        steps.run(name, workspace::cargo().args(["xtask", "interop", protocol]));
    } else {
        steps.skip(name, programs::reason(&missing));
    }
}

/// Every order of what threads do in the breaker, tried by loom. Its flag builds everything anew, so in a folder of its own.
fn every_order(steps: &mut Steps) {
    let mut command = workspace::cargo();
    command.args(["test", "--package", "madang-breaker", "--release", "--test", "loom", "--", "--quiet"]);
    steps.run("threads in every order", command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", "target/loom"));
}

/// The gates on what a request and a call cost: in a process of their own, so that what they print is shown when they
/// fail only.
fn measure_cost(steps: &mut Steps, name: &'static str, bench: &str, needed: &[Program]) {
    let missing = programs::missing(needed);
    if missing.is_empty() {
        steps.run_measurement(name, workspace::cargo().args(["xtask", "bench", bench]));
    } else {
        steps.skip(name, programs::reason(&missing));
    }
}

fn check_style(steps: &mut Steps, install: Install) -> Result<()> {
    for (name, tool, component) in [("format", "fmt", "rustfmt"), ("clippy", "clippy", "clippy")] {
        let there = || workspace::output(workspace::cargo().args([tool, "--version"])).ok();
        if there().is_none() && install == Install::Allowed {
            println!("to install from rustup: {component}");
            workspace::run(std::process::Command::new("rustup").args(["component", "add", component]))?;
        }
        let Some(version) = there() else {
            steps.skip(name, format!("`cargo {tool}` not found; `rustup component add {component}` brings it"));
            continue;
        };
        let mut command = workspace::cargo();
        if tool == "fmt" {
            steps.run(name, command.args(["fmt", "--all", "--check"]));
            continue;
        }
        command.args(["clippy", "--workspace", "--all-targets"]);
        if is_ours(&version) {
            command.args(["--", "-D", "warnings"]);
        } else {
            println!("\nwarnings are only shown: they are denied by clippy {CLIPPY}, this is {version}");
        }
        steps.run(name, &mut command);
    }
    Ok(())
}

/// Whether `clippy 0.1.95 (59807616e1 2026-04-14)` is the one that decides.
fn is_ours(version: &str) -> bool {
    version.split_whitespace().nth(1) == Some(CLIPPY)
}

/// The same selection of packages for every step: another one would resolve other features and build everything anew.
fn cargo_test(what: &[&str], options: &Options) -> std::process::Command {
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).args(what);
    if options.filter.is_some() {
        command.env("RUST_BACKTRACE", "1");
    }
    command
}

fn with_filter<'a>(command: &'a mut std::process::Command, options: &Options) -> &'a mut std::process::Command {
    command.args(options.filter.as_deref()).args(["--", "--quiet"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_clippy_denies_warnings() {
        assert!(is_ours("clippy 0.1.95 (59807616e1 2026-04-14)"));
        assert!(!is_ours("clippy 0.1.96 (0123456789 2026-06-01)"));
        assert!(!is_ours("clippy 0.1.950"));
    }
}
