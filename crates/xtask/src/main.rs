//! Everything a developer runs, as `cargo xtask …`: tests, budgets, benchmarks.
//!
//! It knows the house only from outside, through cargo and the built program, so that it builds in seconds.
//! [`test`] is what continuous integration calls; [`budget`] and [`bench`] print numbers beside their limits; [`interop`]
//! lets programs that others wrote judge us.

mod bench;
mod budget;
mod interop;
mod programs;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tests, budgets and benchmarks of Madang
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", before_help = "Example: cargo xtask test --install")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, clippy, unit, integration, documentation, edge and end-to-end tests, real clients, the cost of a request, one
    /// line that counts them
    Test(test::Options),
    /// How many packages, how long clean builds and a check take, each beside its limit
    Budget(budget::Options),
    /// What a request costs, alone and beside other products; raw results go to bench/results
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Real clients of the protocols Madang speaks
    #[command(subcommand)]
    Interop(interop::Interop),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Budget(options) => budget::run(&options),
        Task::Bench(bench) => bench::run(&bench),
        Task::Interop(interop) => interop::run(&interop),
    };
    match done {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a task that ran to its end came out. What was wrong has been printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}
