//! What must hold of every run, whatever happens in it.

use super::{report, scenario};
use crate::{Report, run};
use madang_balance::Policy;
use proptest::prelude::*;

/// Ten servers, a bit of everything.
const MIXED: &str = r#"
duration = "20s"
timeout = "200ms"
retry = { attempts = 2, backoff = "5ms" }
balancers = 3

[arrivals]
process = "bursts"
burst = 5
rate = "400/s"
steps = [{ at = "10s", rate = "900/s" }, { at = "15s", rate = "300/s" }]

[servers.good]
count = 7
queue = 50
service = { distribution = "lognormal", mean = "10ms", sigma = 1.2 }

[servers.bad]
count = 3
queue = 5
concurrency = 2
failing = 0.1
failing_time = "1ms"
service = { distribution = "pareto", mean = "20ms", alpha = 1.5 }
incidents = [{ from = "5s", to = "9s", count = 2, down = true }, { from = "8s", slow = 3.0 }]
"#;

fn json(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

#[track_caller]
fn adds_up(report: &Report) {
    let all = &report.requests;
    let ended = all.succeeded + all.failed + all.refused + all.timed_out + all.unserved;
    assert_eq!(all.arrived, ended, "every request ends in one way: {all:?}");
    let shown: u64 = report.distribution.iter().map(|bin| bin.count).sum();
    assert_eq!(shown, all.succeeded, "the distribution holds all that succeeded");
    for group in &report.groups {
        assert!((0.0..=1.000_001).contains(&group.utilisation), "{group:?}");
    }
}

#[test]
fn the_same_scenario_and_seed_give_the_same_report_byte_for_byte() {
    for policy in Policy::names() {
        let text = format!("policy = \"{policy}\"\n{MIXED}");
        let first = json(&report(&text));
        assert_eq!(first, json(&report(&text)), "{policy}");
        assert_ne!(first, json(&report(&format!("seed = 2\n{text}"))), "{policy}: another seed is another run");
    }
}

#[test]
fn every_policy_gets_the_same_arrivals() {
    let arrived = |policy: &str| -> Vec<u64> {
        let report = report(&format!("policy = \"{policy}\"\n{MIXED}"));
        adds_up(&report);
        report.timeline.iter().map(|slice| slice.arrived).collect()
    };
    let first = arrived("round_robin");
    for policy in Policy::names() {
        assert_eq!(arrived(policy), first, "{policy}");
    }
}

#[test]
fn looking_at_a_run_on_the_way_changes_nothing() {
    let scenario = scenario(MIXED);
    let mut simulation = crate::Simulation::new(&scenario);
    let mut last = 0.0;
    while let crate::Progress::Running(share) = simulation.advance(7).unwrap() {
        assert!((last..=1.0).contains(&share));
        last = share;
    }
    assert_eq!(json(&simulation.report()), json(&run(&scenario).unwrap()));
}

#[test]
fn nobody_waits_longer_than_the_timeout_and_the_server_works_on() {
    let text = "requests = 50_000\ntimeout = \"20ms\"\nwarmup = \"0s\"\narrivals = { load = 0.9 }\nservers.a = { service = { mean = \"10ms\" } }";
    let report = report(text);
    adds_up(&report);
    assert!(report.latency.max_s <= 0.020_000_1, "{:?}", report.latency);
    assert!(report.requests.timed_out > 25_000, "in M/M/1 at 0.9 four in five wait longer: {:?}", report.requests);
    assert!((0.88..0.92).contains(&report.groups[0].utilisation), "work nobody waits for is still done");
}

#[test]
fn a_retry_goes_to_another_server() {
    // Half of the servers fail always: with one more try each request gets a good one, or the other bad one.
    let text = "requests = 100_000\npolicy = \"round_robin\"\nretry = {}\narrivals = { load = 0.2 }\n\
        servers.good = { service = { mean = \"1ms\" } }\nservers.bad = { failing = 1.0, service = { mean = \"1ms\" } }";
    let report = report(text);
    adds_up(&report);
    assert_eq!(report.requests.succeeded, report.requests.arrived, "{:?}", report.requests);
    let retried = report.requests.retries as f64 / report.requests.arrived as f64;
    assert!((0.3..0.7).contains(&retried), "{retried}");
}

#[test]
fn more_tries_than_servers_end_without_a_server_to_name() {
    let text = "requests = 1_000\nretry = { attempts = 5 }\narrivals = { load = 0.2 }\nservers.bad = { count = 2, failing = 1.0, service = { mean = \"1ms\" } }";
    let report = report(text);
    adds_up(&report);
    assert_eq!(report.requests.unserved, report.requests.arrived);
    assert_eq!(report.requests.retries, 2 * report.requests.arrived);
}

#[test]
fn a_server_that_goes_down_breaks_what_it_works_on_and_refuses_until_it_is_back() {
    let text = "duration = \"30s\"\nwarmup = \"0s\"\narrivals = { process = \"constant\", rate = \"10/s\" }\n\
        servers.a = { concurrency = 5, service = { distribution = \"constant\", mean = \"250ms\" }, \
        incidents = [{ from = \"10.05s\", to = \"20.05s\", down = true }] }";
    let report = report(text);
    adds_up(&report);
    // Three are under way at 10.05 s; from 10.1 to 20.0 s a hundred come.
    assert_eq!((report.requests.failed, report.requests.refused), (3, 100), "{:?}", report.requests);
    assert_eq!((report.groups[0].failed, report.groups[0].refused), (3, 100));
    assert_eq!(report.latency.max_s, 0.25);
}

#[test]
fn a_call_whose_server_broke_is_answered_by_the_next_one_and_not_when_the_first_would_have() {
    // It comes at 500 ms, its server breaks at 700 ms and would have answered at 900 ms; the other one takes a second.
    let text = "requests = 1\nwarmup = \"0s\"\npolicy = \"round_robin\"\nretry = {}\n\
        arrivals = { process = \"constant\", rate = \"2/s\" }\n\
        servers.a = { service = { distribution = \"constant\", mean = \"400ms\" }, incidents = [{ from = \"700ms\", down = true }] }\n\
        servers.b = { service = { distribution = \"constant\", mean = \"1s\" } }";
    let report = report(text);
    assert_eq!((report.requests.succeeded, report.requests.retries), (1, 1));
    assert!((report.latency.max_s - 1.2).abs() < 1e-6, "{:?}", report.latency);
}

#[test]
fn trouble_strikes_when_and_whom_it_should() {
    let text = "duration = \"60s\"\npolicy = \"round_robin\"\narrivals = { rate = \"100/s\" }\n\
        servers.a = { count = 4, concurrency = 50, service = { distribution = \"constant\", mean = \"10ms\" }, \
        incidents = [{ from = \"20s\", to = \"40s\", count = 1, slow = 10.0 }, { from = \"40s\", count = 2, failing = 1.0 }] }";
    let report = report(text);
    adds_up(&report);
    // Calls that began before 40 s are still slow in the second after it.
    for slice in report.timeline.iter().filter(|slice| slice.from_s != 40.0) {
        let (slow, failing) = ((20.0..40.0).contains(&slice.from_s), slice.from_s > 40.0);
        assert_eq!(slice.p99_s > 0.05, slow, "{slice:?}");
        assert_eq!(slice.failed > 0, failing, "{slice:?}");
    }
    assert!((0.49..0.51).contains(&(report.requests.failed as f64 / (report.requests.arrived as f64 * 20.0 / 54.0))));
}

#[test]
fn a_heavier_server_gets_more_where_weights_count() {
    let text = "requests = 100_000\narrivals = { load = 0.5 }\nservers.one = { weight = 1, count = 2, service = { mean = \"1ms\" } }\n\
        servers.three = { weight = 3, count = 2, service = { mean = \"1ms\" }, concurrency = 3 }";
    let report = report(text);
    assert!(report.groups[1].share > 0.6, "{:?}", report.groups);
}

#[test]
fn an_overload_that_only_a_policy_makes_is_given_up_with_a_sentence() {
    // Round robin gives the slow half as much as the other one, ten times what it can do.
    let text = "requests = 20_000_000\npolicy = \"round_robin\"\narrivals = { load = 0.9 }\nservers.fast = { service = { mean = \"1ms\" } }\n\
        servers.slow = { slow = 1000.0, service = { mean = \"1ms\" } }";
    let overload = run(&scenario(text)).unwrap_err().to_string();
    assert!(overload.starts_with("load exceeds capacity: 4000000 requests are under way "), "{overload}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..crate::seeded() })]

    #[test]
    fn every_request_ends_in_exactly_one_way(
        seed in 0_u64..1_000_000,
        policy in prop::sample::select(Policy::names()),
        load in 0.05_f64..3.0,
        attempts in 0_u8..4,
        backoff in prop::sample::select(vec!["0s", "3ms"]),
        timeout in prop::sample::select(vec!["", "timeout = \"1ms\"", "timeout = \"30ms\"", "timeout = \"1s\""]),
        queue in 0_u32..6,
        failing in 0.0_f64..1.0,
        process in prop::sample::select(vec!["poisson", "constant", "bursts"]),
        down in 0_u32..2_000,
    ) {
        let text = format!(
            "seed = {seed}\nduration = \"3s\"\npolicy = \"{policy}\"\nretry = {{ attempts = {attempts}, backoff = \"{backoff}\" }}\n{timeout}\n\
             balancers = 2\narrivals = {{ process = \"{process}\", load = {load} }}\n\
             [servers.a]\ncount = 3\nqueue = {queue}\nservice = {{ mean = \"10ms\" }}\n\
             incidents = [{{ from = \"{down}ms\", to = \"{}ms\", count = 2, down = true }}]\n\
             [servers.b]\nqueue = 3\nconcurrency = 2\nfailing = {failing}\nservice = {{ distribution = \"constant\", mean = \"5ms\" }}\n\
             incidents = [{{ from = \"1s\", to = \"2s\", slow = 4.0, failing = 0.9 }}, {{ from = \"1500ms\", down = true }}]\n",
            down + 700
        );
        let scenario = scenario(&text);
        let mut simulation = crate::Simulation::new(&scenario);
        while simulation.advance(10_000).unwrap() != crate::Progress::Done {}
        prop_assert_eq!(simulation.in_flight(), 0, "the balancer hears of the end of every call it picked for");
        adds_up(&simulation.report());
    }
}
