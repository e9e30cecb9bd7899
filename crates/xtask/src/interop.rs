//! `cargo xtask interop …`: real clients of the protocols Madang speaks, against the real program. Explained in
//! `interop/README.md`.
//!
//! What the clients need is pinned there and brought into `target/interop` by their own package managers, as cargo
//! brings crates: once, and again when a pinned version or a source changes. Tests are Python's `unittest` and close with
//! a line like cargo's, so that [`crate::steps`] counts them.

mod eureka;
mod prepare;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use eureka::NEEDED as NEEDED_FOR_EUREKA;

use crate::Verdict;

#[derive(Subcommand)]
pub(crate) enum Interop {
    /// Eureka clients of Python, Node and Java, and Prometheus; `--against eureka` shows that the tests themselves are right
    Eureka(eureka::Options),
}

pub(crate) fn run(interop: &Interop) -> Result<Verdict> {
    match interop {
        Interop::Eureka(options) => eureka::run(options),
    }
}
