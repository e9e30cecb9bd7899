//! `cargo xtask bench …`: what a request costs, alone and beside other products. Explained in `bench/README.md`.

mod breaker;
mod callgrind;
mod cost;
mod files;
mod gateway;
mod load;
mod machine;
mod process;
mod registry;
mod results;
mod statistics;
mod strace;
mod wrk;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use breaker::NEEDED as NEEDED_FOR_BREAKER_COST;
pub(crate) use cost::NEEDED as NEEDED_FOR_COST;

use crate::Verdict;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// User instructions of a breaker's call, each beside its limit
    Breaker(breaker::Options),
    /// User instructions and system calls of one forwarded request, each beside its limit
    Cost(cost::Options),
    /// Processor time of one forwarded request beside Debian's nginx
    Gateway(gateway::Options),
    /// A registry of ten thousand instances, alone or beside the real Eureka server
    Registry(registry::Options),
}

pub(crate) fn run(bench: &Bench) -> Result<Verdict> {
    match bench {
        Bench::Breaker(options) => breaker::run(options),
        Bench::Cost(options) => cost::run(options),
        Bench::Gateway(options) => gateway::run(options),
        Bench::Registry(options) => registry::run(options),
    }
}
