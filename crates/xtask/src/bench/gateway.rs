//! Processor time of one forwarded request: Madang beside Debian's nginx. What is equal and what is not stands in
//! `bench/README.md`; the three settings files are in `bench/gateway/`.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use clap::{Args, value_parser};
use serde::Serialize;

use super::{
    files::{BODY_BYTES, Files},
    machine::{self, Machine},
    process::{self, Process},
    results,
    statistics::{MIN_ROUNDS, Summary},
    wrk,
};
use crate::{
    Verdict,
    programs::{self, Install, NGINX, TASKSET, WRK},
    workspace::{self, Packages},
};

/// The core of the proxy under load, and the one of everything else.
const PROXY_CORE: usize = 0;
const OTHER_CORE: usize = 1;

/// How the comparison is run.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask bench gateway --install")]
pub(crate) struct Options {
    /// Brings nginx and wrk: Debian packages through apt, when root
    #[arg(long)]
    install: bool,
    /// How often each proxy is measured
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(MIN_ROUNDS as i64..=1000))]
    rounds: u32,
    /// How long a round takes, in seconds
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The date in the name of the results [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

/// One of the two that are compared.
struct Proxy {
    name: &'static str,
    address: SocketAddr,
    process: Process,
}

/// What one round of one proxy gave.
#[derive(Debug, Serialize)]
struct Round {
    requests: u64,
    processor_seconds: f64,
}

impl Round {
    fn microseconds_per_request(&self) -> f64 {
        self.processor_seconds * 1e6 / self.requests as f64
    }
}

/// The file in `bench/results/`.
#[derive(Serialize)]
struct Report<'a> {
    question: &'static str,
    date: &'a str,
    commit: Option<String>,
    machine: Machine,
    connections: u32,
    seconds_per_round: u32,
    body_bytes: usize,
    /// Microseconds of processor time per request.
    nginx: Summary,
    madang: Summary,
    /// Madang by nginx, round by round: below 1 is less than nginx.
    ratio: Summary,
    nginx_rounds: &'a [Round],
    madang_rounds: &'a [Round],
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let needed = [NGINX, WRK, TASKSET];
    programs::bring(&needed, Install::from_flag(options.install))?;
    let missing = programs::missing(&needed);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));
    ensure!(std::thread::available_parallelism()?.get() > OTHER_CORE, "two cores are needed, one for the proxy alone");
    let date = results::date(options.date.as_deref())?;

    println!("building madang with `--profile dist` …");
    workspace::run(workspace::cargo().args(["build", "--quiet", "--profile", "dist", "--package", "madang"]))?;
    let target = workspace::metadata(Packages::Ours)?.target_directory;
    let upstream = process::free_address()?;
    let files = Files::new(target.join("bench-gateway"), upstream)?;
    let nginx_upstream = process::pinned(OTHER_CORE, &nginx(&files.write("upstream.conf", upstream)?));
    let _upstream = Process::start(nginx_upstream, upstream)?;
    let mut proxies = [start_nginx(&files)?, start_madang(&files, &target)?];
    let mut rounds = [Vec::new(), Vec::new()];
    let per_second = process::ticks_per_second()?;
    for proxy in &mut proxies {
        measure(proxy, 1, per_second)?; // fills pools and caches; not counted
    }
    for round in 0..options.rounds {
        // Whoever is measured second finds a warmer machine: take turns.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let measured = measure(&mut proxies[index], options.seconds, per_second)?;
            println!(
                "round {:>2}/{} {:<7} {:>8} requests {:>7.2} s {:>7.2} µs per request",
                round + 1,
                options.rounds,
                proxies[index].name,
                measured.requests,
                measured.processor_seconds,
                measured.microseconds_per_request(),
            );
            rounds[index].push(measured);
        }
    }
    let [nginx_rounds, madang_rounds] = &rounds;
    let report = Report {
        question: "processor time of one forwarded HTTP/1.1 request, 1 KiB body, keep-alive on both sides",
        date: &date,
        commit: machine::commit(),
        machine: Machine::read(&[("nginx", "-v"), ("wrk", "-v")])?,
        connections: wrk::CONNECTIONS,
        seconds_per_round: options.seconds,
        body_bytes: BODY_BYTES,
        nginx: summary(nginx_rounds.iter().map(Round::microseconds_per_request))?,
        madang: summary(madang_rounds.iter().map(Round::microseconds_per_request))?,
        ratio: summary(ratios(madang_rounds, nginx_rounds))?,
        nginx_rounds,
        madang_rounds,
    };
    print(&report);
    let file = results::save("gateway", &date, &report)?;
    println!("\nraw results: {}", file.display());
    Ok(Verdict::Good)
}

fn start_nginx(files: &Files) -> Result<Proxy> {
    let address = process::free_address()?;
    let command = process::pinned(PROXY_CORE, &nginx(&files.write("nginx.conf", address)?));
    let process = Process::start(command, address)?;
    Ok(Proxy { name: "nginx", address, process })
}

fn start_madang(files: &Files, target: &Path) -> Result<Proxy> {
    let address = process::free_address()?;
    let mut command = Command::new(target.join("dist/madang"));
    command.arg("serve").arg(files.write("madang.toml", address)?).arg("--data").arg(files.folder().join("madang"));
    let process = Process::start(process::pinned(PROXY_CORE, &command), address)?;
    Ok(Proxy { name: "madang", address, process })
}

fn nginx(settings: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-c").arg(settings);
    command
}

fn measure(proxy: &mut Proxy, seconds: u32, ticks_per_second: f64) -> Result<Round> {
    let before = proxy.process.ticks()?;
    let requests = wrk::load(OTHER_CORE, proxy.address, seconds).with_context(|| format!("load on {}", proxy.name))?;
    let ticks = proxy.process.ticks()?.saturating_sub(before);
    Ok(Round { requests, processor_seconds: ticks as f64 / ticks_per_second })
}

fn ratios<'a>(ours: &'a [Round], theirs: &'a [Round]) -> impl Iterator<Item = f64> + 'a {
    ours.iter().zip(theirs).map(|(our, their)| our.microseconds_per_request() / their.microseconds_per_request())
}

fn summary(values: impl IntoIterator<Item = f64>) -> Result<Summary> {
    Summary::of(values).with_context(|| format!("at least {MIN_ROUNDS} rounds are needed"))
}

fn print(report: &Report<'_>) {
    println!("\n{:<22} {:>8} {:>19}", "µs per request", "median", "95 % interval");
    for (name, summary) in [("nginx", report.nginx), ("madang", report.madang), ("madang / nginx", report.ratio)] {
        println!("{name:<22} {:>8.2} {:>19}", summary.median, format!("{:.2} to {:.2}", summary.low, summary.high));
    }
    report.machine.print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let round = |requests, processor_seconds| Round { requests, processor_seconds };
        let ours = [round(100, 1.0), round(200, 1.0)];
        let theirs = [round(100, 2.0), round(100, 1.0)];
        assert_eq!(ratios(&ours, &theirs).collect::<Vec<_>>(), [0.5, 0.5]);
    }
}
