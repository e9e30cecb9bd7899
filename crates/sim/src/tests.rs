//! Runs held against queueing theory, and against what must hold of every run.

use super::*;
use madang_settings::{Problems, parse};

/// A scenario that is right.
pub(crate) fn scenario(text: &str) -> Scenario {
    let mut problems = Problems::new();
    let node = parse(text, "scenario.toml".as_ref()).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    Scenario::read(&node, "scenario", &mut problems).unwrap_or_else(|| panic!("{problems}\n{text}"))
}

fn report(text: &str) -> Report {
    run(&scenario(text)).unwrap_or_else(|overload| panic!("{overload}"))
}

/// Off by at most 1 %.
#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    let off = found / expected - 1.0;
    println!("{what}: {found:.4}, theory {expected:.4}, off by {:.2} %", off * 100.0);
    assert!(off.abs() < 0.01, "{what}: {found}, theory says {expected}");
}

#[test]
fn one_server_waits_as_the_theory_of_m_m_1_says() {
    for (load, requests) in [(0.3, 1_000_000), (0.5, 2_000_000), (0.7, 3_000_000)] {
        let text = format!(
            "requests = {requests}\narrivals = {{ load = {load} }}\nservers.a = {{ service = {{ mean = \"1s\" }} }}"
        );
        let report = report(&text);
        near(report.latency.mean_s, 1.0 / (1.0 - load), &format!("M/M/1 at {load}"));
        near(report.groups[0].utilisation, load, "utilisation");
        // Little's law holds whatever the distributions are.
        near(report.groups[0].waiting, load * (report.latency.mean_s - 1.0), "queue");
    }
}

#[test]
fn servers_with_one_queue_wait_as_the_theory_of_m_m_n_says() {
    for (places, load, expected, requests) in
        [(2, 0.7, 1.0 / (1.0 - 0.49), 2_000_000), (10, 0.7, 1.0739, 1_000_000), (100, 0.95, 1.1013, 3_000_000)]
    {
        let text = format!(
            "requests = {requests}\narrivals = {{ load = {load} }}\nservers.a = {{ concurrency = {places}, service = {{ mean = \"1s\" }} }}"
        );
        near(report(&text).latency.mean_s, expected, &format!("M/M/{places} at {load}"));
    }
}

#[test]
fn a_server_without_chance_waits_half_as_long_as_the_theory_of_m_d_1_says() {
    let text = "requests = 400_000\narrivals = { load = 0.7 }\nservers.a = { service = { distribution = \"constant\", mean = \"1s\" } }";
    near(report(text).latency.mean_s, 1.0 + 0.7 / (2.0 * 0.3), "M/D/1 at 0.7");
}
