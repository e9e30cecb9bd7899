//! Queueing theory has exact answers for simple systems: the simulator must find them.

use super::report;

/// Off by at most 1 %.
#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    let off = found / expected - 1.0;
    println!("{what}: {found:.4}, theory {expected:.4}, off by {:.2} %", off * 100.0);
    assert!(off.abs() < 0.01, "{what}: {found}, theory says {expected}");
}

#[test]
fn one_server_waits_as_the_theory_of_m_m_1_says() {
    for (load, requests) in [(0.3, 500_000), (0.5, 1_000_000), (0.7, 2_000_000)] {
        let text = format!(
            "requests = {requests}\narrivals = {{ load = {load} }}\nservers.a = {{ service = {{ mean = \"1s\" }} }}"
        );
        let report = report(&text);
        near(report.latency.mean_s, 1.0 / (1.0 - load), &format!("M/M/1 at {load}"));
        // In the order of arrival the whole time is exponential again: the 99th percentile is ln 100 times the mean.
        near(report.latency.p99_s / report.latency.mean_s, 100_f64.ln(), "p99 over mean");
        near(report.groups[0].utilisation, load, "utilisation");
        // Little's law holds whatever the distributions are.
        near(report.groups[0].waiting, load * (report.latency.mean_s - 1.0), "queue");
    }
}

#[test]
fn servers_with_one_queue_wait_as_the_theory_of_m_m_n_says() {
    for (places, load, expected, requests) in
        [(2, 0.5, 1.0 / (1.0 - 0.25), 1_000_000), (10, 0.7, 1.0739, 1_000_000), (100, 0.95, 1.1013, 1_000_000)]
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

#[test]
fn a_full_queue_refuses_as_the_theory_of_m_m_1_k_says() {
    // At most 5 in the system, one of them served.
    for load in [0.8_f64, 1.5] {
        let text = format!(
            "requests = 600_000\narrivals = {{ load = {load} }}\nservers.a = {{ queue = 4, service = {{ mean = \"1s\" }} }}"
        );
        let report = report(&text);
        let refused = report.requests.refused as f64 / report.requests.arrived as f64;
        near(refused, (1.0 - load) * load.powi(5) / (1.0 - load.powi(6)), &format!("refused at {load}"));
    }
}

#[test]
fn calls_without_a_line_are_lost_as_erlang_says() {
    for service in ["\"constant\"", "\"lognormal\""] {
        let text = format!(
            "requests = 1_000_000\narrivals = {{ load = 0.8 }}\n\
             servers.a = {{ concurrency = 10, queue = 0, service = {{ distribution = {service}, mean = \"1s\" }} }}"
        );
        let report = report(&text);
        // Erlang's B for 8 erlang on 10 lines, whatever the distribution is.
        let lost = (1..=10).fold(1.0, |lost, line| 8.0 * lost / (f64::from(line) + 8.0 * lost));
        near(report.requests.refused as f64 / report.requests.arrived as f64, lost, service);
    }
}

#[test]
fn the_shorter_of_two_queues_is_as_short_as_mitzenmacher_says() {
    // The sum over i of load^(2^i - 2), for very many servers; warm-up 10 / (1 - sqrt(load))^2.
    for (load, servers, warmup, requests) in [(0.5, 500, 120, 300_000), (0.7, 1_000, 375, 1_000_000)] {
        let text = format!(
            "policy = \"two_choices\"\nrequests = {requests}\nwarmup = \"{warmup}s\"\narrivals = {{ load = {load} }}\n\
             servers.a = {{ count = {servers}, service = {{ mean = \"1s\" }} }}"
        );
        let expected = (1..8).map(|i| f64::powi(load, 2_i32.pow(i) - 2)).sum();
        near(report(&text).latency.mean_s, expected, &format!("SQ(2) at {load}"));
    }
}

#[test]
fn peak_ewma_leaves_a_slow_server_alone_and_counting_calls_in_flight_does_not() {
    // In service times, one of ten servers takes five. At 0.9 even one queue for the nine good ones would have 7.6.
    for (load, distribution, most, least) in
        [(0.7, "exponential", 6.0, 15.0), (0.9, "constant", 6.0, 15.0), (0.9, "exponential", 10.0, 25.0)]
    {
        let service = format!("service = {{ distribution = \"{distribution}\", mean = \"10ms\" }}");
        let text = format!(
            "requests = 300_000\narrivals = {{ load = {load} }}\n\
             servers.fast = {{ count = 9, {service} }}\nservers.slow = {{ slow = 5.0, {service} }}"
        );
        let (peak, fewer) = (report(&text), report(&format!("policy = \"least_request\"\n{text}")));
        let (peak, fewer) = (peak.latency.p99_s * 100.0, fewer.latency.p99_s * 100.0);
        println!("{distribution} at {load}: p99 {peak:.1} and {fewer:.1} service times");
        assert!(peak <= most, "Peak EWMA has a p99 of {peak:.1} service times at {load}, {distribution}");
        assert!(fewer >= least, "the fewer of two have a p99 of {fewer:.1} service times at {load}, {distribution}");
    }
}
