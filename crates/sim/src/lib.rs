//! Tries a balancing policy on servers that exist on paper: the real balancer under a virtual clock.
//!
//! A [`Scenario`] names servers, how long they take, what goes wrong with them, and when requests come. A run is a
//! discrete-event simulation: `madang-balance` picks, is told how each call went, and never knows that nobody connects.
//! What is measured is therefore the code the gateway runs, not a model of it. Nothing here reads a clock or does I/O,
//! and a scenario and its seed always give the same [`Report`].
//!
//! ```
//! use madang_settings::{Problems, parse};
//! use madang_sim::Scenario;
//!
//! let text = r#"
//! requests = 20_000
//! arrivals = { load = 0.5 }
//! servers.web = { count = 4, service = { distribution = "constant", mean = "10ms" } }
//! "#;
//! let mut problems = Problems::new();
//! let scenario = Scenario::read(&parse(text, "web.toml".as_ref()).unwrap(), "web", &mut problems).unwrap();
//! let report = madang_sim::run(&scenario).unwrap();
//! assert_eq!(report.requests.failed, 0);
//! assert!(report.latency.p99_s < 0.030);
//! ```
//!
//! Reading order: `scenario` (what is simulated, and reading it), `simulation` (the run), `balancer` (the real one),
//! `servers` and `calls` (who works on what), `clients` (who sends), `agenda` (what happens when), `arrivals` and `distribution` (chance),
//! `tally` and `histogram` (counting), `report` (what came out).

mod agenda;
mod arrivals;
mod balancer;
mod calls;
mod clients;
pub mod codes;
mod distribution;
mod histogram;
mod report;
mod scenario;
mod servers;
mod simulation;
mod tally;

pub use distribution::Distribution;
pub use report::{Bin, GroupReport, Latency, Report, Requests, Slice};
pub use scenario::{
    Arrivals, Clients, Group, Incident, KEYS, Length, MOST_REQUESTS, MOST_SERVERS, Process, Retry, Scenario, Step,
};
pub use simulation::{MOST_UNDER_WAY, Overload, Progress, Simulation, run};

#[cfg(test)]
mod tests;

/// Random tests repeat: the same cases every time, others with `MADANG_SEED=<number>`.
#[cfg(test)]
fn seeded() -> proptest::test_runner::Config {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    proptest::test_runner::Config {
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
