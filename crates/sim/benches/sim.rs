//! How fast the clock runs: `cargo bench -p madang-sim`. The bar is ten million requests over ten thousand servers in
//! 6 s.

use madang_settings::{Problems, parse};
use madang_sim::Scenario;
use std::time::Instant;

fn main() {
    for policy in madang_sim::policy_names() {
        for (servers, load) in [(10, 0.7), (10_000, 0.7), (10_000, 0.9)] {
            let text = format!(
                "requests = 10_000_000\npolicy = \"{policy}\"\narrivals = {{ load = {load} }}\n\
                 servers.a = {{ count = {servers}, service = {{ mean = \"10ms\" }} }}"
            );
            let node = parse(&text, "bench.toml".as_ref()).expect("a good file");
            let scenario = Scenario::read(&node, "bench", &mut Problems::new()).expect("a good scenario");
            let started = Instant::now();
            let report = madang_sim::run(&scenario).expect("below capacity");
            let spent = started.elapsed().as_secs_f64();
            println!(
                "{policy:14} {servers:6} servers, load {load}: {spent:5.2} s for 10,000,000 requests; mean {:.3}, p99 {:.2} service times",
                report.latency.mean_s * 100.0,
                report.latency.p99_s * 100.0
            );
        }
    }
}
