//! How fast the clock runs, and how near it comes to theory: `cargo bench -p madang-sim`. The bar is ten million requests
//! over ten thousand servers in 6 s, and a mean within 1 %.

use madang_balance::Policy;
use madang_settings::{Problems, parse};
use madang_sim::{Report, Scenario};
use std::time::Instant;

fn main() {
    println!("10,000,000 requests over 10,000 servers");
    for policy in [Policy::default(), Policy::RoundRobin, Policy::Random, Policy::TwoChoices] {
        for load in [0.7, 0.9] {
            let (spent, report) = measure(&format!(
                "requests = 10_000_000\npolicy = \"{}\"\narrivals = {{ load = {load} }}\n\
                 servers.a = {{ count = 10_000, service = {{ mean = \"10ms\" }} }}",
                policy.name()
            ));
            let (mean, p99) = (report.latency.mean_s * 100.0, report.latency.p99_s * 100.0);
            println!("  {:12} load {load}: {spent:5.2} s; mean {mean:.3}, p99 {p99:.2} service times", policy.name());
        }
    }
    println!("the shorter queue of two, 1,000 servers, a warm-up of 10 / (1 - sqrt(load))^2 service times");
    for (load, warmup, theory) in [(0.5, 117, 1.2657), (0.7, 375, 1.6145), (0.9, 3_797, 2.6141), (0.95, 15_593, 3.3832)]
    {
        // Ten million after the warm-up.
        let requests = 1e7 + f64::from(warmup) * load * 1_000.0;
        let (spent, report) = measure(&format!(
            "requests = {requests:.0}\nwarmup = \"{warmup}s\"\npolicy = \"two_choices\"\narrivals = {{ load = {load} }}\n\
             servers.a = {{ count = 1_000, service = {{ mean = \"1s\" }} }}"
        ));
        said(&format!("load {load}"), report.latency.mean_s, theory, spent);
    }
    println!("one queue");
    for (places, load, theory) in
        [(1, 0.5, 2.0), (1, 0.9, 10.0), (2, 0.9, 5.2632), (10, 0.9, 1.6687), (10, 0.95, 2.6512)]
    {
        // The waits of neighbors are alike near saturation, so many are needed.
        let (spent, report) = measure(&format!(
            "requests = 50_000_000\nwarmup = \"10s\"\npolicy = \"round_robin\"\narrivals = {{ load = {load} }}\n\
             servers.a = {{ concurrency = {places}, service = {{ mean = \"1ms\" }} }}"
        ));
        said(&format!("M/M/{places} at {load}"), report.latency.mean_s * 1_000.0, theory, spent);
    }
}

fn measure(text: &str) -> (f64, Report) {
    let node = parse(text, "bench.toml".as_ref()).expect("a good file");
    let scenario = Scenario::read(&node, "bench", &mut Problems::new()).expect("a good scenario");
    let started = Instant::now();
    let report = madang_sim::run(&scenario).expect("below capacity");
    (started.elapsed().as_secs_f64(), report)
}

fn said(what: &str, found: f64, theory: f64, spent: f64) {
    let off = (found / theory - 1.0) * 100.0;
    println!("  {what:16} mean {found:.4}, theory {theory:.4}: off by {off:+.2} %, in {spent:.1} s");
}
