//! `cargo xtask interop …`: real clients of the protocols Madang speaks, against the real program. Explained in
//! `interop/README.md`.
//!
//! What the clients need is pinned there and brought into `target/interop` by their own package managers, as cargo
//! brings crates: once, and again when a pinned version or a source changes. Tests close with a line like cargo's, so that [`crate::steps`] counts them.

mod breaker;
mod console;
mod desync;
mod eureka;
mod prepare;
mod ribbon;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use breaker::NEEDED as NEEDED_FOR_BREAKER;
pub(crate) use console::NEEDED as NEEDED_FOR_CONSOLE;
pub(crate) use desync::NEEDED as NEEDED_FOR_DESYNC;
pub(crate) use eureka::NEEDED as NEEDED_FOR_EUREKA;
pub(crate) use ribbon::NEEDED as NEEDED_FOR_RIBBON;

use crate::Verdict;

#[derive(Subcommand)]
pub(crate) enum Interop {
    /// Eureka clients of Python, Node and Java, and Prometheus; `--against eureka` shows that the tests themselves are right
    Eureka(eureka::Options),
    /// Circuit breakers of Python, Node and Java against `madang breaker simulate`, on random traces
    Breaker(breaker::Options),
    /// The console in a real browser
    Console(console::Options),
    /// Ribbon's rules as Madang has them, beside those of Ribbon itself
    Ribbon(ribbon::Options),
    /// Doubtful messages through the gateway to Node, Python, gunicorn, Go and hyper: nobody is answered out of turn
    Desync(desync::Options),
}

pub(crate) fn run(interop: &Interop) -> Result<Verdict> {
    match interop {
        Interop::Eureka(options) => eureka::run(options),
        Interop::Breaker(options) => breaker::run(options),
        Interop::Console(options) => console::run(options),
        Interop::Ribbon(options) => ribbon::run(options),
        Interop::Desync(options) => desync::run(options),
    }
}
