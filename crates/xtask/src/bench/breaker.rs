//! What one call costs a breaker in user instructions: a gate, like [`cost`](super::cost) for a request.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::{
    callgrind::{self, Profile},
    cost::by_request,
};
use crate::{
    Verdict,
    programs::{self, Install, Program, VALGRIND},
    workspace::{self, Packages},
};

/// The program that counts.
pub(crate) const NEEDED: &[Program] = &[VALGRIND];

/// What a call can be, and the instructions it may take: what was reached, and some room. They go down with each gain
/// and never up. The loop around the call counts too.
const LIMITS: [(&str, f64); 4] = [("closed", 225.0), ("failure", 225.0), ("rejected", 158.0), ("count_window", 302.0)];

/// A failure must not cost more than a success: by so many instructions it may differ.
const FAILURE_MORE: f64 = 5.0;

/// Calls of the two runs. Their difference is the calls' alone.
const RUNS: [u32; 2] = [1_000, 101_000];

/// How the cost is measured.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask bench breaker --install")]
pub(crate) struct Options {
    /// Brings valgrind: a Debian package through apt, when root
    #[arg(long)]
    install: bool,
}

/// What a call of one kind took.
struct Cost {
    what: &'static str,
    limit: f64,
    instructions: f64,
    /// Instructions in functions that allocate or free.
    allocating: f64,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    programs::bring(NEEDED, Install::from_flag(options.install))?;
    let missing = programs::missing(NEEDED);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));

    let mut build = workspace::cargo();
    workspace::run(build.args(["build", "--quiet", "--release", "--package", "madang-breaker", "--example", "cost"]))?;
    let target = workspace::metadata(Packages::Ours)?.target_directory;
    let program = target.join("release/examples/cost");
    let folder = target.join("bench-breaker");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let mut costs = Vec::new();
    for (what, limit) in LIMITS {
        let [few, many] = RUNS.map(|calls| counted(&program, what, calls, &folder));
        costs.push(cost(what, limit, &few?, &many?));
    }
    println!("{:>12} {:>7}  call", "instructions", "limit");
    for cost in &costs {
        println!("{:>12.1} {:>7}  {}", cost.instructions, cost.limit, cost.what);
    }
    let problems = problems(&costs);
    let shown: Vec<String> = costs.iter().map(|cost| format!("{} {:.0}", cost.what, cost.instructions)).collect();
    println!("\ninstructions of a breaker's call: {}", shown.join(", "));
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    Ok(if problems.is_empty() { Verdict::Good } else { Verdict::Bad })
}

fn counted(program: &Path, what: &str, calls: u32, folder: &Path) -> Result<Profile> {
    let file = folder.join(format!("callgrind.{what}.{calls}"));
    let mut command = Command::new(program);
    command.arg(what).arg(calls.to_string());
    workspace::run(&mut callgrind::counted(&command, &file))?;
    callgrind::read(&file)
}

fn cost(what: &'static str, limit: f64, few: &Profile, many: &Profile) -> Cost {
    let allocating = |profile: &Profile| {
        let is_allocator = |name: &str| ["malloc", "calloc", "realloc", "free", "__rust_alloc"].contains(&name);
        profile.functions.iter().filter(|(name, _)| is_allocator(name)).map(|(_, count)| count).sum()
    };
    Cost {
        what,
        limit,
        instructions: by_request(few.total, many.total, RUNS),
        allocating: by_request(allocating(few), allocating(many), RUNS),
    }
}

/// What is over its limit.
fn problems(costs: &[Cost]) -> Vec<String> {
    let mut problems = Vec::new();
    for Cost { what, limit, instructions, allocating } in costs {
        if *instructions > *limit {
            problems.push(format!("a call, {what}, takes {instructions:.1} user instructions; the limit is {limit}"));
        }
        if *allocating >= 0.01 {
            problems.push(format!("a call, {what}, allocates"));
        }
    }
    let of = |name: &str| costs.iter().find(|cost| cost.what == name).map_or(0.0, |cost| cost.instructions);
    let more = of("failure") - of("closed");
    if more > FAILURE_MORE {
        problems.push(format!("a failure takes {more:.1} instructions more than a success; it is to cost the same"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(total: u64, malloc: u64) -> Profile {
        Profile { total, functions: [("malloc".to_owned(), malloc), ("main".to_owned(), total - malloc)].into() }
    }

    #[test]
    fn limits_allocations_and_costlier_failures_are_said() {
        let runs = |instructions: u64, malloc: u64| {
            (profile(5_000, 700), profile(5_000 + instructions * 100_000, 700 + malloc * 100_000))
        };
        for (closed, failure, malloc, expected) in [
            (130, 130, 0, &[][..]),
            (131, 130, 0, &["131.0 user instructions"]),
            (100, 106, 0, &["6.0 instructions more"]),
            (100, 100, 1, &["closed, allocates"]),
        ] {
            let ((few, many), (few_failures, many_failures)) = (runs(closed, malloc), runs(failure, 0));
            let costs = [cost("closed", 130.0, &few, &many), cost("failure", 130.0, &few_failures, &many_failures)];
            let problems = problems(&costs);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            assert!(problems.iter().zip(expected).all(|(problem, part)| problem.contains(part)), "{problems:?}");
        }
    }
}
